"""One presentity at a time: locked, read, decided about, saved; then told (store=database).

Rule 1: of what is in memory only how far our NOTIFYs have come is trusted, and that while no other core has sent any.
Rule 2: what is to be told is told after the commit, and what has to be saved for it waits for the next turn.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from lamplighter_proto import Command, Refresh, Refreshed, Subscribe, Wanted, subjects
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from presence_core.commits import Action, Gathered
from presence_core.domain.documents import NO_DOCUMENTS, Documents
from presence_core.merging import merged
from presence_core.parts import Parts
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.store import Changes, Locked, Store, StoreAway, StoreError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
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


class Turns:
    """Takes turns for presentities, as many at a time as there are workers."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, rested: Callable[[InUse], None]) -> None:
        self.away = False
        self.tasks: set[asyncio.Task[None]] = set()
        self._settings = settings
        self._bus = bus
        self._store = store
        self._rested = rested

    def use(self, front: Worker, workers: Iterable[Worker]) -> None:
        """Take the parts for what needs no transaction, and those for transactions, one each."""
        self.front = front
        self._workers: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in workers:
            self._workers.put_nowait(worker)

    def tell(self, worker: Worker, use: InUse, now: float) -> None:
        """Tell what is to be told; what has to be saved for it is for the next turn."""
        worker.parts.teller.tell(now)
        changes, _ = worker.gathered.take()
        use.gone.update(changes.gone)
        use.unsaved.update(changes.progress)
        # Decisions that came up are made again, from the rows.
        use.look = use.look or changes.rows() > len(changes.gone) + len(changes.progress)
        self.begin(use)

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Worker]:
        """Lend a worker, and have it forget what it was busy with."""
        worker = await self._workers.get()
        try:
            yield worker
        finally:
            worker.parts.teller.forget()
            worker.gathered.take()
            self._workers.put_nowait(worker)

    async def look(self, aor: str, number: int) -> Shard | None:
        """Read a presentity that nobody here is busy with; raise StoreError."""
        use = InUse(aor, number)
        async with self._worker() as worker, self._store.presentity(aor, number) as locked:
            self._read(worker, use, locked, clock.wall())
        return use.shard

    def confirm(self, refresh: Refresh) -> None:
        """Say that word of changed documents has taken effect."""
        self._bus.send(subjects.xcap_replies(refresh.xcap_sync), Refreshed(id=refresh.id))

    def begin(self, use: InUse) -> None:
        """Take turns for a presentity if there is something to do and nobody does it."""
        if use.waiting and not use.busy:
            use.busy = True
            task = asyncio.get_running_loop().create_task(self._work(use))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _work(self, use: InUse) -> None:
        """Take turns for as long as there is something to do."""
        try:
            while use.waiting:
                async with self._worker() as worker:
                    await self._turn(worker, use)
        finally:
            use.busy = False
            self._rested(use)

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
        self.away = False
        now = clock.wall()
        for action in actions:
            action()
        self.tell(worker, use, now)
        for refresh in refreshes:
            self.confirm(refresh)

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
        elif not self.away:
            logger.warning("database away", extra={"error": str(error)})
        self.away = self.away or isinstance(error, StoreAway)
        in_doubt, use.in_doubt = use.in_doubt, False
        for command in commands if not in_doubt else ():
            self.front.parts.handlers.refuse(command)

    async def _wait_for_documents(self, use: InUse, commands: list[Command]) -> None:
        """Have documents fetched for who is watched, and wait for them the first time."""
        now = clock.wall()
        watched = any(isinstance(command, Subscribe) for command in commands)
        if self._settings.xcap != "client" or not watched or now - use.wanted_at < WANTED_SECONDS:
            return
        first, use.wanted_at = not use.wanted_at, now
        self._bus.send(subjects.XCAP, Wanted(presentity=use.aor))
        if first:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.fetch_wait_seconds):
                    await use.refreshed.wait()
