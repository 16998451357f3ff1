"""Whether this process stood still, as a suspended one does, until cores gave it up (design §3 "Delivery").

Rule 1: what was open then, and what waited to be heard, is told anew by its core: it would be old news now.
"""


class Standstill:
    """Notices standstills by the gaps between looks, of which there are many a second."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._looked: float | None = None

    def look(self, now: float) -> bool:
        """Return whether we stood still for longer than `longest` seconds; `now` is monotonic."""
        before, self._looked = self._looked, now
        return before is not None and now - before > self._longest
