"""`store=database` (design §4): presentities are used one by one, each in a transaction of its own.

Any core serves any presentity; the table of owners only routes, so that one core usually has it in memory and minds
its timers.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping

from nats.errors import Error as NatsError

from lamplighter_proto import Command, Outcome, Refresh, Register
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Directory
from presence_core.claims import Claims
from presence_core.domain.presentity import TOMBSTONE_SECONDS
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.store import Store, StoreError
from presence_core.turns import InUse, Turns, Worker

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.2
RETRY_SECONDS = 0.5
CLEAN_SECONDS = 30.0


class Presentities:
    """The presentities that this process is busy with."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, directory: Directory) -> None:
        self._settings = settings
        self._store = store
        self._claims = Claims(directory, settings.instance, settings.shards)
        self._uses: dict[str, InUse] = {}
        self._turns = Turns(settings, bus, store, self._rest)
        self._taken: set[int] = set()
        """Shards whose watchers we have taken over."""
        self._wake = asyncio.Event()
        directory.on_members(self._wake.set)
        directory.on_change(lambda _: self._wake.set())

    def use(self, front: Worker, workers: Iterable[Worker]) -> None:
        """Take the parts for what needs no transaction, and those for transactions, one each."""
        self._turns.use(front, workers)

    # --- messages

    def on_commands(self, commands: list[Command]) -> None:
        """Take the commands of a frame."""
        for command in commands:
            use = self._use(command.aor if isinstance(command, Register) else command.presentity)
            if len(use.commands) >= self._settings.waiting_commands:
                self._turns.front.parts.handlers.refuse(command)
            else:
                use.commands.append(command)
                self._turns.begin(use)

    def on_refreshes(self, refreshes: list[Refresh]) -> None:
        """Look again at presentities whose documents may have changed; each is read at its next use anyway."""
        for refresh in refreshes:
            uses = [self._uses.get(refresh.presentity)] if refresh.presentity else list(self._uses.values())
            known = [use for use in uses if use is not None]
            for use in known:
                use.look = True
                use.refreshed.set()
                use.refreshes += [refresh] if refresh.presentity else []
                self._turns.begin(use)
            if not known or not refresh.presentity:
                self._turns.confirm(refresh)

    def on_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a frame."""
        now = clock.wall()
        for outcome in outcomes:
            use = self._uses.get(outcome.presentity)
            if use is not None and use.shard is not None:
                self._turns.front.parts.teller.on_outcome(use.shard, outcome, now)
                self._turns.tell(self._turns.front, use, now)

    # --- in use

    def _use(self, aor: str) -> InUse:
        use = self._uses.get(aor)
        if use is None:
            use = self._uses[aor] = InUse(aor, shard_of(aor, self._settings.shards))
        return use

    def _rest(self, use: InUse) -> None:
        """Keep what has watchers here until something is due; forget the rest."""
        shard = use.shard
        kept = shard is not None and (shard.deliveries or shard.known or shard.boundaries)
        if not kept and not use.waiting:
            self._uses.pop(use.aor, None)

    # --- for the service

    def ready(self) -> Mapping[str, bool]:
        """Return whether the database is there and the watchers of our shards are taken over."""
        wanted = self._claims.wanted()
        return {"database": not self._turns.away, "shards": wanted is None or wanted <= self._taken}

    def memory(self) -> Iterable[Shard]:
        """Return what is in memory."""
        return [use.shard for use in self._uses.values() if use.shard is not None]

    async def find(self, aor: str) -> Shard | None:
        """Return the memory of a presentity, read if it is not there; raise StoreError."""
        use = self._uses.get(aor)
        if use is not None and use.shard is not None:
            return use.shard
        return await self._turns.look(aor, shard_of(aor, self._settings.shards))

    def work(self) -> Mapping[str, Coroutine[object, object, None]]:
        """Return what has to run, by name."""
        return {"claims": self._claim_for_ever(), "ticks": self._tick_for_ever(), "cleaner": self._clean_for_ever()}

    async def leave(self) -> None:
        """Finish what is begun, save how far NOTIFYs have come, and say that our shards are free."""
        for use in list(self._uses.values()):
            self._save_progress(use)
        while self._turns.tasks:
            await asyncio.wait(self._turns.tasks)
        await self._claims.release(self._claims.claimed)

    async def _claim_for_ever(self) -> None:
        while True:
            try:
                await self._balance()
            except (StoreError, NatsError, TimeoutError) as error:
                self._turns.away = self._turns.away or isinstance(error, StoreError)
                logger.warning("shards not claimed", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def _balance(self) -> None:
        wanted = self._claims.wanted()
        if wanted is None:
            return
        if surplus := self._claims.claimed - wanted:
            await self._claims.release(surplus)
            self._forget(surplus)
        missing = [number for number in wanted - self._taken if self._claims.free(number)]
        if missing:
            await self._claims.claim([number for number in missing if number not in self._claims.claimed])
            for aor in await self._store.watched(missing):
                use = self._use(aor)
                use.look = True
                self._turns.begin(use)
            self._taken.update(missing)

    def _forget(self, numbers: Iterable[int]) -> None:
        """Leave the watchers of shards to another core."""
        self._taken.difference_update(numbers)
        for use in [use for use in self._uses.values() if use.number in set(numbers)]:
            if not use.waiting:
                del self._uses[use.aor]

    async def _tick_for_ever(self) -> None:
        saved_at = clock.wall()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = clock.wall()
            saving = now - saved_at >= self._settings.progress_seconds
            saved_at = now if saving else saved_at
            for use in list(self._uses.values()):
                self._attend(use, now, saving=saving)

    def _attend(self, use: InUse, now: float, *, saving: bool) -> None:
        """See to NOTIFYs of which no word comes, and to progress that is not saved."""
        shard = use.shard
        if shard is None or use.busy:
            return
        if shard.in_flight:
            self._turns.front.parts.teller.sweep(shard, now)
            self._turns.tell(self._turns.front, use, now)
        if saving:
            self._save_progress(use)
        elif (at := shard.wheel.next()) is not None and at <= now:
            use.look = True
            self._turns.begin(use)

    def _save_progress(self, use: InUse) -> None:
        if use.shard is not None and use.shard.unsaved:
            use.unsaved |= use.shard.unsaved
            use.shard.unsaved.clear()
            self._turns.begin(use)

    async def _clean_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_SECONDS)
            try:
                await self._store.clean_all(sorted(self._taken), int(clock.wall()) - TOMBSTONE_SECONDS)
            except StoreError as error:
                logger.warning("not cleaned", extra={"error": str(error)})
