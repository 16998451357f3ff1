"""How long something that failed is left alone: doubling, with jitter, up to a maximum."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Failure:
    times: int
    until: float


class Backoff(Generic[K]):
    """Failures by key; `fraction` returns a number in [0, 1), times are seconds."""

    def __init__(self, *, first: float, most: float, fraction: Callable[[], float]) -> None:
        self._first = first
        self._most = most
        self._fraction = fraction
        self._failures: dict[K, _Failure] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def until(self, key: K) -> float:
        """Return when the key may be tried again; 0 for one that did not fail."""
        failure = self._failures.get(key)
        return failure.until if failure else 0.0

    def failed(self, key: K, now: float, at_least: float = 0.0) -> float:
        """Take a failure; return when to try again. While it is left alone already, nothing is doubled.

        `at_least`: for how long it asked to be left alone, which counts up to the maximum.
        """
        before = self._failures.get(key)
        asked = now + min(self._most, at_least)
        if before is not None and now < before.until:
            times, until = before.times, before.until
        else:
            times = before.times + 1 if before else 1
            pause = min(self._most, self._first * 2.0 ** min(times - 1, 30))
            until = now + pause * (0.75 + self._fraction() / 4)
        failure = self._failures[key] = _Failure(times, max(until, asked))
        return failure.until

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)
