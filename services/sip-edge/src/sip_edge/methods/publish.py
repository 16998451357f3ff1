"""PUBLISH as a command (RFC 3903 §6)."""

from lamplighter_proto import Publish
from sip.message import Request
from sip.uri import canonical_aor
from sip_edge.arrival import Arrival
from sip_edge.reading import event_of, expires_of


def to_command(request: Request, arrival: Arrival) -> Publish:
    """Return the command; the presentity is the Request-URI's (RFC 3903 §6 step 1)."""
    headers = request.headers
    target = arrival.target
    event = event_of(request)
    return Publish(
        id=arrival.id,
        edge=arrival.edge,
        deadline=arrival.deadline,
        shard=target.shard,
        transaction=arrival.transaction,
        presentity=target.aor,
        event=event.package,
        expires=expires_of(request),
        if_match=tuple(headers.values("SIP-If-Match")) if headers.get("SIP-If-Match") else (),
        content_type=headers.get("Content-Type") or "",
        body=request.body,
        sender=canonical_aor(arrival.sender.uri),
        event_params=tuple((name, value or "") for name, value in event.params),
    )
