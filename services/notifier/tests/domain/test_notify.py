"""NOTIFY requests as they leave (RFC 6665 §4.2.2)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lamplighter_proto import Dialog, DialogRoute, Flow, Target
from notifier.domain.notify import Heads, Unbuildable, entity, prepare, subscription_state
from sip.message import Request, parse

Change = Callable[[Dialog, str], Dialog]


def built(dialog: Dialog, state: bytes = b"active;expires=60", rest: bytes = b"Content-Length: 0\r\n\r\n") -> bytes:
    return prepare(dialog).notify("z9hG4bKnotifier-1.aa.1", 12, state, rest)


def plain(content_type: str, document: bytes) -> bytes:
    rest = entity(content_type, document)
    assert isinstance(rest, bytes)
    return rest


def routed(dialog: Dialog, **changes: object) -> Dialog:
    return replace(dialog, route=replace(dialog.route, **changes))


def read(packet: bytes) -> Request:
    request = parse(packet)
    assert isinstance(request, Request)
    return request


def test_notify_with_a_document_is_the_request_of_the_rfc(dialog: Dialog, target: Target) -> None:
    packet = built(dialog, subscription_state(target), plain("application/dialog-info+xml", b"<dialog-info/>"))

    assert packet == (
        b"NOTIFY sip:bob@192.0.2.4:5062 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKnotifier-1.aa.1\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:alice@example.com>;tag=0badcafe55555555555555555555555555555555\r\n"
        b"To: <sip:bob@example.com>;tag=1928301774\r\n"
        b"Call-ID: 3848276298220188511@watcher.example.com\r\n"
        b"CSeq: 12 NOTIFY\r\n"
        b"Contact: <sip:192.0.2.1:5060;transport=udp>\r\n"
        b"Event: dialog;id=7\r\n"
        b"User-Agent: Lamplighter\r\n"
        b"Subscription-State: active;expires=3599\r\n"
        b"Content-Type: application/dialog-info+xml\r\n"
        b"Content-Length: 14\r\n"
        b"\r\n"
        b"<dialog-info/>"
    )


@pytest.mark.parametrize(("content_type", "document"), [("", b""), ("application/pidf+xml", b""), ("", b"<x/>")])
def test_notify_without_state_has_neither_body_nor_content_type(
    dialog: Dialog, content_type: str, document: bytes
) -> None:
    packet = built(dialog, rest=plain(content_type, document))

    request = read(packet)
    assert "Content-Type" not in request.headers
    assert packet.endswith(b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("state", "reason", "retry_after", "value"),
    [
        ("active", "", 0, b"active;expires=3599"),
        ("pending", "", 0, b"pending;expires=3599"),
        ("terminated", "", 0, b"terminated"),
        ("terminated", "noresource", 0, b"terminated;reason=noresource"),
        ("terminated", "probation", 120, b"terminated;reason=probation;retry-after=120"),
    ],
)
def test_subscription_state_follows_the_target(
    target: Target, state: str, reason: str, retry_after: int, value: bytes
) -> None:
    changed = replace(target, state=state, reason=reason, retry_after=retry_after)

    assert subscription_state(changed) == value


def test_subscription_state_past_its_end_never_has_a_negative_lifetime(target: Target) -> None:
    assert subscription_state(replace(target, expires=-4)) == b"active;expires=0"


def test_subscription_state_unknown_is_refused(target: Target) -> None:
    with pytest.raises(Unbuildable, match="state"):
        subscription_state(replace(target, state="active\r\nX: y"))


def test_loose_routes_stand_in_route_headers_in_order(dialog: Dialog) -> None:
    dialog = routed(dialog, route_set=("<sip:p1.example.com;lr>", "<sip:p2.example.com:5070;lr>"))

    request = read(built(dialog))

    assert request.uri == "sip:bob@192.0.2.4:5062"
    assert request.headers.values("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com:5070;lr>"]


def test_strict_first_router_gets_the_request_uri_and_the_target_comes_last(dialog: Dialog) -> None:
    dialog = routed(dialog, route_set=("<sip:p1.example.com>", "<sip:p2.example.com;lr>"))

    request = read(built(dialog))

    assert request.uri == "sip:p1.example.com"
    assert request.headers.values("Route") == ["<sip:p2.example.com;lr>", "<sip:bob@192.0.2.4:5062>"]


def test_tcp_dialog_names_tcp_and_the_next_hop(dialog: Dialog) -> None:
    dialog = replace(
        routed(dialog, contact="<sip:192.0.2.1:5060;transport=tcp>"), flow=replace(dialog.flow, transport="TCP")
    )

    head = prepare(dialog)

    assert b"\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;rport;branch=%b\r\n" in head.template
    assert head.reliable
    assert head.next_hop == "192.0.2.4:5062"


def test_udp_dialog_has_no_next_hop(dialog: Dialog) -> None:
    head = prepare(dialog)

    assert (head.reliable, head.next_hop) == (False, "")


def test_ipv6_contact_keeps_its_brackets_in_via(dialog: Dialog) -> None:
    dialog = routed(dialog, contact="<sip:[2001:db8::1]:5060>", remote_target="sip:bob@[2001:db8::9]:5062")

    packet = built(dialog)

    assert packet.startswith(b"NOTIFY sip:bob@[2001:db8::9]:5062 SIP/2.0\r\n")
    assert b"\r\nVia: SIP/2.0/UDP [2001:db8::1]:5060;rport;" in packet
    assert b"\r\nContact: <sip:[2001:db8::1]:5060>\r\n" in packet


def test_contact_without_a_port_gives_a_via_without_one(dialog: Dialog) -> None:
    packet = built(routed(dialog, contact="sip:edge.example.com;transport=udp"))

    assert b"\r\nVia: SIP/2.0/UDP edge.example.com;rport;" in packet


def test_percent_signs_of_a_peer_are_no_format(dialog: Dialog) -> None:
    dialog = replace(dialog, remote_uri="sip:b%d%b@example.com", event="dialog;x=%s", call_id="%(a)d")

    packet = built(dialog)

    assert b"\r\nTo: <sip:b%d%b@example.com>;tag=" in packet
    assert b"\r\nEvent: dialog;x=%s\r\n" in packet
    assert b"\r\nCall-ID: %(a)d\r\n" in packet


def test_peer_without_a_tag_gets_none(dialog: Dialog) -> None:
    packet = built(replace(dialog, remote_tag=""))

    assert b"\r\nTo: <sip:bob@example.com>\r\n" in packet


FIELDS: dict[str, Change] = {
    "call_id": lambda dialog, text: replace(dialog, call_id=text),
    "local_tag": lambda dialog, text: replace(dialog, local_tag=text),
    "remote_tag": lambda dialog, text: replace(dialog, remote_tag=text),
    "local_uri": lambda dialog, text: replace(dialog, local_uri=text),
    "remote_uri": lambda dialog, text: replace(dialog, remote_uri=text),
    "event": lambda dialog, text: replace(dialog, event=text),
    "remote_target": lambda dialog, text: routed(dialog, remote_target=text),
    "route_set": lambda dialog, text: routed(dialog, route_set=(text,)),
    "contact": lambda dialog, text: routed(dialog, contact=text),
    "transport": lambda dialog, text: replace(dialog, flow=replace(dialog.flow, transport=text)),
}
POISONED = [
    "sip:x@192.0.2.9\r\nX-Evil: 1",
    "sip:x@192.0.2.9\nX-Evil: 1",
    "sip:x@192.0.2.9\rX-Evil: 1",
    "<sip:x@192.0.2.9;lr>\r\n\r\nbody",
    "sip:x@192.0.2.9\x00",
    "sip:x@192.0.2.9\r\n",
]


@pytest.mark.parametrize("poison", POISONED)
@pytest.mark.parametrize("field", FIELDS)
def test_control_characters_in_any_field_are_refused(dialog: Dialog, field: str, poison: str) -> None:
    with pytest.raises(Unbuildable):
        prepare(FIELDS[field](dialog, poison))


@pytest.mark.parametrize("poison", POISONED)
def test_control_characters_in_the_content_type_or_the_reason_are_refused(target: Target, poison: str) -> None:
    with pytest.raises(Unbuildable):
        entity(poison, b"<x/>")
    with pytest.raises(Unbuildable):
        subscription_state(replace(target, state="terminated", reason=poison))


@pytest.mark.parametrize("field", ["local_uri", "remote_uri", "remote_target"])
@pytest.mark.parametrize("poison", ["sip:x@192.0.2.9>;tag=1", "sip:x@192.0.2.9 SIP/2.0"])
def test_uri_that_would_leave_its_place_is_refused(dialog: Dialog, field: str, poison: str) -> None:
    with pytest.raises(Unbuildable):
        prepare(FIELDS[field](dialog, poison))


@given(field=st.sampled_from(sorted(FIELDS)), text=st.text(max_size=40))
def test_any_text_in_any_field_is_refused_or_keeps_the_lines(field: str, text: str) -> None:
    dialog = FIELDS[field](PLAIN, text)

    try:
        packet = built(dialog)
    except Unbuildable:
        return

    lines = packet.split(b"\r\n")
    routes = len(dialog.route.route_set)
    assert len(lines) == 14 + routes
    assert packet.count(b"\n") == packet.count(b"\r") == 13 + routes
    assert lines[0].endswith(b" SIP/2.0")
    assert lines[-3:] == [b"Content-Length: 0", b"", b""]


PLAIN = Dialog(
    call_id="a",
    local_tag="b",
    remote_tag="c",
    local_uri="sip:a@b",
    remote_uri="sip:c@d",
    event="presence",
    route=DialogRoute(remote_target="sip:c@192.0.2.4", route_set=(), contact="<sip:192.0.2.1>"),
    flow=Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote="192.0.2.4:5060"),
)


def test_heads_of_an_unchanged_dialog_are_made_once(dialog: Dialog) -> None:
    heads = Heads(10)

    first, second = heads.of(dialog), heads.of(replace(dialog))

    assert first is second


def test_heads_of_a_refreshed_dialog_follow_its_new_target(dialog: Dialog) -> None:
    heads = Heads(10)
    heads.of(dialog)

    head = heads.of(routed(dialog, remote_target="sip:bob@192.0.2.77"))

    assert head.template.startswith(b"NOTIFY sip:bob@192.0.2.77 SIP/2.0\r\n")
    assert len(heads) == 1


def test_heads_over_their_limit_forget_the_one_unused_longest(dialog: Dialog) -> None:
    heads = Heads(2)
    used, unused, new = (replace(dialog, local_tag=tag) for tag in ("used", "unused", "new"))
    kept, lost = heads.of(used), heads.of(unused)
    heads.of(used)

    heads.of(new)

    assert len(heads) == 2
    assert heads.of(used) is kept
    assert heads.of(unused) is not lost
