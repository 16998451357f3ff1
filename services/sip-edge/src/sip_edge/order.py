"""The order of a dialog's NOTIFYs on the wire (RFC 3261 §12.2.1.1): CSeq never goes back.

A NOTIFY of an owner that is dead or has lost its shard may still be retransmitted, or come late, when the next owner
has already told the watcher more. All that a watcher is sent passes its edge, and only here can that be seen.

Rule 1: an edge that has just begun does not know what its predecessor sent: while a NOTIFY of that time may be on
its way it sends none again of which it did not send the first. Its core tells the latest state instead.
"""

from math import inf

GENERATION_SECONDS = 64.0
"""A NOTIFY may be retransmitted for half of that, 64*T1; a dialog is remembered for one to two of these."""
MOST_DIALOGS = 200_000
"""Dialogs in a generation."""


class DialogOrder:
    """The highest CSeq that left in each dialog of late."""

    def __init__(self, *, seconds: float = GENERATION_SECONDS, most: int = MOST_DIALOGS) -> None:
        self._seconds, self._most = seconds, most
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._ends = 0.0
        self._knows_all_from = -inf

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def begin(self, now: float) -> None:
        """Take note that the edge begins."""
        self._knows_all_from = now + self._seconds

    def passes(self, local_tag: str, cseq: int, again: bool, now: float) -> bool:
        """Return whether a NOTIFY may leave: not after a later one of its dialog; without a tag always.

        `again`: its first was sent before, by us or by our predecessor (Rule 1).
        """
        if not local_tag:
            return True
        if now >= self._ends or len(self._new) >= self._most:
            self._new, self._old, self._ends = {}, self._new, now + self._seconds
        last = self._new.get(local_tag) or self._old.get(local_tag, 0)
        if cseq < last or (again and not last and now < self._knows_all_from):
            return False
        self._new[local_tag] = cseq
        return True
