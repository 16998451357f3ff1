"""Group commit (design §3): one flush at a time, the next takes all that came meanwhile.

Rule 1: an action runs after the batch it came with is committed, in order, and never if that failed.
Rule 2: a batch that is refused is saved shard by shard. Shards that are not saved are dropped; what they had
pending is forgotten.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import ParamSpec

from lamplighter_runtime import clock
from presence_core.metrics import Metrics
from presence_core.store import Changes, Store, StoreAway, StoreError

logger = logging.getLogger(__name__)
P = ParamSpec("P")
Action = tuple[int, Callable[..., None], tuple[object, ...]]
"""Shard, function, arguments."""
_NO_SHARD = -1


class Committer:
    """Gathers the changes of all shards of this process and saves them in groups."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        committed: Callable[[], None],
        failed: Callable[[Iterable[int], Exception], None],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._committed = committed
        self._failed = failed
        self._changes = Changes()
        self._actions: list[Action] = []
        self._wake = asyncio.Event()

    def changes(self, shard: int, epoch: int) -> Changes:
        """Return the batch to add rows of a shard to."""
        self._changes.epochs[shard] = epoch
        self._wake.set()
        return self._changes

    def then(self, shard: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` after the commit of everything that was added until now."""
        self._actions.append((shard, action, args))
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Return how many actions wait for a commit."""
        return len(self._actions)

    def forget(self, shards: Iterable[int]) -> None:
        """Drop what is pending for shards that are dropped."""
        gone = set(shards)
        self._changes = _without(self._changes, gone)
        self._actions = [action for action in self._actions if action[0] not in gone]

    async def settled(self) -> None:
        """Wait until everything that was added until now is saved or given up; more may be pending by then."""
        reached = asyncio.Event()
        self.then(_NO_SHARD, reached.set)
        await reached.wait()

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._flush()

    async def _flush(self) -> None:
        changes, self._changes = self._changes, Changes()
        actions, self._actions = self._actions, []
        if changes.rows():
            lost = await self._save(changes)
            actions = [action for action in actions if action[0] not in lost]
        for _, action, args in actions:
            action(*args)
        self._committed()

    async def _save(self, changes: Changes) -> Collection[int]:
        """Save a batch; return the shards whose changes are lost."""
        started = clock.monotonic()
        try:
            await self._store.save(changes)
        except StoreAway as error:
            return self._give_up(changes, error)
        except Exception as error:
            # Also a bug must not end the commits of everybody.
            return await self._save_apart(changes) if len(changes.epochs) > 1 else self._give_up(changes, error)
        self._metrics.commits.inc()
        self._metrics.rows.inc(changes.rows())
        self._metrics.commit_seconds.observe(clock.monotonic() - started)
        return ()

    async def _save_apart(self, changes: Changes) -> Collection[int]:
        """Save shard by shard, for one that is fenced or holds what cannot be saved must not cost the others."""
        lost: set[int] = set()
        for shard in changes.epochs:
            part = _without(changes, changes.epochs.keys() - {shard})
            try:
                await self._store.save(part)
            except StoreAway as error:
                return self._give_up(changes, error)
            except Exception as error:
                lost.update(self._give_up(part, error))
        return lost

    def _give_up(self, changes: Changes, error: Exception) -> Collection[int]:
        """Drop and return the shards of a batch that was not saved."""
        if not isinstance(error, StoreError):
            logger.error("batch not saved", exc_info=error)
        self._metrics.failures.labels(type(error).__name__).inc()
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
    )
