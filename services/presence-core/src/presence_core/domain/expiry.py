"""Deadlines of one shard in coarse buckets.

Rule 1: an entry is never moved or removed. Whoever is told that something is due looks at it, and sets the next
deadline if the thing lives longer.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

TICK = 0.1
"""Seconds; a deadline is noticed at most one tick late, never early."""


class Wheel(Generic[K]):
    """Keys by the time at which they are to be looked at."""

    def __init__(self, now: float) -> None:
        self._buckets: dict[int, list[K]] = {}
        self._tick = int(now / TICK)

    def set(self, key: K, at: float) -> None:
        """Have `key` come up at or just after `at`; a time in the past comes up next."""
        tick = max(int(at / TICK) + 1, self._tick + 1)
        self._buckets.setdefault(tick, []).append(key)

    def due(self, now: float) -> list[K]:
        """Return the keys whose time has come, earliest first, and forget them."""
        last = int(now / TICK)
        if last - self._tick > len(self._buckets):
            ticks = sorted(tick for tick in self._buckets if tick <= last)
        else:
            ticks = [tick for tick in range(self._tick + 1, last + 1) if tick in self._buckets]
        self._tick = max(self._tick, last)
        return [key for tick in ticks for key in self._buckets.pop(tick)]

    def next(self) -> float | None:
        """Return when the next key comes up; None when none is set."""
        return (min(self._buckets) * TICK) if self._buckets else None

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._buckets.values())
