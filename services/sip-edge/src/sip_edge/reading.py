"""What is read from a request; ParseError for what cannot be read (RFC 3261 §8.2.2, RFC 6665 §8.2.1)."""

from lamplighter_proto import Transaction
from sip.fields import CSeq, EventHeader, NameAddr, parse_delta_seconds, parse_name_addr
from sip.message import Request

NO_EVENT = EventHeader(package="")


def name_addr(request: Request, name: str) -> NameAddr:
    """Return the value of From or To."""
    return parse_name_addr(request.headers.get(name) or "")


def transaction_of(request: Request, sender: NameAddr) -> Transaction:
    """Return what makes this request itself on whatever way it comes (RFC 3261 §8.2.2.2)."""
    headers = request.headers
    cseq = CSeq.parse(headers.get("CSeq") or "")
    return Transaction(call_id=headers.get("Call-ID") or "", cseq=cseq.number, from_tag=sender.tag)


def expires_of(request: Request) -> int | None:
    """Return the Expires of a request in seconds; None when it is absent or cannot be read."""
    text = request.headers.get("Expires")
    return None if text is None else parse_delta_seconds(text)


def event_of(request: Request) -> EventHeader:
    """Return the Event of a request, an empty one when it is absent: that is for the core to refuse (489)."""
    text = request.headers.get("Event")
    return EventHeader.parse(text) if text else NO_EVENT
