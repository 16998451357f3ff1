"""A committer at work over a store that a test slows, stops and refuses: for tests alone."""

import asyncio
from collections.abc import Callable, Iterable

from lamplighter_runtime.metrics import Registry
from presence_core.commit import Committer
from presence_core.metrics import Metrics
from presence_core.storage.memory import MemoryStore
from presence_core.store import Changes, Ending


class SlowStore(MemoryStore):
    """A store whose saves wait at a gate, and that cannot take some rows."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate = 0
        self.refused = ""
        """Name of an ending that no batch may hold."""
        self.failures = 0
        """How many saves found us away."""

    async def save(self, changes: Changes) -> None:
        self.at_gate += 1
        await self.gate.wait()
        self.at_gate -= 1
        self.failures += self.away
        if any(ending.name == self.refused for ending in changes.endings.values()):
            raise ValueError("told to refuse")
        await super().save(changes)


class Rig:
    """A committer at work, and all that it did."""

    def __init__(self, store: SlowStore) -> None:
        self.store = store
        self.done: list[str] = []
        self.failures: list[tuple[list[int], str]] = []
        self.epochs: dict[int, int] = {}
        self.committer: Committer
        self.task: asyncio.Task[None]

    async def start(self, period: float, *, most: int = 1000, patience: float = 3.0) -> None:
        self.epochs = await self.store.claim({3: 1, 4: 1}, "core-1")
        self.committer = Committer(
            self.store,
            Metrics(Registry()),
            committed=lambda: self.done.append("committed"),
            failed=self._on_failed,
            period=period,
            most=most,
            patience=patience,
        )
        self.task = asyncio.create_task(self.committer.run())

    def _on_failed(self, shards: Iterable[int], error: Exception) -> None:
        shards = list(shards)
        self.failures.append((shards, type(error).__name__))
        self.committer.forget(shards)

    async def die(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def add(self, name: str, shard: int = 3, *, until: int = 5000) -> None:
        """Save something small."""
        ending = Ending(shard=shard, aor="sip:alice@example.com", event="dialog", name=name, until=until)
        self.changes(shard).endings[ending.key] = ending

    def changes(self, shard: int = 3) -> Changes:
        return self.committer.changes(shard, self.epochs[shard])

    def then(self, name: str, shard: int = 3) -> None:
        self.committer.then(shard, self.done.append, name)

    def saved(self, name: str, shard: int = 3) -> None:
        self.committer.saved(shard, self.done.append, name)

    def stored(self) -> dict[str, int]:
        return {ending.name: ending.until for ending in self.store.endings.values()}

    def answers(self) -> list[str]:
        return [name for name in self.done if name != "committed"]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(3):
            while not holds():
                await asyncio.sleep(0)

    async def quiet(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def stuck(self) -> None:
        """Wait until a save waits at the closed gate."""
        await self.until(lambda: self.store.at_gate > 0)

    async def fail_once(self) -> None:
        """Let the save at the gate fail, and those after it pass."""
        self.store.away = True
        self.store.gate.set()
        await self.until(lambda: self.store.failures > 0)
        self.store.away = False
