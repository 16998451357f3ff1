"""What may be concluded from signs of life, our own and those of others (design §3 "Ownership").

Rule 1: who could not write a sign of life does not call another dead for the lack of one.
Rule 2: when a sign of ours comes back by the watch, all that was written before it has been read.
"""

from math import inf


class Signs:
    """Our signs of life: when one was written last, and whether the watch has told us of it. Times are monotonic."""

    def __init__(self, lease_seconds: float) -> None:
        self.known_at = -inf
        """Whatever the bucket held then has been read."""
        self._lease_seconds = lease_seconds
        self._written = -inf
        self._doubt_until = -inf
        self._heard = 0
        self._awaited: tuple[int, float] | None = None

    def written(self, revision: int, sent: float, now: float) -> None:
        """Take note that a sign of life that left at `sent` is in the bucket."""
        if self._lapsed(now):
            # The others need a while, too, until theirs are.
            self._doubt_until = now + self._lease_seconds
        self._written = now
        if self._awaited is None:
            self._awaited = (revision, sent)
        self._look()

    def heard(self, revision: int) -> None:
        """Take note of what the watch has told."""
        self._heard = max(self._heard, revision)
        self._look()

    def _look(self) -> None:
        if self._awaited is not None and self._heard >= self._awaited[0]:
            self.known_at, self._awaited = self._awaited[1], None

    def watch_begins(self) -> None:
        """Await nothing of before: a bucket that was made anew counts from one again."""
        self._heard, self._awaited = 0, None

    def deaf(self, now: float) -> bool:
        """Return whether the watch owes us word of a sign for too long."""
        return self._awaited is not None and now - self._awaited[1] > self._lease_seconds / 2

    def doubtful(self, now: float) -> bool:
        """Return whether the lack of another's sign says nothing, for ours did not get through either."""
        return now < self._doubt_until or self._lapsed(now)

    def _lapsed(self, now: float) -> bool:
        # Who has never written one only looks on, and has nothing to judge by.
        return self._lease_seconds / 2 < now - self._written < inf
