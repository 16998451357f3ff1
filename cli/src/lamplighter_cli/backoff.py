"""How long to wait before a process that died is started again. Times in seconds."""

FIRST = 0.1
SECOND = 0.2
LONGEST = 10.0
LIVELY = 30.0
"""A process that lived so long has earned a fresh start."""


class Backoff:
    """Delays that double with every early death."""

    def __init__(self) -> None:
        self._following = FIRST

    def after(self, lived: float) -> float:
        """Return the delay after a life of so many seconds."""
        if lived >= LIVELY:
            self._following = FIRST
        delay = self._following
        self._following = SECOND if delay == FIRST else min(2 * delay, LONGEST)
        return delay
