"""Requests that arrive twice by different paths (RFC 3261 §8.2.2.2).

Rule 1: memory is two generations of dictionaries; whoever rotates them decides how long a request is remembered.
"""

from lamplighter_proto import Transaction


class Merges:
    """Which transaction brought a request (Call-ID, CSeq, From tag) first."""

    def __init__(self) -> None:
        self._young: dict[Transaction, str] = {}
        self._old: dict[Transaction, str] = {}

    def is_merged(self, request: Transaction, key: str) -> bool:
        """Return whether `request` came by another transaction than `key`; remember it when it is new."""
        first = self._young.get(request) or self._old.get(request)
        if first is None:
            self._young[request] = key
            return False
        return first != key

    def forget(self, request: Transaction) -> None:
        """Let a request come again, as after a 503 to it."""
        self._young.pop(request, None)
        self._old.pop(request, None)

    def rotate(self) -> None:
        """Forget what was there at the rotation before."""
        self._old, self._young = self._young, {}
