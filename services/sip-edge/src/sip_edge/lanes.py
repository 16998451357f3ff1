"""How many requests of one source the cores have at a time; what else comes from it waits here, in its order.

Rule 1: a core serves its queue in order, so what one source has there is what all others wait for.
Rule 2: a source whose lane is free never waits, whatever other lanes hold.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

AT_WORK = 64
"""Requests of one source with the cores: at an answer in 25 ms as many as the default rate lets pass."""


class Entry(Enum):
    """What becomes of a request that comes to its lane."""

    GO = "go"
    WAIT = "wait"
    FULL = "full"


class Lane(Generic[T]):
    """Of one source: how many are at work, and who waits since which monotonic second."""

    def __init__(self) -> None:
        self.at_work = 0
        self.waiting: deque[tuple[float, T]] = deque()


class Lanes(Generic[T]):
    """The lanes of all sources that have requests at work; None is a source without a lane, whose requests just go."""

    def __init__(self, *, at_work: int, limit: int) -> None:
        self._limit = limit
        self._at_work = at_work
        self._lanes: dict[bytes, Lane[T]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """Return how many requests wait."""
        return self._waiting

    @property
    def sources(self) -> int:
        """Return how many sources have requests at work."""
        return len(self._lanes)

    def enter(self, source: bytes | None, item: T, now: float) -> Entry:
        """Let an item go to work, or keep it until `leave` returns it; `limit` of a lane may wait."""
        if source is None:
            return Entry.GO
        lane = self._lanes.setdefault(source, Lane())
        if lane.at_work < self._at_work:
            lane.at_work += 1
            return Entry.GO
        if len(lane.waiting) >= self._limit:
            return Entry.FULL
        lane.waiting.append((now, item))
        self._waiting += 1
        return Entry.WAIT

    def leave(self, source: bytes | None) -> T | None:
        """Count an item that is done, and return the next, which is at work now."""
        if source is None:
            return None
        lane = self._lanes[source]
        if lane.waiting:
            self._waiting -= 1
            return lane.waiting.popleft()[1]
        lane.at_work -= 1
        if not lane.at_work:
            del self._lanes[source]
        return None

    def overdue(self, before: float) -> Iterator[T]:
        """Remove and yield what waits since before a monotonic second."""
        for lane in self._lanes.values() if self._waiting else ():
            while lane.waiting and lane.waiting[0][0] < before:
                self._waiting -= 1
                yield lane.waiting.popleft()[1]
