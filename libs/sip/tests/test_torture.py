"""The torture messages of RFC 4475, each as `torture/verdicts.toml` judges it."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from sip.errors import ParseError
from sip.fields import CSeq, Via, parse_delta_seconds, parse_name_addr
from sip.framing import StreamFramer
from sip.message import Request, Response, build_response, parse, stamp_received
from sip.transaction import server_key
from sip.uri import SipUri, canonical_aor, equivalent, parse_uri

TORTURE = Path(__file__).parent / "torture"
VERDICTS = tomllib.loads((TORTURE / "verdicts.toml").read_text())


def message(name: str) -> bytes:
    return (TORTURE / f"{name}.dat").read_bytes()


def request(name: str) -> Request:
    parsed = parse(message(name))
    assert isinstance(parsed, Request)
    return parsed


def test_torture_is_complete_and_judged() -> None:
    names = {path.stem for path in TORTURE.glob("*.dat")}

    assert names == VERDICTS.keys()
    assert len(names) == 49
    assert all(entry["why"] and entry["section"] for entry in VERDICTS.values())


@pytest.mark.parametrize("name", VERDICTS)
def test_torture_message_meets_its_verdict(outcome: Callable[[bytes], str], name: str) -> None:
    assert outcome(message(name)) == VERDICTS[name]["verdict"]


@pytest.mark.parametrize("name", [name for name, entry in VERDICTS.items() if entry["verdict"].endswith("message")])
def test_torture_request_that_is_refused_can_be_answered(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(message(name))
    head = caught.value.head
    assert head is not None

    stamp_received(head, "192.0.2.254", 40404)
    answer = build_response(head, caught.value.status, caught.value.reason, to_tag="x")

    original = message(name)
    call_id = head.headers.get("Call-ID") or ""
    assert call_id.encode() in original
    assert answer.startswith(b"SIP/2.0 %d " % caught.value.status)
    assert call_id.encode() in answer


@pytest.mark.parametrize("name", [name for name, entry in VERDICTS.items() if entry["verdict"] == "read"])
def test_torture_message_that_is_read_prints_and_reads_the_same(name: str) -> None:
    first = parse(message(name))

    again = parse(bytes(first))

    assert list(again.headers)[:-1] == [item for item in first.headers if item[0] != "Content-Length"]
    assert bytes(again) == bytes(first)
    assert again.body == first.body


def test_wsinv_unfolds_lists_and_compact_forms() -> None:
    invite = request("wsinv")

    vias = [Via.parse(value) for value in invite.headers.values("Via")]
    contact = parse_name_addr(invite.headers.values("m")[0])
    assert [(via.transport, via.host, via.branch) for via in vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert parse_name_addr(invite.headers.get("From") or "").display == 'J Rosenberg \\"'
    assert parse_name_addr(invite.headers.get("To") or "").tag == "1918181833n"
    assert (contact.display, contact.parameter("newparam"), contact.parameter("secondparam")) == (
        'Quoted string ""',
        "newvalue",
        "",
    )
    assert CSeq.parse(invite.headers.get("CSeq") or "") == CSeq(9, "INVITE")
    assert invite.headers.get("Subject") == ""
    assert invite.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert len(invite.body) == 150


def test_intmeth_keeps_every_character() -> None:
    odd = request("intmeth")

    assert odd.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert parse_name_addr(odd.headers.get("To") or "").display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert parse_name_addr(odd.headers.get("From") or "").tag == "_token~1'+`*%!-."
    uri = parse_uri(odd.uri)
    assert isinstance(uri, SipUri)
    assert (uri.user, uri.password) == (
        "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
        "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
    )


def test_esc01_compares_by_what_escapes_mean() -> None:
    invite = request("esc01")

    to = parse_uri(parse_name_addr(invite.headers.get("To") or "").uri)

    assert equivalent(to, parse_uri("sip:user@example.com"))
    assert canonical_aor(invite.uri) == "sip:sips%3Auser%40example.com@example.net"


def test_escnull_contacts_differ() -> None:
    first, second = [parse_uri(parse_name_addr(value).uri) for value in request("escnull").headers.values("Contact")]

    assert not equivalent(first, second)


def test_esc02_has_two_contacts() -> None:
    assert len(request("esc02").headers.values("Contact")) == 2


def test_dblreq_is_two_requests_in_a_stream_and_one_in_a_datagram() -> None:
    items = [item for item in StreamFramer().feed(message("dblreq")) if isinstance(item, bytes)]

    register, invite = [parse(item, datagram=False) for item in items[:2]]
    assert isinstance(register, Request)
    assert isinstance(invite, Request)
    assert (register.method, invite.method) == ("REGISTER", "INVITE")
    # Its Content-Length is too small by three.
    assert items[2:] == [b"C\r\n\r\n"]
    assert (request("dblreq").method, request("dblreq").body) == ("REGISTER", b"")


def test_semiuri_keeps_the_semicolon_in_the_user() -> None:
    assert canonical_aor(request("semiuri").uri) == "sip:user;par=u%40example.net@example.com"


def test_mpart01_keeps_its_binary_body() -> None:
    body = request("mpart01").body

    assert len(body) == 553
    assert b"\r\n\r\n0\x82\x01R" in body


def test_reason_phrases_of_unreason_and_noreason_are_kept() -> None:
    spoken, silent = parse(message("unreason")), parse(message("noreason"))

    assert isinstance(spoken, Response)
    assert isinstance(silent, Response)
    assert spoken.reason.endswith("простое")
    assert (silent.status, silent.reason) == (100, "")


def test_scalar02_lifetimes_are_cut() -> None:
    with pytest.raises(ParseError, match="CSeq"):
        parse(message("scalar02"))

    assert parse_delta_seconds("1" + "0" * 100) == 2**32 - 1


def test_clerr_in_a_stream_waits_for_more() -> None:
    framer = StreamFramer()

    assert framer.feed(message("clerr")) == []
    assert framer.pending


def test_badbranch_is_matched_without_its_branch() -> None:
    one, other = request("badbranch"), request("badbranch")
    other.headers.set("Call-ID", "another")

    assert server_key(one) != server_key(other)


def test_cparam_parameter_belongs_to_where_the_brackets_put_it() -> None:
    bare, bracketed = [parse_name_addr(request(name).headers.values("Contact")[0]) for name in ("cparam01", "cparam02")]

    assert bare.params == (("unknownparam", None),)
    assert bracketed.params == ()
    assert str(parse_uri(bracketed.uri)) == "sip:+19725552222@gw1.example.net;unknownparam"


def test_inv2543_without_branch_and_length_has_its_body() -> None:
    invite = request("inv2543")

    assert Via.parse(invite.headers.get("Via") or "").branch == ""
    assert invite.body.startswith(b"v=0\r\n")
    assert "inv2543.1717@ift.client.example.com" in server_key(invite)
