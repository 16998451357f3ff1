"""Builders of stored rows: for tests alone."""

from lamplighter_proto import Dialog, DialogRoute, Flow
from presence_core.domain.registration import Contact
from presence_core.domain.subscription import Subscription
from presence_core.store import StoredContact, StoredSubscription


def stored_subscription(
    tag: str = "tag-1",
    *,
    shard: int = 3,
    expires: int = 5000,
    remote_cseq: int = 1,
    accept: tuple[str, ...] | None = None,
    route_set: tuple[str, ...] = (),
    presentity: str = "sip:alice@example.com",
    remote: str = "192.0.2.9:5061",
) -> StoredSubscription:
    """Return a stored subscription."""
    flow = Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote=remote, connection=2**40)
    contact = "<sip:192.0.2.1:5060>"
    dialog = Dialog(
        call_id=f"call-{tag}",
        local_tag=tag,
        remote_tag="w",
        local_uri=presentity,
        remote_uri="sip:bob@example.com",
        event="presence;id=7",
        route=DialogRoute(remote_target="sip:bob@192.0.2.9", route_set=route_set, contact=contact),
        flow=flow,
    )
    subscription = Subscription(
        presentity=presentity,
        event="presence",
        event_id="7",
        watcher="tel:+15551234",
        dialog=dialog,
        remote_cseq=remote_cseq,
        expires=expires,
        accept=accept,
    )
    return StoredSubscription(shard=shard, subscription=subscription, cseq_limit=1000, notified=None)


def stored_contact(uri: str = "sip:alice@192.0.2.5", *, shard: int = 3, expires: int = 5000) -> StoredContact:
    """Return a stored binding."""
    contact = Contact(uri=uri, expires=expires, q="0.5", instance="<urn:uuid:1>", call_id="r", cseq=2**31 - 1)
    return StoredContact(shard=shard, aor="sip:alice@example.com", contact=contact)
