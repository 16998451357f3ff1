"""`store=database` (design §4): presentities are used one by one, each in a transaction of its own.

Any core serves any presentity; the table of owners only routes, so that one core usually has it in memory and minds
its watchers and timers. Another core that served one lets go when its NOTIFYs are settled, and says so to the owner.
"""

import logging
from collections.abc import Coroutine, Iterable, Mapping

from lamplighter_proto import Command, Outcome, Refresh, Register, subjects
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Directory
from presence_core.claims import Claims
from presence_core.domain.expiry import Wheel
from presence_core.in_use import InUse
from presence_core.looking import Looking
from presence_core.metrics import Metrics
from presence_core.minding import Minding
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.store import Store
from presence_core.turns import Turns, Worker

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 2.0
"""What waits longer for its turn may be given up before it is answered."""


class Presentities:
    """The presentities that this process is busy with, or whose watchers it minds."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, directory: Directory, metrics: Metrics) -> None:
        self.uses: dict[str, InUse] = {}
        self.due: Wheel[str] = Wheel(clock.wall())
        self._settings = settings
        self._bus = bus
        self._directory = directory
        self._claims = Claims(directory, settings.instance, settings.shards)
        self._turns = Turns(settings, bus, store, metrics, self.rest)
        self._looking = Looking(self._turns, at_a_time=max(1, settings.database_connections // 2))
        self._minding = Minding(settings, store, directory, self._claims, self._turns, self._looking, self)

    def use(self, front: Worker, workers: Iterable[Worker]) -> None:
        """Take the parts for what needs no transaction, and those for transactions, one each."""
        self._turns.use(front, workers)

    # --- messages

    def on_commands(self, commands: list[Command]) -> None:
        """Take the commands of a frame."""
        for command in commands:
            use = self.in_use(command.aor if isinstance(command, Register) else command.presentity)
            if self._full(use):
                self._turns.front.parts.handlers.refuse(command)
                self.rest(use)
            else:
                use.commands.append(command)
                self._turns.pending += 1
                self._turns.begin(use)

    def _full(self, use: InUse) -> bool:
        """Return whether no further command can wait; without the database none can."""
        turns = self._turns
        slow = turns.waited > LONGEST_WAIT_SECONDS and turns.pending > self._settings.database_connections
        full = turns.pending >= self._settings.pending_changes
        return slow or full or turns.away or len(use.commands) >= self._settings.waiting_commands

    def on_refreshes(self, refreshes: list[Refresh]) -> None:
        """Look again at presentities whose documents may have changed; each is read at its next use anyway."""
        for refresh in refreshes:
            if not refresh.presentity:
                self._refresh_all(refresh)
            elif not refresh.xcap_sync:
                self._looking.add([self.in_use(refresh.presentity)], anew=True)
            else:
                self._refresh(refresh)

    def _refresh_all(self, refresh: Refresh) -> None:
        if self._turns.expect(refresh, len(self.uses)):
            for use in self.uses.values():
                use.refreshes.append(refresh)
            self._looking.add(self.uses.values())

    def _refresh(self, refresh: Refresh) -> None:
        use = self.uses.get(refresh.presentity)
        if use is not None:
            use.look = True
            use.refreshed.set()
            use.refreshes.append(refresh)
            self._turns.begin(use)
        elif refresh.shard in self._minding.taken:
            self._turns.confirm(refresh)

    def on_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a frame."""
        now = clock.wall()
        for outcome in outcomes:
            use = self.uses.get(outcome.presentity)
            if use is not None:
                self._turns.on_outcome(use, outcome, now)
                self.plan(use)

    # --- in use

    def in_use(self, aor: str) -> InUse:
        """Return what is known of a presentity."""
        use = self.uses.get(aor)
        if use is None:
            use = self.uses[aor] = InUse(aor, shard_of(aor, self._settings.shards))
        return use

    def plan(self, use: InUse) -> None:
        """See to it that a presentity is looked at in time."""
        at = use.next_at()
        if at < use.due_at:
            use.due_at = at
            self.due.set(use.aor, at)

    def rest(self, use: InUse) -> None:
        """Keep what has watchers here until something is due; forget the rest."""
        if self.uses.get(use.aor) is not use:
            return
        if use.idle and not self._kept(use):
            del self.uses[use.aor]
            if use.watched:
                self._hand_over(use)
            return
        self.plan(use)

    def _kept(self, use: InUse) -> bool:
        # What is claimed is about to be taken.
        if not use.watched or use.number in self._minding.taken or self._claims.is_ours(use.number):
            return use.watched
        assert use.shard is not None, "it is watched"
        # Not ours to mind: only what we have begun is settled and saved.
        self.save_progress(use)
        return bool(use.shard.in_flight) or not use.idle

    def _hand_over(self, use: InUse) -> None:
        """Tell the owner of a presentity that we have used it."""
        owner = self._directory.owner_of(use.number)
        if owner and owner != self._settings.instance:
            word = Refresh(id=0, xcap_sync="", shard=use.number, presentity=use.aor)
            self._bus.send(subjects.core_refreshes(owner), word)

    def forget(self, numbers: Iterable[int]) -> None:
        """Leave the watchers of shards to another core, which looks at them all."""
        numbers = set(numbers)
        for use in [use for use in self.uses.values() if use.number in numbers and use.idle]:
            del self.uses[use.aor]

    def save_progress(self, use: InUse) -> None:
        """Have it saved which watchers have the state."""
        if use.shard is not None and use.shard.unsaved:
            use.unsaved |= use.shard.unsaved
            use.shard.unsaved.clear()
            self._turns.begin(use)

    # --- for the service

    def ready(self) -> Mapping[str, bool]:
        """Return whether the database is there and the watchers of our shards are taken over."""
        wanted = self._claims.wanted()
        return {"database": not self._turns.away, "shards": wanted is None or wanted <= self._minding.taken}

    def memory(self) -> Iterable[Shard]:
        """Return what is in memory."""
        return [use.shard for use in self.uses.values() if use.shard is not None]

    async def find(self, aor: str) -> Shard | None:
        """Return a presentity as it is stored, or as it is in memory where that knows more; raise StoreError."""
        use = self.uses.get(aor)
        if use is not None and use.shard is not None and use.number in self._minding.taken:
            return use.shard
        return await self._turns.look(aor, shard_of(aor, self._settings.shards))

    def work(self) -> Mapping[str, Coroutine[object, object, None]]:
        """Return what has to run, by name."""
        return {"looks": self._looking.run(), **self._minding.work()}

    async def leave(self) -> None:
        """Save how far NOTIFYs have come, say that our shards are free, and finish what is begun."""
        for use in self.uses.values():
            self.save_progress(use)
        await self._turns.settled(SETTLE_SECONDS)
        kept = dict(self.uses)
        await self._claims.release(set(self._claims.claimed))
        await self._turns.settled(SETTLE_SECONDS)
        for use in {**kept, **self.uses}.values():
            if use.shard is not None and (use.shard.in_flight or use.aor in self.uses):
                self._hand_over(use)
        logger.info("shards released")
