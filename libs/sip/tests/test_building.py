"""What we write into messages and read from answers (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4)."""

import pytest

from sip.errors import ParseError, SipError
from sip.headers import Headers
from sip.message import Request, build_request, build_response, parse, response_head, stamp_received

VIA = "SIP/2.0/UDP 192.0.2.10:5071;branch=z9hG4bKa7;rport"
HEAD = (
    "PUBLISH sip:alice@example.com SIP/2.0",
    f"Via: {VIA}",
    "From: <sip:alice@example.com>;tag=49",
    "To: <sip:alice@example.com>",
    "Call-ID: 1j9@192.0.2.10",
    "CSeq: 17 PUBLISH",
)


def request(*lines: str, old: str = "", new: str = "") -> Request:
    text = "\r\n".join([*HEAD, *lines, "", ""])
    assert old in text
    parsed = parse((text.replace(old, new) if old else text).encode())
    assert isinstance(parsed, Request)
    return parsed


@pytest.mark.parametrize(
    ("via", "host", "stamped"),
    [
        ("a.example.com;branch=1;rport", "192.0.2.1", "a.example.com;branch=1;rport=4711;received=192.0.2.1"),
        ("192.0.2.1:5060;rport;branch=1", "192.0.2.1", "192.0.2.1:5060;rport=4711;received=192.0.2.1;branch=1"),
        ("192.0.2.1:5060;branch=1", "192.0.2.1", "192.0.2.1:5060;branch=1"),
        ("192.0.2.2:5060;branch=1", "192.0.2.1", "192.0.2.2:5060;branch=1;received=192.0.2.1"),
        ("a.invalid;branch=1", "192.0.2.1", "a.invalid;branch=1;received=192.0.2.1"),
        ("a;branch=1;received=10.0.0.1", "192.0.2.1", "a;branch=1;received=192.0.2.1"),
        ("192.0.2.1;received=10.0.0.1", "192.0.2.1", "192.0.2.1;received=192.0.2.1"),
        ("a;rport;received=10.0.0.1", "192.0.2.1", "a;rport=4711;received=192.0.2.1"),
        ("a;rport=9;branch=1", "192.0.2.1", "a;rport=4711;branch=1;received=192.0.2.1"),
        ("a;rportx;branch=1;RPORT", "192.0.2.1", "a;rportx;branch=1;rport=4711;received=192.0.2.1"),
        ('a;x=";rport";branch=1', "192.0.2.1", 'a;x=";rport";branch=1;received=192.0.2.1'),
        ("[2001:db8::1];branch=1", "2001:db8:0::1", "[2001:db8::1];branch=1"),
        ("[2001:db8::1];branch=1;rport", "[2001:db8::2]", "[2001:db8::1];branch=1;rport=4711;received=2001:db8::2"),
        (
            "a;branch=1, SIP/2.0/UDP b;rport;branch=2",
            "192.0.2.1",
            "a;branch=1;received=192.0.2.1, SIP/2.0/UDP b;rport;branch=2",
        ),
        (
            "a;branch=1;rport, SIP/2.0/UDP b;rport;branch=2",
            "192.0.2.1",
            "a;branch=1;rport=4711;received=192.0.2.1, SIP/2.0/UDP b;rport;branch=2",
        ),
    ],
)
def test_top_via_is_stamped_with_where_the_request_came_from(via: str, host: str, stamped: str) -> None:
    publish = request(old=VIA, new=f"SIP/2.0/UDP {via}")

    stamp_received(publish, host, 4711)

    assert publish.headers.get("Via") == f"SIP/2.0/UDP {stamped}"


def test_via_that_cannot_be_read_stays_as_it_is() -> None:
    unreadable = Request("PUBLISH", "sip:a", Headers([("Via", "SIP/2.0/UDP a;;rport=x;")]))

    stamp_received(unreadable, "192.0.2.1", 4711)

    assert unreadable.headers.get("Via") == "SIP/2.0/UDP a;;rport=x;"


