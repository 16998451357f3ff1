"""The order of a dialog's NOTIFYs on the wire (RFC 3261 §12.2.1.1): CSeq never goes back.

A NOTIFY of an owner that is dead or has lost its shard may still be retransmitted, or come late, when the next owner
has already told the watcher more. All that a watcher is sent passes its edge, and only here can that be seen.
"""

GENERATION_SECONDS = 64.0
"""Twice 64*T1, for so long a NOTIFY may be retransmitted; remembered is a dialog for one to two of these."""
MOST_DIALOGS = 200_000
"""Dialogs in a generation."""


class DialogOrder:
    """The highest CSeq that left in each dialog of late."""

    def __init__(self, *, seconds: float = GENERATION_SECONDS, most: int = MOST_DIALOGS) -> None:
        self._seconds, self._most = seconds, most
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._ends = 0.0

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def passes(self, local_tag: str, cseq: int, now: float) -> bool:
        """Return whether a NOTIFY may leave: not after a later one of its dialog; without a tag always."""
        if not local_tag:
            return True
        if now >= self._ends or len(self._new) >= self._most:
            self._new, self._old, self._ends = {}, self._new, now + self._seconds
        last = self._new.get(local_tag) or self._old.get(local_tag, 0)
        if cseq < last:
            return False
        self._new[local_tag] = cseq
        return True
