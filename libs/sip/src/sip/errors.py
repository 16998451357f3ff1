"""What can go wrong with SIP, and the status that says so (RFC 3261 §21).

SipError
 └── ParseError        what came in cannot be read; 400, 413, 416 or 505
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip.message import Request


class SipError(Exception):
    """Something that SIP does not allow."""


class ParseError(SipError):
    """Text or bytes that do not follow the grammar, or go over a limit.

    `status` is the response that says so: 400 for bad syntax, 413 for a body, or anything else, over its limit
    (RFC 3261 §21.4.11), 416 for a URI scheme that we do not know (§21.4.14), 505 for another SIP version (§21.5.6).
    `reason` says what is wrong in words of ours alone, and can stand as a reason phrase.
    """

    def __init__(self, reason: str, *, status: int = 400, head: "Request | None" = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.head = head
        """A request, as far as it could be read, that `build_response` and `stamp_received` can take: Via, From, To,
        Call-ID and CSeq are there, if perhaps unreadable. None when there can be no answer: drop the message."""
