"""SUBSCRIBE as a command, initial or in a dialog (RFC 6665 §4.2.1, RFC 3261 §12.1.1)."""

from lamplighter_proto import DialogRoute, Subscribe
from lamplighter_proto.ownership import shard_of, shard_of_tag
from sip.fields import parse_name_addr
from sip.message import Request
from sip.uri import SipUri, canonical_aor, parse_uri
from sip_edge.arrival import Arrival
from sip_edge.reading import event_of, expires_of, name_addr
from sip_edge.refusals import BadRequest

LONGEST_NAME = 256
"""Characters of a watcher's display name that the presentity is told."""


def to_command(request: Request, arrival: Arrival) -> Subscribe:
    """Return the command; in a dialog the Request-URI is only our Contact, and To names the presentity."""
    headers = request.headers
    to = name_addr(request, "To")
    tag = to.tag
    presentity = canonical_aor(to.uri) if tag else arrival.target.aor
    event = event_of(request)
    return Subscribe(
        id=arrival.id,
        edge=arrival.edge,
        deadline=arrival.deadline,
        shard=shard_in_dialog(tag, presentity, arrival.shards) if tag else arrival.target.shard,
        transaction=arrival.transaction,
        presentity=presentity,
        watcher=canonical_aor(arrival.sender.uri),
        event=event.package,
        event_id=event.id,
        event_params=tuple((name, value or "") for name, value in event.params),
        to_tag=tag,
        expires=expires_of(request),
        accept=tuple(headers.values("Accept")) if "Accept" in headers else None,
        from_uri=arrival.sender.uri,
        to_uri=to.uri,
        route=dialog_route(request, arrival.channel.contact),
        flow=arrival.channel.flow(arrival.peer),
        content_type=headers.get("Content-Type") or "",
        body=request.body,
        display_name=arrival.sender.display[:LONGEST_NAME],
    )


def shard_in_dialog(tag: str, presentity: str, shards: int) -> int:
    """Return the shard that our tag names; any other tag is unknown to every core, so that one may say so."""
    shard = shard_of_tag(tag, shards)
    return shard_of(presentity, shards) if shard is None else shard


def dialog_route(request: Request, contact: str) -> DialogRoute:
    """Return the route set, in the order of the message (RFC 3261 §12.1.1), and both Contacts."""
    return DialogRoute(
        remote_target=remote_target(request),
        route_set=tuple(request.headers.values("Record-Route")),
        contact=contact,
    )


def remote_target(request: Request) -> str:
    """Return the URI of the Contact; BadRequest unless there is one and it is a SIP URI (RFC 3261 §8.1.1.8)."""
    contacts = request.headers.values("Contact")
    if len(contacts) != 1:
        raise BadRequest("One Contact needed")
    uri = parse_name_addr(contacts[0]).uri
    if not isinstance(parse_uri(uri), SipUri):
        raise BadRequest("Contact is no SIP URI")
    return uri
