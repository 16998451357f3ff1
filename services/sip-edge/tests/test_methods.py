from typing import NamedTuple

import pytest

from lamplighter_proto import Binding, Transaction
from lamplighter_proto.ownership import aor_hash, shard_of
from sip.errors import ParseError
from sip.fields import parse_name_addr
from sip.message import Request, parse
from sip_edge.arrival import Arrival
from sip_edge.methods import publish, register, subscribe
from sip_edge.refusals import BadRequest
from sip_edge.targets import Target, Targets
from sip_edge.testing import CLIENT, Wire, request

TARGETS = Targets(own=frozenset({("192.0.2.1", 5060)}), domains=frozenset(), shards=64)


class Came(NamedTuple):
    request: Request
    arrival: Arrival


def came(packet: bytes) -> Came:
    message = parse(packet)
    assert isinstance(message, Request)
    sender = parse_name_addr(message.headers.get("From") or "")
    return Came(
        message,
        Arrival(
            id=1,
            edge="edge-1",
            shards=64,
            target=TARGETS.judge(message.uri),
            transaction=Transaction(call_id="c", cseq=1, from_tag="f"),
            sender=sender,
            channel=Wire(),
            peer=CLIENT,
            deadline=1005.0,
        ),
    )


def registered(uri: str = "sip:alice@example.com") -> Target:
    return TARGETS.judge(uri)


def test_publish_names_the_presentity_of_its_request_uri() -> None:
    packet = request(
        "PUBLISH",
        "sip:Alice@EXAMPLE.com:5060;transport=udp",
        to="<sip:other@example.com>",
        headers=("Event: dialog;sla", "SIP-If-Match: e1", "SIP-If-Match: e2", "Content-Type: application/pidf+xml"),
        body="<x/>",
    )

    command = publish.to_command(*came(packet))

    assert command.presentity == "sip:Alice@example.com"
    assert command.shard == shard_of("sip:Alice@example.com", 64)
    assert (command.event, command.if_match) == ("dialog", ("e1", "e2"))
    assert (command.content_type, command.body, command.sender) == (
        "application/pidf+xml",
        b"<x/>",
        "sip:bob@example.com",
    )


@pytest.mark.parametrize(("line", "expires"), [("Expires: 30", 30), ("Expires: soon", None), ("Subject: none", None)])
def test_publish_with_an_expires_that_is_no_number_has_none(line: str, expires: int | None) -> None:
    command = publish.to_command(*came(request("PUBLISH", headers=("Event: presence", line))))

    assert command.expires == expires


def test_publish_without_event_leaves_the_refusal_to_the_core() -> None:
    assert publish.to_command(*came(request("PUBLISH"))).event == ""


def test_subscribe_takes_its_dialog_from_the_message() -> None:
    packet = request(
        "SUBSCRIBE",
        to="<sip:other@example.com>",
        headers=(
            "Event: dialog;call-id=x;id=7;sla",
            'Contact: "B" <sip:bob@10.0.0.5:5062;ob>;expires=60',
            "Accept: application/a+xml, application/b+xml",
            "Accept: application/c+xml",
            "Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>",
        ),
    )

    command = subscribe.to_command(*came(packet))

    assert (command.presentity, command.to_uri) == ("sip:alice@example.com", "sip:other@example.com")
    assert (command.event, command.event_id) == ("dialog", "7")
    assert command.event_params == (("call-id", "x"), ("id", "7"), ("sla", ""))
    assert command.accept == ("application/a+xml", "application/b+xml", "application/c+xml")
    assert command.route.remote_target == "sip:bob@10.0.0.5:5062;ob"
    assert command.route.route_set == ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>")
    assert command.route.contact == "<sip:192.0.2.1:5060>"
    assert (command.flow.local, command.flow.remote) == ("192.0.2.1:5060", "192.0.2.7:5070")
    assert (command.watcher, command.from_uri, command.to_tag) == ("sip:bob@example.com", "sip:bob@example.com", "")


def test_subscribe_without_accept_says_so() -> None:
    packet = request("SUBSCRIBE", headers=("Event: presence", "Contact: <sip:b@h>"))

    assert subscribe.to_command(*came(packet)).accept is None


def test_subscribe_in_a_dialog_goes_to_the_shard_of_our_tag() -> None:
    tag = aor_hash("sip:carol@example.com") + "0" * 32
    packet = request(
        "SUBSCRIBE",
        "sip:192.0.2.1:5060",
        to=f"<sip:alice@example.com>;tag={tag}",
        headers=("Event: presence", "Contact: <sip:b@h>"),
    )

    command = subscribe.to_command(*came(packet))

    assert command.shard == shard_of("sip:carol@example.com", 64)
    assert (command.presentity, command.to_tag) == ("sip:alice@example.com", tag)


def test_subscribe_in_a_dialog_of_somebody_else_goes_to_the_presentity_of_to() -> None:
    packet = request(
        "SUBSCRIBE",
        "sip:192.0.2.1:5060",
        to="<sip:alice@example.com>;tag=unknown",
        headers=("Event: presence", "Contact: <sip:b@h>"),
    )

    assert subscribe.to_command(*came(packet)).shard == shard_of("sip:alice@example.com", 64)


@pytest.mark.parametrize("contact", ["", "*", "<sip:a@h>, <sip:b@h>", "<tel:+123>", "<nonsense", "<http://h>"])
def test_subscribe_without_one_sip_contact_is_refused_400(contact: str) -> None:
    headers = ("Event: presence", f"Contact: {contact}") if contact else ("Event: presence",)

    with pytest.raises((BadRequest, ParseError)):
        subscribe.to_command(*came(request("SUBSCRIBE", headers=headers)))


def test_register_takes_every_contact_with_its_parameters() -> None:
    packet = request(
        "REGISTER",
        "sip:example.com",
        headers=(
            'Contact: <sip:a@h1;transport=tcp>;expires=90;q=0.5;+sip.instance="<urn:uuid:1>", <sip:a@h2>',
            "Contact: sip:a@h3;expires=x",
            "Expires: 3600",
        ),
    )

    command = register.to_command(*came(packet), registered())

    assert (command.aor, command.expires, command.remove_all) == ("sip:alice@example.com", 3600, False)
    assert command.bindings == (
        Binding(contact="sip:a@h1;transport=tcp", expires=90, q="0.5", instance="<urn:uuid:1>"),
        Binding(contact="sip:a@h2", expires=None),
        Binding(contact="sip:a@h3", expires=None),
    )


def test_register_of_a_star_removes_all() -> None:
    packet = request("REGISTER", "sip:example.com", headers=("Contact: *", "Expires: 0"))

    command = register.to_command(*came(packet), registered())

    assert (command.remove_all, command.bindings, command.expires) == (True, (), 0)


def test_register_without_contact_asks_what_there_is() -> None:
    command = register.to_command(*came(request("REGISTER", "sip:example.com")), registered())

    assert (command.remove_all, command.bindings) == (False, ())


@pytest.mark.parametrize("parameters", ['+sip.instance="a\\"b"', "q=high"])
def test_register_leaves_out_parameters_that_cannot_be_repeated(parameters: str) -> None:
    packet = request("REGISTER", "sip:example.com", headers=(f"Contact: <sip:a@h>;{parameters}",))

    command = register.to_command(*came(packet), registered())

    assert command.bindings == (Binding(contact="sip:a@h", expires=None),)
