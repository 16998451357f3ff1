"""One sample of every kind of message, each field set to something that is not its default."""

import pytest

from lamplighter_proto import (
    Answer,
    Binding,
    Dialog,
    DialogRoute,
    Flow,
    Hint,
    Message,
    Moved,
    Notify,
    Outcome,
    Publish,
    Received,
    Refresh,
    Refreshed,
    Register,
    Send,
    Subscribe,
    Target,
    Transaction,
    Wanted,
)

# Not UTF-8: bodies travel as they are.
BODY = b"<presence/>\x00\xff"


def transaction() -> Transaction:
    return Transaction(call_id="a84b4c76e66710@pc33", cseq=314159, from_tag="1928301774")


def flow() -> Flow:
    return Flow(edge="edge-1", transport="TCP", local="192.0.2.1:5060", remote="[2001:db8::1]:49152", connection=7)


def route() -> DialogRoute:
    return DialogRoute(
        remote_target="sip:phone@192.0.2.9:5062",
        route_set=("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"),
        contact="<sip:192.0.2.1:5060>",
    )


def dialog() -> Dialog:
    return Dialog(
        call_id="a84b4c76e66710@pc33",
        local_tag="0a1b2c3d" + "f" * 32,
        remote_tag="1928301774",
        local_uri="sip:alice@example.com",
        remote_uri="sip:bob@example.com",
        event="presence;id=7",
        route=route(),
        flow=flow(),
    )


def target() -> Target:
    return Target(
        shard=17,
        presentity="sip:alice@example.com",
        dialog=dialog(),
        cseq=2,
        version=3,
        state="terminated",
        expires=0,
        reason="giveup",
        retry_after=30,
    )


def publish() -> Publish:
    return Publish(
        id=1,
        edge="edge-1",
        shard=17,
        transaction=transaction(),
        presentity="sip:alice@example.com",
        event="presence",
        expires=3600,
        if_match=("etag-1", "etag-2"),
        content_type="application/pidf+xml",
        body=BODY,
        sender="sip:alice@example.com",
        event_params=(("sla", ""), ("id", "7")),
        deadline=1767225605.5,
        asked=1767225601.25,
    )


def subscribe() -> Subscribe:
    return Subscribe(
        id=2,
        edge="edge-1",
        shard=17,
        transaction=transaction(),
        presentity="sip:alice@example.com",
        watcher="sip:bob@example.com",
        event="dialog",
        event_id="7",
        event_params=(("sla", ""), ("call-id", '"x"')),
        to_tag="0a1b2c3d" + "f" * 32,
        expires=None,
        accept=("application/dialog-info+xml", "*/*"),
        from_uri="sip:bob@example.com",
        to_uri="sip:alice@example.com",
        route=route(),
        flow=flow(),
        content_type="application/simple-filter+xml",
        body=BODY,
        display_name='Bob "the lamp"',
        deadline=1767225605.5,
        asked=1767225601.25,
    )


def register() -> Register:
    return Register(
        id=3,
        edge="edge-1",
        shard=17,
        transaction=transaction(),
        aor="sip:alice@example.com",
        bindings=(Binding(contact="sip:alice@192.0.2.9", expires=60, q="0.5", instance="urn:uuid:1"),),
        remove_all=True,
        expires=0,
        deadline=1767225605.5,
        asked=1767225601.25,
    )


SAMPLES: tuple[Message, ...] = (
    publish(),
    subscribe(),
    register(),
    Answer(id=1, status=200, reason="OK", headers=(("SIP-ETag", "e1"), ("Expires", "3600")), to_tag="t"),
    Moved(id=1, shard=17, asked=1767225601.25),
    Notify(
        core="core-1",
        event="dialog",
        content_type="application/dialog-info+xml",
        document=BODY,
        targets=(target(),),
        version_at=9,
    ),
    Send(
        notifier="notifier-1",
        branch="z9hG4bK776",
        flow=flow(),
        packet=BODY,
        next_hop="192.0.2.9:5062",
        local_tag="tag",
        cseq=12,
        again=True,
    ),
    Received(branch="z9hG4bK776", status=489, packet=BODY),
    Outcome(shard=17, presentity="sip:alice@example.com", local_tag="t", cseq=2, status=503, retry_after=30),
    Wanted(presentity="sip:alice@example.com"),
    Hint(presentity="sip:alice@example.com", selectors=("pres-rules/users/sip:alice@example.com/index",)),
    Refresh(id=3, xcap_sync="xcap-sync-1", shard=17, presentity="sip:alice@example.com"),
    Refreshed(id=3),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sample" in metafunc.fixturenames:
        metafunc.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)


@pytest.fixture
def samples() -> tuple[Message, ...]:
    return SAMPLES
