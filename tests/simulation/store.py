"""The database in memory as each core reaches it: late, away, and in doubt (a commit that came through unheard)."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from presence_core.domain.documents import XcapDocument
from presence_core.storage.memory import MemoryStore
from presence_core.store import Changes, ShardRows, StoreAway

from .loop import Process, SimulatedLoop

T = TypeVar("T")
DELAY = (0.0005, 0.004)


@dataclass
class Faults:
    """What the database does wrong: shares of the calls that fail before and after they took effect, and late ones."""

    refused: float = 0.0
    in_doubt: float = 0.0
    late: float = 0.0
    lateness: float = 2.0


class Database:
    """What outlives the cores; `on_save` hears of every batch that took effect."""

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        self.rows = MemoryStore()
        self.loop, self.random = loop, random
        self.context = Context()
        self.faults = Faults()
        self.on_save: Callable[[Changes], None] = lambda changes: None
        self.refused = self.doubtful = self.fenced = 0


class Connection:
    """The Store of one core."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database, self._process = database, process

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Let the database do `work`: it takes effect there, whatever becomes of us meanwhile."""
        database, loop = self._database, self._database.loop
        faults, random = database.faults, database.random
        answer: asyncio.Future[T] = loop.create_future()
        refused, in_doubt = random.random() < faults.refused, random.random() < faults.in_doubt
        wait = random.uniform(*DELAY) + (faults.lateness * random.random() if random.random() < faults.late else 0.0)
        loop.call_later(wait, self._take_effect, work, answer, refused, in_doubt, context=database.context)
        return await answer

    def _take_effect(
        self, work: Callable[[], Awaitable[T]], answer: "asyncio.Future[T]", refused: bool, in_doubt: bool
    ) -> None:
        database = self._database
        result: T | None = None
        error: Exception | None = None
        if refused:
            database.refused += 1
            error = StoreAway("refused")
        else:
            try:
                result = _done(work())
            except Exception as raised:
                error = raised
        if in_doubt and error is None:
            database.doubtful += 1
            error = StoreAway("nobody heard")
        wait = database.random.uniform(*DELAY)
        database.loop.call_later(wait, self._hear, answer, result, error, context=self._process.context)

    def _hear(self, answer: "asyncio.Future[T]", result: T, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    async def open(self, shards: int) -> None:
        """Join the database."""
        await self._call(lambda: self._database.rows.open(shards))

    async def claim(self, epochs: Mapping[int, int], owner: str) -> dict[int, int]:
        """Become the writer of shards."""
        return await self._call(lambda: self._database.rows.claim(epochs, owner))

    async def load(self, shards: list[int]) -> ShardRows:
        """Return the rows of shards."""
        return await self._call(lambda: self._database.rows.load(shards))

    async def load_documents(self, aors: Collection[str]) -> dict[str, tuple[XcapDocument, ...]]:
        """Return XCAP documents."""
        return await self._call(lambda: self._database.rows.load_documents(aors))

    async def save(self, changes: Changes) -> None:
        """Save a batch."""

        async def saved() -> None:
            await self._database.rows.save(changes)
            self._database.on_save(changes)

        await self._call(saved)

    async def clean(self, epochs: Mapping[int, int], before: int) -> int:
        """Delete what is long over."""
        return await self._call(lambda: self._database.rows.clean(epochs, before))

    async def close(self) -> None:
        """Nothing to give back."""


def _done(work: Awaitable[T]) -> T:
    """Return what a coroutine that never waits returns."""
    iterator = work.__await__()
    try:
        next(iterator)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("the memory store waits")
