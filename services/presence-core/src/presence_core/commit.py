"""Group commit (design §3): one flush at a time, the next takes all that came meanwhile.

Without a period (`write-through`) a flush begins at once; with one (`write-behind`, design §4) changes gather for it,
or until many wait or somebody waits for them.

Rule 1: an action of `saved` runs after the batch it came with is committed, in order, and never if that failed. So
does one of `then` without a period; with one it runs in the next turn of the loop, in order.
Rule 2: a batch that is refused is saved shard by shard. Shards that are not saved are dropped; what they had
pending is forgotten.
Rule 3: without the database nothing can be promised: without a period all is dropped; with one the batch is kept below
what comes after it, and tried again.
Rule 4: an action of `checked` runs only if the shard is still ours by then, whatever there is to save.
Rule 5: of a shard that leaves no answer may go ahead of the save, for its next owner knows only what is saved.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Container, Hashable, Iterable, Mapping
from contextlib import suppress
from typing import ParamSpec, TypeVar

from lamplighter_runtime import clock
from presence_core.metrics import Metrics
from presence_core.store import Changes, Store, StoreAway, StoreError

logger = logging.getLogger(__name__)
P = ParamSpec("P")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Action = tuple[int, Callable[..., None], tuple[object, ...]]
"""Shard, function, arguments."""
_NO_SHARD = -1
RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
"""How long `settled` hopes for a database that is away."""
SLOW_SECONDS = 0.5
"""A flush that takes longer says how much the database takes."""
WAIT_SECONDS = 2.0
"""How long what waits may have to wait: one flush and the next are over before an edge gives up."""
LEAST_WAITING = 100
MOST_ROWS = 5_000
"""How many rows may gather before the period is over."""


class Committer:
    """Gathers the changes of all shards of this process and saves them in groups, every `period` seconds; 0: at once.

    `committed` is called after every round of actions, `failed` with shards that were not saved.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        committed: Callable[[], None],
        failed: Callable[[Iterable[int], Exception], None],
        period: float = 0.0,
        most: int = MOST_ROWS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._committed = committed
        self._failed = failed
        self._period = period
        self._most = most
        self._patience = patience
        self._changes = Changes()
        self._actions: list[Action] = []
        """Those that wait for the save."""
        self._early: list[Action] = []
        """Those that do not."""
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._wake_early = asyncio.Event()
        self._away = False
        self._tried_again = 0
        """Rows of the flush under way, should it be one that failed before."""
        self._forgotten: set[int] = set()
        """Shards that were dropped during the flush under way."""
        self._leaving: set[int] = set()
        self._began: float | None = None
        """When the flush under way began."""
        self._room: float = math.inf
        """What may wait, as far as flushes show."""

    def changes(self, shard: int, epoch: int) -> Changes:
        """Return the batch to add rows of a shard to, at once."""
        self._changes.epochs[shard] = epoch
        self._wake.set()
        if self._period and self._changes.rows() >= self._most:
            self._hurry.set()
        return self._changes

    def then(self, shard: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` when everything that was added until now counts as done: committed, or with a period at once."""
        if self._period and shard not in self._leaving:
            self._early.append((shard, action, args))
            self._wake_early.set()
        else:
            self._actions.append((shard, action, args))
            self._wake.set()

    def saved(self, shard: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` after the commit of everything that was added until now, which is not put off any longer."""
        self._actions.append((shard, action, args))
        self._wake.set()
        self._hurry.set()

    def checked(self, shard: int, epoch: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` when the store has said that the epoch of a shard is still the newest."""
        self._changes.epochs[shard] = epoch
        self._changes.checked = True
        self.saved(shard, action, *args, **kwargs)

    @property
    def waiting(self) -> int:
        """Return how much waits for a commit: actions, and with a period rows."""
        actions = len(self._actions)
        return max(actions, self._changes.rows() + self._tried_again) if self._period else actions

    @property
    def overloaded(self) -> bool:
        """Return whether more than waits would be committed only after its clients have given up.

        With a period nobody waits for the commit: there only the number of rows that wait is a limit.
        """
        if self._period:
            return False
        slow = self._began is not None and clock.monotonic() - self._began > WAIT_SECONDS
        return slow or self.waiting >= self._room

    def forget(self, shards: Iterable[int]) -> None:
        """Drop what is pending for shards that are dropped."""
        gone = set(shards)
        self._changes = _without(self._changes, gone)
        self._actions = [action for action in self._actions if action[0] not in gone]
        self._early = [action for action in self._early if action[0] not in gone]
        self._forgotten |= gone
        self._leaving -= gone

    async def settled(self, leaving: Iterable[int] = ()) -> bool:
        """Wait until everything that was added until now is saved or given up; more may be pending by then.

        Shards that are `leaving` (until they are forgotten) answer only what is saved from now on. False: with a
        period, the database was away for all of the patience; the changes are still pending.
        """
        self._leaving.update(leaving)
        reached = asyncio.Event()
        self.saved(_NO_SHARD, reached.set)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience if self._period else None):
                await reached.wait()
        return reached.is_set()

    async def run(self) -> None:
        """Flush for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._flush_for_ever(), name="flushes")
            tasks.create_task(self._act_for_ever(), name="early actions")

    async def _flush_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            if self._period:
                await self._gather()
            self._wake.clear()
            self._hurry.clear()
            await self._flush()

    async def _gather(self) -> None:
        """Let changes gather for the period or until somebody waits, and give a database that is away some time."""
        if self._away:
            return await asyncio.sleep(min(RETRY_SECONDS, self._period))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._period):
                await self._hurry.wait()

    async def _act_for_ever(self) -> None:
        while True:
            await self._wake_early.wait()
            self._wake_early.clear()
            actions, self._early = self._early, []
            self._act(actions)

    def _act(self, actions: list[Action]) -> None:
        for _, action, args in actions:
            action(*args)
        self._committed()

    async def _flush(self) -> None:
        changes, self._changes = self._changes, Changes()
        actions, self._actions = self._actions, []
        self._forgotten.clear()
        rows = changes.rows()
        self._tried_again = rows if self._away else 0
        try:
            lost = await self._save_timed(changes, rows) if rows or changes.checked else ()
        except StoreAway as error:
            if self._period:
                return self._keep(changes, actions, error)
            lost = self._give_up(changes, error)
        self._away, self._tried_again = False, 0
        self._act([action for action in actions if action[0] not in lost] if lost else actions)

    def _keep(self, changes: Changes, actions: list[Action], error: StoreAway) -> None:
        """Put a batch back below what came after it."""
        if not self._away:
            logger.warning("database away, changes wait", extra={"rows": changes.rows(), "error": repr(error)})
        self._metrics.failures.labels(type(error).__name__).inc()
        self._changes = _merged(_without(changes, self._forgotten), self._changes)
        self._actions = [action for action in actions if action[0] not in self._forgotten] + self._actions
        self._away, self._tried_again = True, 0
        self._wake.set()

    async def _save_timed(self, changes: Changes, rows: int) -> Collection[int]:
        """Save a batch and learn from the time that it takes how much may wait."""
        began = self._began = clock.monotonic()
        try:
            return await self._save(changes, rows)
        finally:
            took, self._began = clock.monotonic() - began, None
            slow = took > SLOW_SECONDS
            self._room = max(LEAST_WAITING, rows / took * WAIT_SECONDS) if slow else math.inf

    async def _save(self, changes: Changes, rows: int) -> Collection[int]:
        """Save a batch; return the shards whose changes are lost. Raises StoreAway."""
        started = clock.monotonic()
        try:
            await self._store.save(changes)
        except StoreAway:
            raise
        except Exception as error:
            # Also a bug must not end the commits of everybody.
            return await self._save_apart(changes) if len(changes.epochs) > 1 else self._give_up(changes, error)
        self._metrics.commits.inc()
        self._metrics.rows.inc(rows)
        self._metrics.commit_seconds.observe(clock.monotonic() - started)
        return ()

    async def _save_apart(self, changes: Changes) -> Collection[int]:
        """Save shard by shard, for one that is fenced or holds what cannot be saved must not cost the others."""
        lost: set[int] = set()
        for shard in changes.epochs:
            part = _without(changes, changes.epochs.keys() - {shard})
            try:
                await self._store.save(part)
            except StoreAway:
                raise
            except Exception as error:
                lost.update(self._give_up(part, error))
        return lost

    def _give_up(self, changes: Changes, error: Exception) -> Collection[int]:
        """Drop and return the shards of a batch that was not saved."""
        if not isinstance(error, StoreError):
            logger.error("batch not saved", exc_info=error)
        self._metrics.failures.labels(type(error).__name__).inc()
        self._forgotten |= changes.epochs.keys()
        self._failed(list(changes.epochs), error)
        return changes.epochs


def _without(changes: Changes, shards: set[int]) -> Changes:
    """Return the batch without the rows of some shards."""
    return Changes(
        {shard: epoch for shard, epoch in changes.epochs.items() if shard not in shards},
        {key: row for key, row in changes.publications.items() if row.shard not in shards},
        {key: row for key, row in changes.subscriptions.items() if row.shard not in shards},
        {tag: shard for tag, shard in changes.gone.items() if shard not in shards},
        {tag: row for tag, row in changes.progress.items() if row.shard not in shards},
        {key: row for key, row in changes.contacts.items() if row.shard not in shards},
        {key: row for key, row in changes.watchers.items() if row.shard not in shards},
        {key: shard for key, shard in changes.gone_watchers.items() if shard not in shards},
        {key: row for key, row in changes.endings.items() if row.shard not in shards},
        {key: shard for key, shard in changes.gone_endings.items() if shard not in shards},
        changes.checked,
    )


def _merged(older: Changes, newer: Changes) -> Changes:
    """Return two batches as one; of a row the newer change wins, also where one saves what the other deletes."""
    return Changes(
        older.epochs | newer.epochs,
        older.publications | newer.publications,
        _but(older.subscriptions, newer.gone) | newer.subscriptions,
        _but(older.gone, newer.subscriptions) | newer.gone,
        _but(older.progress, newer.gone) | newer.progress,
        older.contacts | newer.contacts,
        _but(older.watchers, newer.gone_watchers) | newer.watchers,
        _but(older.gone_watchers, newer.watchers) | newer.gone_watchers,
        _but(older.endings, newer.gone_endings) | newer.endings,
        _but(older.gone_endings, newer.endings) | newer.gone_endings,
        older.checked or newer.checked,
    )


def _but(rows: Mapping[K, V], others: Container[K]) -> dict[K, V]:
    return {key: row for key, row in rows.items() if key not in others}
