"""`store=database` (design §4): a presentity is locked, read, decided about and saved in one transaction.

Any core serves any presentity; the table of owners only routes, so that one core usually has it in memory.

Rule 1: of what is in memory only how far our NOTIFYs have come is trusted, and that while no other core has sent any.
Rule 2: what is to be told is told after the commit, and what has to be saved for it waits for the next turn.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from nats.errors import Error as NatsError

from lamplighter_proto import Command, Outcome, Refresh, Refreshed, Register, Wanted, subjects
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Directory
from presence_core.claims import Claims
from presence_core.commits import Action, Gathered
from presence_core.domain.documents import NO_DOCUMENTS, Documents
from presence_core.domain.presentity import TOMBSTONE_SECONDS
from presence_core.merging import merged
from presence_core.parts import Parts
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.store import Changes, Locked, Store, StoreAway, StoreError

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.2
RETRY_SECONDS = 0.5
CLEAN_SECONDS = 30.0
WANTED_SECONDS = 3600.0


class Worker(NamedTuple):
    """Parts for one transaction at a time, and what they gather for it."""

    parts: Parts
    gathered: Gathered


@dataclass(slots=True, eq=False)
class InUse:
    """A presentity that somebody is busy with, or whose watchers are here."""

    aor: str
    number: int
    shard: Shard | None = None
    commands: deque[Command] = field(default_factory=deque)
    refreshes: list[Refresh] = field(default_factory=list)
    look: bool = False
    """Whether it has to be looked at without a command."""
    gone: set[str] = field(default_factory=set)
    """Local tags of subscriptions whose last NOTIFY is settled."""
    unsaved: set[str] = field(default_factory=set)
    """Local tags whose progress has to be saved."""
    busy: bool = False
    in_doubt: bool = False
    """Whether a commit is begun of which we do not know the end."""
    wanted_at: float = 0.0
    refreshed: asyncio.Event = field(default_factory=asyncio.Event)
    documents: Documents = NO_DOCUMENTS

    @property
    def waiting(self) -> bool:
        """Return whether there is something to do."""
        return bool(self.commands or self.refreshes or self.look or self.gone or self.unsaved)


class Presentities:
    """The presentities that this process is busy with."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, directory: Directory) -> None:
        self._settings = settings
        self._bus = bus
        self._store = store
        self._claims = Claims(directory, settings.instance, settings.shards)
        self._uses: dict[str, InUse] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._away = False
        self._taken: set[int] = set()
        """Shards whose watchers we have taken over."""
        self._wake = asyncio.Event()
        directory.on_members(self._wake.set)
        directory.on_change(lambda _: self._wake.set())

    def use(self, front: Worker, workers: Iterable[Worker]) -> None:
        """Take the parts for what needs no transaction, and those for transactions, one each."""
        self._front = front
        self._workers: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in workers:
            self._workers.put_nowait(worker)

    # --- messages

    def on_commands(self, commands: list[Command]) -> None:
        """Take the commands of a frame."""
        for command in commands:
            use = self._use(command.aor if isinstance(command, Register) else command.presentity)
            if len(use.commands) >= self._settings.waiting_commands:
                self._front.parts.handlers.refuse(command)
            else:
                use.commands.append(command)
                self._begin(use)

    def on_refreshes(self, refreshes: list[Refresh]) -> None:
        """Look again at presentities whose documents may have changed; each is read at its next use anyway."""
        for refresh in refreshes:
            uses = [self._uses.get(refresh.presentity)] if refresh.presentity else list(self._uses.values())
            known = [use for use in uses if use is not None]
            for use in known:
                use.look = True
                use.refreshed.set()
                use.refreshes += [refresh] if refresh.presentity else []
                self._begin(use)
            if not known or not refresh.presentity:
                self._confirm(refresh)

    def on_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a frame."""
        now = clock.wall()
        for outcome in outcomes:
            use = self._uses.get(outcome.presentity)
            if use is not None and use.shard is not None:
                self._front.parts.teller.on_outcome(use.shard, outcome, now)
                self._tell(self._front, use, now)

    def _confirm(self, refresh: Refresh) -> None:
        self._bus.send(subjects.xcap_replies(refresh.xcap_sync), Refreshed(id=refresh.id))

    def _tell(self, worker: Worker, use: InUse, now: float) -> None:
        """Tell what is to be told; what has to be saved for it is for the next turn."""
        worker.parts.teller.tell(now)
        changes, _ = worker.gathered.take()
        use.gone.update(changes.gone)
        use.unsaved.update(changes.progress)
        # Decisions that came up are made again, from the rows.
        use.look = use.look or changes.rows() > len(changes.gone) + len(changes.progress)
        self._begin(use)

    # --- turns

    def _use(self, aor: str) -> InUse:
        use = self._uses.get(aor)
        if use is None:
            use = self._uses[aor] = InUse(aor, shard_of(aor, self._settings.shards))
        return use

    def _begin(self, use: InUse) -> None:
        if use.waiting and not use.busy:
            use.busy = True
            task = asyncio.get_running_loop().create_task(self._work(use))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, use: InUse) -> None:
        """Take turns for as long as there is something to do."""
        try:
            while use.waiting:
                worker = await self._workers.get()
                try:
                    await self._turn(worker, use)
                finally:
                    worker.parts.teller.forget()
                    worker.gathered.take()
                    self._workers.put_nowait(worker)
        finally:
            use.busy = False
            self._rest(use)

    async def _turn(self, worker: Worker, use: InUse) -> None:
        commands, use.commands = list(use.commands), deque()
        refreshes, use.refreshes, use.look = use.refreshes, [], False
        try:
            await self._wait_for_documents(use, commands)
            actions = await self._transaction(worker, use, commands)
        except Exception as error:
            self._failed(use, commands, error)
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._away = False
        now = clock.wall()
        for action in actions:
            action()
        self._tell(worker, use, now)
        for refresh in refreshes:
            self._confirm(refresh)

    async def _transaction(self, worker: Worker, use: InUse, commands: list[Command]) -> list[Action]:
        async with self._store.presentity(use.aor, use.number) as locked:
            now = clock.wall()
            self._read(worker, use, locked, now)
            changes, actions = self._decide(worker, use, commands, now)
            if changes.rows():
                use.in_doubt = True
                await locked.save(changes)
        use.in_doubt = False
        return actions

    def _read(self, worker: Worker, use: InUse, locked: Locked, now: float) -> None:
        """Make the memory of a presentity of its rows, and of what we know of our NOTIFYs."""
        parts = worker.parts
        if use.documents.stored != locked.documents:
            use.documents = parts.documents.read(use.aor, locked.documents)
        documents = {use.aor: use.documents}
        fresh = parts.loader.build(locked.rows, documents, {use.number: 0}, now)[use.number]
        if self._settings.xcap != "none":
            fresh.documents[use.aor] = use.documents
        use.shard = merged(use.shard, fresh)
        for delivery in use.shard.deliveries.values():
            parts.teller.offer(use.shard, delivery)

    def _decide(self, worker: Worker, use: InUse, commands: list[Command], now: float) -> tuple[Changes, list[Action]]:
        shard, parts = use.shard, worker.parts
        assert shard is not None
        parts.handlers.on_tick(shard, now)
        for command in commands:
            parts.handlers.handle(shard, command, now)
        gone, use.gone = use.gone, set()
        for tag in gone:
            parts.teller.remove(shard, tag, now)
        unsaved, use.unsaved = use.unsaved, set()
        for tag in unsaved & shard.deliveries.keys():
            parts.teller.save_progress(shard, tag, shard.deliveries[tag])
        return worker.gathered.take()

    def _failed(self, use: InUse, commands: list[Command], error: Exception) -> None:
        """Forget what may not be so; what is in doubt is not answered, and is known when the edge asks again."""
        use.shard, use.look = None, True
        if not isinstance(error, StoreError):
            logger.error("presentity not served", exc_info=error, extra={"presentity": use.aor})
            use.look = False
        self._away = self._away or isinstance(error, StoreAway)
        in_doubt, use.in_doubt = use.in_doubt, False
        for command in commands if not in_doubt else ():
            self._front.parts.handlers.refuse(command)

    async def _wait_for_documents(self, use: InUse, commands: list[Command]) -> None:
        """Have documents fetched for who is watched, and wait for them the first time."""
        now = clock.wall()
        if self._settings.xcap != "client" or not commands or now - use.wanted_at < WANTED_SECONDS:
            return
        first, use.wanted_at = not use.wanted_at, now
        self._bus.send(subjects.XCAP, Wanted(presentity=use.aor))
        if first:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.fetch_wait_seconds):
                    await use.refreshed.wait()

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
        return {"database": not self._away, "shards": wanted is None or wanted <= self._taken}

    def memory(self) -> Iterable[Shard]:
        """Return what is in memory."""
        return [use.shard for use in self._uses.values() if use.shard is not None]

    async def find(self, aor: str) -> Shard | None:
        """Read a presentity as it is now; raise StoreError."""
        number = shard_of(aor, self._settings.shards)
        worker = await self._workers.get()
        try:
            use = InUse(aor, number, self._uses[aor].shard if aor in self._uses else None)
            if use.shard is None:
                async with self._store.presentity(aor, number) as locked:
                    self._read(worker, use, locked, clock.wall())
        finally:
            worker.parts.teller.forget()
            worker.gathered.take()
            self._workers.put_nowait(worker)
        return use.shard

    def work(self) -> Mapping[str, Coroutine[object, object, None]]:
        """Return what has to run, by name."""
        return {"claims": self._claim_for_ever(), "ticks": self._tick_for_ever(), "cleaner": self._clean_for_ever()}

    async def leave(self) -> None:
        """Finish what is begun, save how far NOTIFYs have come, and say that our shards are free."""
        for use in list(self._uses.values()):
            self._save_progress(use)
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._claims.release(self._claims.claimed)

    async def _claim_for_ever(self) -> None:
        while True:
            try:
                await self._balance()
            except (StoreError, NatsError, TimeoutError) as error:
                self._away = self._away or isinstance(error, StoreError)
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
                self._begin(use)
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
            self._front.parts.teller.sweep(shard, now)
            self._tell(self._front, use, now)
        if saving:
            self._save_progress(use)
        elif (at := shard.wheel.next()) is not None and at <= now:
            use.look = True
            self._begin(use)

    def _save_progress(self, use: InUse) -> None:
        if use.shard is not None and use.shard.unsaved:
            use.unsaved |= use.shard.unsaved
            use.shard.unsaved.clear()
            self._begin(use)

    async def _clean_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_SECONDS)
            try:
                await self._store.clean_all(sorted(self._taken), int(clock.wall()) - TOMBSTONE_SECONDS)
            except StoreError as error:
                logger.warning("not cleaned", extra={"error": str(error)})
