"""Requests that arrive twice by different paths (RFC 3261 §8.2.2.2).

Rule 1: memory is two generations of dictionaries; whoever rotates them decides how long a request is remembered.
Rule 2: a request is its hash, which no client can foresee; that two of a few hundred thousand share 64 bits is not
worth keeping their names for.
"""

from lamplighter_proto import Transaction


class Merges:
    """Which transaction brought a request (Call-ID, CSeq, From tag) first; `limit` is that of a generation."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._young: dict[int, str] = {}
        self._old: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def is_merged(self, request: Transaction, key: str) -> bool:
        """Return whether `request` came by another transaction than `key`; remember it when it is new."""
        number = hash(request)
        first = self._young.get(number) or self._old.get(number)
        if first is not None:
            return first != key
        if len(self._young) >= self._limit:
            self.rotate()
        self._young[number] = key
        return False

    def forget(self, request: Transaction) -> None:
        """Let a request come again, as after a 503 to it."""
        self._young.pop(hash(request), None)
        self._old.pop(hash(request), None)

    def rotate(self) -> None:
        """Forget what was there at the rotation before."""
        self._old, self._young = self._young, {}
