"""One presentity at a time: locked, read, decided about, saved; then told (store=database).

Rule 1: of what is in memory only how far our NOTIFYs have come is trusted, and that while no other core has sent any.
Rule 2: what is to be told is told after the commit, and what has to be saved for it waits for the next turn.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from lamplighter_proto import Refresh, Refreshed, Subscribe, Wanted, subjects
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from presence_core.commits import Action, Gathered
from presence_core.domain.documents import Documents
from presence_core.in_use import NEVER, InUse, Turn
from presence_core.merging import merged
from presence_core.parts import Parts
from presence_core.settings import Settings
from presence_core.shard import Entry, Shard
from presence_core.store import Changes, Locked, Store, StoreAway, StoreError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
"""Until a presentity that finds a bug is looked at again; while the database is away it is RETRY_SECONDS."""
WANTED_SECONDS = 3600.0


class Worker(NamedTuple):
    """Parts for one transaction at a time, and what they gather for it."""

    parts: Parts
    gathered: Gathered


class Turns:
    """Takes turns for presentities, as many at a time as there are workers."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, rested: Callable[[InUse], None]) -> None:
        self.away = False
        self.taken = 0
        """How many turns there were."""
        self.pending = 0
        """Commands that are not decided yet."""
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
        changes, actions = worker.gathered.take()
        use.gone.update(changes.gone)
        use.unsaved.update(changes.progress)
        # Decisions that came up are made again, from the rows.
        decided = changes.rows() > len(changes.gone) + len(changes.progress) or len(actions) > len(changes.progress)
        use.look = use.look or decided
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
        """Read a presentity without being busy with it; raise StoreError."""
        use = InUse(aor, number)
        async with self._worker() as worker, self._store.presentity(aor, number) as locked:
            self._read(worker, use, locked, clock.wall(), anew=False)
        return use.shard

    def confirm(self, refresh: Refresh) -> None:
        """Say that word of changed documents has taken effect."""
        if refresh.xcap_sync:
            self._bus.send(subjects.xcap_replies(refresh.xcap_sync), Refreshed(id=refresh.id))

    def begin(self, use: InUse) -> asyncio.Task[None] | None:
        """Take turns for a presentity if there is something to do and nobody does it."""
        if not use.waiting or use.busy:
            return None
        use.busy = True
        task = asyncio.get_running_loop().create_task(self._work(use))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def settled(self, seconds: float) -> None:
        """Wait until the turns that are begun are over, for so long at most."""
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=seconds)

    async def _work(self, use: InUse) -> None:
        """Take turns for as long as there is something to do."""
        try:
            while use.waiting:
                await self._wait_for_documents(use)
                async with self._worker() as worker:
                    await self._turn(worker, use)
        finally:
            use.busy = False
            self._rested(use)

    async def _turn(self, worker: Worker, use: InUse) -> None:
        turn = use.take()
        self.taken, self.pending = self.taken + 1, self.pending - len(turn.commands)
        try:
            actions = await self._transaction(worker, use, turn)
        except Exception as error:
            self._failed(use, turn, error)
            return
        use.failures, use.again_at, self.away = 0, NEVER, False
        for action in actions:
            _act(action, use)
        try:
            self.tell(worker, use, clock.wall())
        except Exception as error:
            self.broken(use, error)
        for refresh in turn.refreshes:
            self.confirm(refresh)

    async def _transaction(self, worker: Worker, use: InUse, turn: Turn) -> list[Action]:
        async with self._store.presentity(use.aor, use.number) as locked:
            now = clock.wall()
            # Whatever others have told since, its progress is theirs to save.
            turn.unsaved -= self._read(worker, use, locked, now, anew=turn.anew)
            changes, actions = self._decide(worker, use, turn, now)
            if changes.rows():
                await locked.save(changes)
                turn.in_doubt = True
        return actions

    def _read(self, worker: Worker, use: InUse, locked: Locked, now: float, *, anew: bool) -> set[str]:
        """Make the memory of a presentity of its rows, and of what we know of our NOTIFYs.

        Return the local tags of those that other cores have told.
        """
        parts = worker.parts
        documents = {use.aor: self._documents(parts, use, locked)} if self._settings.xcap != "none" else {}
        fresh = parts.loader.build(locked.rows, documents, {use.number: 0}, now)[use.number]
        fresh.documents.update(documents)

        def recompose(shard: Shard, entry: Entry) -> None:
            parts.composer.recompose(shard, entry, now)

        others = merged(use.shard, fresh, recompose, anew=anew)
        use.shard = fresh
        for delivery in fresh.deliveries.values():
            parts.teller.offer(fresh, delivery)
        return others

    def _documents(self, parts: Parts, use: InUse, locked: Locked) -> Documents:
        if use.documents.stored != locked.documents:
            use.documents = parts.documents.read(use.aor, locked.documents)
        return use.documents

    def _decide(self, worker: Worker, use: InUse, turn: Turn, now: float) -> tuple[Changes, list[Action]]:
        shard, parts = use.shard, worker.parts
        assert shard is not None, "it has just been read"
        for tag in turn.gone:
            parts.teller.remove(shard, tag, now)
        parts.handlers.on_due(shard, now)
        parts.teller.sweep(shard, now)
        for command in turn.commands:
            parts.handlers.handle(shard, command, now)
        for tag in turn.unsaved & shard.deliveries.keys():
            parts.teller.save_progress(shard, tag, shard.deliveries[tag])
        return worker.gathered.take()

    def _failed(self, use: InUse, turn: Turn, error: Exception) -> None:
        """Forget what may not be so; what is in doubt is not answered, and is known when the edge asks again."""
        self.broken(use, error)
        use.gone |= turn.gone
        use.anew = use.anew or turn.anew
        refused = [] if turn.in_doubt else turn.commands
        if self.away:
            refused += use.commands
            self.pending -= len(use.commands)
            use.commands.clear()
        for command in refused:
            self.front.parts.handlers.refuse(command)

    def broken(self, use: InUse, error: Exception) -> None:
        """Forget what is in memory, and look at it again after a while."""
        use.shard, use.failures = None, use.failures + 1
        pause = RETRY_SECONDS
        if not isinstance(error, StoreError):
            logger.error("presentity not served", exc_info=error, extra={"presentity": use.aor})
            pause = min(RETRY_SECONDS * 2.0 ** min(use.failures, 10), LONGEST_RETRY_SECONDS)
        elif not self.away:
            logger.warning("presentity not served", extra={"presentity": use.aor, "error": repr(error)})
        self.away = self.away or isinstance(error, StoreAway)
        use.again_at = clock.wall() + pause

    async def _wait_for_documents(self, use: InUse) -> None:
        """Have documents fetched for who is watched, and wait for them the first time."""
        now = clock.wall()
        if self._settings.xcap != "client" or now - use.wanted_at < WANTED_SECONDS or not self._needs_documents(use):
            return
        use.wanted_at = now
        self._bus.send(subjects.XCAP, Wanted(presentity=use.aor))
        if use.shard is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.fetch_wait_seconds):
                    await use.refreshed.wait()

    def _needs_documents(self, use: InUse) -> bool:
        needed = self.front.parts.documents.needed_for
        return any(isinstance(command, Subscribe) and needed(command.event) for command in use.commands)


def _act(action: Action, use: InUse) -> None:
    try:
        action()
    except Exception:
        # The bug of one must not cost the others what they are owed after the commit.
        logger.exception("action failed", extra={"presentity": use.aor})