def test_response_repeats_what_the_rfc_wants() -> None:
    publish = request("Via: SIP/2.0/TCP b.example.com;branch=z9hG4bKb, SIP/2.0/TCP c.example.com", "Expires: 60")

    answer = build_response(publish, 200, "OK", [("SIP-ETag", "e1"), ("Expires", "60")], to_tag="t1", body=b"b")

    assert answer == (
        b"SIP/2.0 200 OK\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.10:5071;branch=z9hG4bKa7;rport\r\n"
        b"Via: SIP/2.0/TCP b.example.com;branch=z9hG4bKb, SIP/2.0/TCP c.example.com\r\n"
        b"From: <sip:alice@example.com>;tag=49\r\n"
        b"To: <sip:alice@example.com>;tag=t1\r\n"
        b"Call-ID: 1j9@192.0.2.10\r\n"
        b"CSeq: 17 PUBLISH\r\n"
        b"SIP-ETag: e1\r\n"
        b"Expires: 60\r\n"
        b"Content-Length: 1\r\n\r\nb"
    )


def test_response_keeps_the_tag_of_to() -> None:
    answer = build_response(
        request(old="To: <sip:alice@example.com>", new="To: sip:a@b;tag=old"), 200, "OK", to_tag="n"
    )

    assert b"\r\nTo: sip:a@b;tag=old\r\n" in answer


def test_build_request_adds_the_length_and_only_one() -> None:
    data = build_request("NOTIFY", "sip:a@b", [("Event", "presence"), ("content-length", "99")], b"body")

    assert data == b"NOTIFY sip:a@b SIP/2.0\r\nEvent: presence\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nX: b", "a\rb"])
def test_header_with_a_line_break_is_never_written(value: str) -> None:
    with pytest.raises(SipError):
        build_request("NOTIFY", "sip:a@b", [("Event", value)])
    with pytest.raises(SipError):
        build_response(request(), 200, "OK", [("Event", value)])
    with pytest.raises(SipError):
        build_response(request(), 400, value)


@pytest.mark.parametrize(
    ("lines", "branch"),
    [
        (("Via: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;received=192.0.2.9;branch=z9hG4bKn.1",), "z9hG4bKn.1"),
        (("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKn.1;rport=5060",), "z9hG4bKn.1"),
        (("To: x", "v:SIP/2.0/UDP a ;branch = z9hG4bKn.1 ; x"), "z9hG4bKn.1"),
        (("VIA : SIP / 2.0 / UDP a", " ;branch=z9hG4bKn.1"), "z9hG4bKn.1"),
        (("Via: SIP/2.0/UDP a;branch=z9hG4bKn.1, SIP/2.0/UDP b;branch=z9hG4bKn.2",), "z9hG4bKn.1"),
        (("Via: SIP/2.0/UDP a;branch=z9hG4bKn.1", "Via: SIP/2.0/UDP b;branch=z9hG4bKn.2"), "z9hG4bKn.1"),
        (('Via: SIP/2.0/UDP a;x=";branch=z9hG4bKno";branch=z9hG4bKn.1',), "z9hG4bKn.1"),
        (("Via: SIP/2.0/UDP a;Branch=z9hG4bKn.1",), "z9hG4bKn.1"),
        (("Via: SIP/2.0/UDP a;xbranch=z9hG4bKno;branch=z9hG4bKn.1",), "z9hG4bKn.1"),
        (("Via: SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKn.1",), "z9hG4bKn.1"),
    ],
)
def test_response_head_finds_the_top_branch_in_any_shape(lines: tuple[str, ...], branch: str) -> None:
    data = "\r\n".join(["SIP/2.0 202 Accepted", *lines, "Content-Length: 0", "", ""]).encode()

    assert response_head(data) == (202, branch)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SIP/2.0 20",
        b"SIP/2.0 2000 X\r\nVia: SIP/2.0/UDP a;branch=1\r\n\r\n",
        b"SIP/3.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=1\r\n\r\n",
        b"NOTIFY sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\nVia: SIP/2.0/UDP a;branch=1\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b;branch=1\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: junk\r\n\r\n",
    ],
)
def test_response_head_of_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError):
        response_head(data)
