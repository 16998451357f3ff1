"""One presentity at a time: locked, read, decided about, saved; then told (store=database).

Rule 1: of what is in memory only how far our NOTIFYs have come is trusted, and that while no other core has sent any.
Rule 2: what follows from a decision, numbers of NOTIFYs included, is saved in the same transaction. What is said waits
for the commit, and nothing else touches the presentity until then.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from lamplighter_proto import Outcome, Refresh, Refreshed, Subscribe, Wanted, subjects
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from presence_core.commits import Action, Gathered
from presence_core.deliver import STILL_TRYING
from presence_core.domain.delivery import Consequence, consequence_of
from presence_core.domain.documents import Documents
from presence_core.in_use import NEVER, InUse, Turn
from presence_core.merging import merged
from presence_core.metrics import Metrics
from presence_core.outbox import Outbox
from presence_core.parts import Parts
from presence_core.settings import Settings
from presence_core.shard import Entry, Shard
from presence_core.store import Locked, Store, StoreAway, StoreError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
"""Until a presentity that finds a bug is looked at again; while the database is away it is RETRY_SECONDS."""
WANTED_SECONDS = 3600.0
MOST_ROUNDS = 8
"""How often in one turn a decision may bring up another."""


class Worker(NamedTuple):
    """Parts for one transaction at a time, what they gather for it, and what they say when it is committed."""

    parts: Parts
    gathered: Gathered
    outbox: Outbox


class Turns:
    """Takes turns for presentities, as many at a time as there are workers."""

    def __init__(
        self, settings: Settings, bus: Bus, store: Store, metrics: Metrics, rested: Callable[[InUse], None]
    ) -> None:
        self.away = False
        self.taken = 0
        """How many turns there were."""
        self.waited = 0.0
        """How long a presentity has waited for its turn."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._looks: dict[Refresh, int] = {}
        self._settings = settings
        self._bus = bus
        self._store = store
        self._metrics = metrics
        self._rested = rested

    @property
    def pending(self) -> int:
        """Return how many commands are not decided yet."""
        return self.front.gathered.waiting

    @pending.setter
    def pending(self, commands: int) -> None:
        self.front.gathered.waiting = commands

    def use(self, front: Worker, workers: Iterable[Worker]) -> None:
        """Take the parts for what needs no transaction, and those for transactions, one each."""
        self.front = front
        self._workers: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in workers:
            self._workers.put_nowait(worker)

    def on_outcome(self, use: InUse, outcome: Outcome, now: float) -> None:
        """Take the outcome of a NOTIFY: what has to be decided or saved for it, in a turn."""
        shard = use.shard
        delivery = shard.deliveries.get(outcome.local_tag) if shard is not None else None
        if shard is None or delivery is None:
            return
        word = outcome.status == STILL_TRYING or consequence_of(outcome.status) is Consequence.CONFIRMED
        if use.busy or delivery.over or not word:
            use.outcomes.append(outcome)
            self.begin(use)
            return
        try:
            self.front.parts.teller.on_outcome(shard, outcome, now)
            self.front.parts.teller.tell(now)
        except Exception as error:
            self.broken(use, error)
        changes, _ = self.front.gathered.take()
        use.unsaved.update(changes.progress)
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
            worker.outbox.clear()
            self._workers.put_nowait(worker)

    async def look(self, aor: str, number: int) -> Shard | None:
        """Read a presentity without being busy with it; raise StoreError."""
        use = InUse(aor, number)
        async with self._worker() as worker, self._store.presentity(aor, number) as locked:
            self._read(worker, use, locked, clock.wall(), anew=False)
        return use.shard

    def expect(self, refresh: Refresh, looks: int) -> bool:
        """Take note that word of changed documents has taken effect when so many presentities have been looked at.

        Return whether that is new.
        """
        if refresh in self._looks:
            return False
        if looks:
            self._looks[refresh] = looks
        else:
            self.confirm(refresh)
        return True

    def confirm(self, refresh: Refresh) -> None:
        """Say that word of changed documents has taken effect on a presentity."""
        left = self._looks.pop(refresh, 1) - 1
        if left > 0:
            self._looks[refresh] = left
        elif refresh.xcap_sync:
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
                since = clock.monotonic()
                async with self._worker() as worker:
                    self.waited = clock.monotonic() - since
                    await self._turn(worker, use)
        finally:
            use.busy = False
            self._rested(use)

    async def _turn(self, worker: Worker, use: InUse) -> None:
        turn = use.take()
        self.taken, self.pending = self.taken + 1, self.pending - len(turn.commands)
        try:
            await self._transaction(worker, use, turn)
        except Exception as error:
            self._failed(use, turn, error)
            return
        use.failures, use.again_at, self.away = 0, NEVER, False
        worker.outbox.flush()
        for refresh in turn.refreshes:
            self.confirm(refresh)

    async def _transaction(self, worker: Worker, use: InUse, turn: Turn) -> None:
        """Decide and save. Once that is done and the commit has begun, the end of a failure is in doubt."""
        began, saved = clock.monotonic(), 0
        async with self._store.presentity(use.aor, use.number) as locked:
            now = clock.wall()
            # Whatever others have told since, its progress is theirs to save.
            turn.unsaved -= self._read(worker, use, locked, now, anew=turn.anew)
            self._decide(worker, use, turn, now)
            for _ in range(MOST_ROUNDS):
                changes, actions = worker.gathered.take()
                if changes.rows():
                    await locked.save(changes)
                    saved += changes.rows()
                for action in actions:
                    _act(action, use)
                worker.parts.teller.tell(now)
                if not worker.gathered:
                    break
            use.look = use.look or bool(worker.gathered)
            turn.in_doubt = saved > 0
        if saved:
            self._metrics.commits.inc()
        self._metrics.rows.inc(saved)
        self._metrics.commit_seconds.observe(clock.monotonic() - began)

    def _read(self, worker: Worker, use: InUse, locked: Locked, now: float, *, anew: bool) -> set[str]:
        """Make the memory of a presentity of its rows, and of what we know of our NOTIFYs.

        Return the local tags of those that other cores have told.
        """
        parts = worker.parts
        before = use.documents
        documents = {use.aor: self._documents(parts, use, locked)} if self._settings.xcap != "none" else {}
        fresh = parts.loader.build(locked.rows, documents, {use.number: 0}, now, use.shard)[use.number]
        fresh.documents.update(documents)

        def recompose(shard: Shard, entry: Entry) -> None:
            parts.composer.recompose(shard, entry, now)

        others = merged(use.shard, fresh, recompose, anew=anew)
        use.shard = fresh
        if use.documents is not before:
            parts.authorizer.redecide(fresh, use.aor, now)
        parts.authorizer.wake(fresh, use.aor, now)
        for delivery in fresh.deliveries.values():
            parts.teller.offer(fresh, delivery)
        return others

    def _documents(self, parts: Parts, use: InUse, locked: Locked) -> Documents:
        if use.documents.stored != locked.documents:
            use.documents = parts.documents.read(use.aor, locked.documents)
        return use.documents

    def _decide(self, worker: Worker, use: InUse, turn: Turn, now: float) -> None:
        shard, parts = use.shard, worker.parts
        assert shard is not None, "it has just been read"
        for outcome in turn.outcomes:
            parts.teller.on_outcome(shard, outcome, now)
        parts.handlers.on_due(shard, now)
        parts.teller.sweep(shard, now)
        for command in turn.commands:
            parts.handlers.handle(shard, command, now)
        for tag in turn.unsaved & shard.deliveries.keys():
            parts.teller.save_progress(shard, tag, shard.deliveries[tag])

    def _failed(self, use: InUse, turn: Turn, error: Exception) -> None:
        """Forget what may not be so; what is in doubt is not answered, and is known when the edge asks again."""
        self.broken(use, error)
        use.put_back(turn)
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
        self._metrics.failures.labels(type(error).__name__).inc()
        use.outcomes.clear()
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
