"""Whether this process stood still, as a suspended one does, so long that others may have its shards (design §3).

Rule 1: who stood still longer than its key may have lived says nothing before it has read who owns what since.
"""

from math import inf
from typing import Protocol

LONGEST = 2 / 3
"""Of a lease: a key that is renewed every third of it lives on for so long at least."""


class Known(Protocol):
    """What we need of the directory."""

    @property
    def known_at(self) -> float:
        """Return a monotonic time: whatever was true then is known here."""


class Standstill:
    """Notices standstills by the gaps between looks, of which there are many a second."""

    def __init__(self, directory: Known, lease_seconds: float) -> None:
        self._directory = directory
        self._longest = lease_seconds * LONGEST
        self._looked = -inf
        self._woke = -inf

    def look(self, now: float) -> bool:
        """Return whether we may have lost shards and cannot know it yet; `now` is monotonic."""
        if now - self._looked > self._longest:
            self._woke = now
        self._looked = now
        return self._directory.known_at < self._woke
