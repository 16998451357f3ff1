"""What happened, in order: the last of it to print, all of it as one digest."""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b


class Trace:
    """Notes of one run. Two runs of one seed have the same digest."""

    def __init__(self, now: Callable[[], float], keep: int = 400) -> None:
        self._now = now
        self._last: deque[tuple[float, tuple[object, ...]]] = deque(maxlen=keep)
        self._digest = blake2b(digest_size=16)
        self.notes = 0

    def note(self, *what: object) -> None:
        """Note something, with the time."""
        now = self._now()
        self.notes += 1
        self._digest.update(repr((now, what)).encode())
        self._last.append((now, what))

    @property
    def digest(self) -> str:
        """Return what stands for everything noted."""
        return self._digest.hexdigest()

    def lines(self, containing: str = "") -> list[str]:
        """Return the last notes as text, those that hold a text."""
        lines = [f"{now:10.4f}  {' '.join(map(_text, what))}" for now, what in self._last]
        return [line for line in lines if containing in line]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
