"""What all methods read from a request, and what they are told about its arrival."""

from typing import NamedTuple

from lamplighter_proto import Transaction
from sip.errors import ParseError
from sip.fields import CSeq, EventHeader, NameAddr, parse_delta_seconds, parse_name_addr
from sip.message import Request
from sip.uri import canonical_aor
from sip_edge.addresses import Peer
from sip_edge.flows import Channel
from sip_edge.refusals import BadRequest
from sip_edge.targets import Target

NO_EVENT = EventHeader("")


class Arrival(NamedTuple):
    """How and where a request came in."""

    id: int
    edge: str
    shards: int
    target: Target
    transaction: Transaction
    sender: NameAddr
    channel: Channel
    peer: Peer


def name_addr(request: Request, name: str) -> NameAddr:
    """Return the value of From or To; BadRequest when it is missing or cannot be read."""
    try:
        return parse_name_addr(request.headers.get(name) or "")
    except ParseError as error:
        raise BadRequest(f"Bad {name}") from error


def transaction_of(request: Request, sender: NameAddr) -> Transaction:
    """Return what makes this request itself on whatever way it comes (RFC 3261 §8.2.2.2)."""
    try:
        cseq = CSeq.parse(request.headers.get("CSeq") or "")
    except ParseError as error:
        raise BadRequest("Bad CSeq") from error
    if cseq.method != request.method:
        raise BadRequest("CSeq does not match the method")
    return Transaction(call_id=request.headers.get("Call-ID") or "", cseq=cseq.number, from_tag=sender.tag)


def aor_of(uri: str, name: str) -> str:
    """Return the canonical AOR of a header's URI; BadRequest when it has none."""
    try:
        return canonical_aor(uri)
    except ParseError as error:
        raise BadRequest(f"Bad {name} URI") from error


def expires_of(request: Request) -> int | None:
    """Return the Expires of a request in seconds; None when it is absent or cannot be read."""
    text = request.headers.get("Expires")
    return None if text is None else parse_delta_seconds(text)


def event_of(request: Request) -> EventHeader:
    """Return the Event of a request, an empty one when it is absent: that is for the core to refuse (489)."""
    text = request.headers.get("Event")
    if not text:
        return NO_EVENT
    try:
        return EventHeader.parse(text)
    except ParseError as error:
        raise BadRequest("Bad Event") from error
