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

    def failed(self, key: K, now: float) -> float:
        """Take a failure; return when to try again. While it is left alone already, nothing is doubled."""
        before = self._failures.get(key)
        if before is not None and now < before.until:
            return before.until
        times = before.times + 1 if before else 1
        pause = min(self._most, self._first * 2.0 ** min(times - 1, 30))
        failure = self._failures[key] = _Failure(times, now + pause * (0.75 + self._fraction() / 4))
        return failure.until

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)
