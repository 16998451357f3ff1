"""Messages: what is read, what is refused and how that can be answered (RFC 3261 §7, §18)."""

import pytest

from sip.errors import ParseError, SipError
from sip.headers import Headers
from sip.message import (
    Limits,
    Request,
    Response,
    build_request,
    build_response,
    parse,
    response_head,
    stamp_received,
)

HEAD = (
    "PUBLISH sip:alice@example.com SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.10:5071;branch=z9hG4bKa7;rport",
    "Max-Forwards: 70",
    "From: <sip:alice@example.com>;tag=49",
    "To: <sip:alice@example.com>",
    "Call-ID: 1j9@192.0.2.10",
    "CSeq: 17 PUBLISH",
    "Event: presence",
)


def packet(*lines: str, body: bytes = b"", without: str = "") -> bytes:
    head = [line for line in HEAD if not without or not line.startswith(without)]
    return "\r\n".join([*head, *lines, "", ""]).encode("utf-8", "surrogateescape") + body


def changed(old: str, new: str) -> bytes:
    assert old.encode() in packet()
    return packet().replace(old.encode(), new.encode("utf-8", "surrogateescape"))


def request(data: bytes) -> Request:
    parsed = parse(data)
    assert isinstance(parsed, Request)
    return parsed


def refusal(data: bytes, limits: Limits | None = None, *, datagram: bool = True) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse(data, limits or Limits(), datagram=datagram)
    return caught.value


def test_request_has_its_parts() -> None:
    publish = request(packet("Content-Length: 4", body=b"<x/>"))

    assert (publish.method, publish.uri, publish.body) == ("PUBLISH", "sip:alice@example.com", b"<x/>")
    assert publish.headers.get("event") == "presence"
    assert len(publish.headers) == 8


def test_response_has_its_parts() -> None:
    data = packet(without="PUBLISH")

    response = parse(b"SIP/2.0 423 Interval Too Brief\r\n" + data)

    assert isinstance(response, Response)
    assert (response.status, response.reason) == (423, "Interval Too Brief")


@pytest.mark.parametrize(
    "start", ["PUBLISH sip:a@example.com sip/2.0", "SIP/2.0 200", "sip/2.0 200 OK", "SIP/2.0 200 "]
)
def test_start_line_with_an_unusual_version_or_reason_is_read(start: str) -> None:
    parse(f"{start}\r\n".encode() + packet(without="PUBLISH"))


def test_header_in_any_shape_is_read() -> None:
    publish = request(
        packet("o : dialog", "X-Odd:1", "X-odd:\t2 ", "Subject: a", " b", "\t c", "Supported:", without="Event")
    )

    assert publish.headers.get("Event") == "dialog"
    assert publish.headers.all("x-ODD") == ["1", "2"]
    assert publish.headers.get("Subject") == "a b c"
    assert publish.headers.get("Supported") == ""


def test_line_breaks_before_the_start_line_are_ignored() -> None:
    assert request(b"\r\n\r\n" + packet()).method == "PUBLISH"


def test_bytes_that_are_no_utf8_survive() -> None:
    data = changed("From: <", "From: \udcfc <")

    publish = request(data)

    assert b"From: \xfc <sip:" in data
    assert b"From: \xfc <sip:" in bytes(publish)
    assert b"From: \xfc <sip:" in build_response(publish, 200, "OK")


@pytest.mark.parametrize(
    ("lines", "rest", "body"),
    [
        ((), b"rest of it", b"rest of it"),
        (("Content-Length: 4",), b"rest of it", b"rest"),
        (("Content-Length: 0",), b"rest of it", b""),
        (("l:0004",), b"rest", b"rest"),
    ],
)
def test_body_in_a_datagram_is_what_the_length_says_or_the_rest(
    lines: tuple[str, ...], rest: bytes, body: bytes
) -> None:
    assert request(packet(*lines, body=rest)).body == body


def test_body_in_a_stream_without_a_length_is_empty() -> None:
    parsed = parse(packet(body=b"rest of it"), datagram=False)

    assert parsed.body == b""


@pytest.mark.parametrize("length", ["5", "-4", "+4", "4x", "", "0x4", "\u0664", "9" * 30, "9" * 5000, "4, 4"])
def test_length_that_is_too_large_or_no_number_is_refused(length: str) -> None:
    error = refusal(packet(f"Content-Length: {length}", body=b"body"))

    assert error.status in (400, 413)
    assert error.head is not None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (changed("SIP/2.0\r", "SIP/3.0\r"), 505),
        (changed("SIP/2.0\r", "SIP/2.1\r"), 505),
        (changed("SIP/2.0\r", "SIP/2.01\r"), 505),
        (changed("SIP/2.0\r", "HTTP/1.1\r"), 400),
        (changed("SIP/2.0\r", "SIP/x\r"), 400),
        (changed("SIP/2.0\r", "SIP/2.0 \r"), 400),
        (changed("PUBLISH sip:alice@example.com SIP", "PUBLISH SIP"), 400),
        (changed("PUBLISH sip:alice@example.com", "PUBLISH  sip:alice@example.com"), 400),
        (changed("PUBLISH sip:alice@example.com", "PUBLISH <sip:alice@example.com>"), 400),
        (changed("PUBLISH sip:alice@example.com", "PUBLISH sip:\u00e4lice@example.com"), 400),
        (changed("PUBLISH sip:alice@example.com", "PUBLISH sip:alice@example.com?x=y"), 400),
        (changed("CSeq: 17 PUBLISH", "CSeq: 17 SUBSCRIBE"), 400),
        (changed("CSeq: 17 PUBLISH", "CSeq: 2147483648 PUBLISH"), 400),
        (changed("CSeq: 17 PUBLISH", "CSeq: PUBLISH"), 400),
        (changed("To: <", "To: <<"), 400),
        (changed("To: <", 'To: "<'), 400),
        (changed(";tag=49", ";tag=49;tag=50"), 400),
        (changed(";tag=49", ";tag=\u00e4"), 400),
        (changed("1j9@192.0.2.10", "1j9 192.0.2.10"), 400),
        (changed("1j9@192.0.2.10", "1j9\u00e4"), 400),
        (changed(";branch", ";;branch"), 400),
        (packet("Event: dialog"), 400),
        (packet("e\u00e4: 1"), 400),
        (packet("Subject"), 400),
        (packet("Subject : a\0b"), 400),
        (packet(": x"), 400),
        (packet("Subject: a\nX: b"), 400),
        (packet("Subject: a\rX: b"), 400),
        (packet()[:-2], 400),
        (packet("Content-Length: 1", "Content-Length: 1", body=b"x"), 400),
    ],
)
def test_request_that_is_malformed_is_refused_and_can_be_answered(data: bytes, status: int) -> None:
    error = refusal(data)

    assert error.status == status
    assert error.head is not None
    assert error.head.method == "PUBLISH"
    stamp_received(error.head, "203.0.113.9", 4711)
    answer = build_response(error.head, error.status, error.reason, to_tag="x")
    assert answer.startswith(b"SIP/2.0 %d " % status)
    assert answer.endswith(b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_request_without_what_an_answer_needs_cannot_be_answered(name: str) -> None:
    assert refusal(packet(without=name)).head is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0",
        b"hello",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SIP/2.0 2000 OK\r\n" + packet(without="PUBLISH"),
        b"SIP/2.0 099 Low\r\n" + packet(without="PUBLISH"),
        b"SIP/2.0 700 High\r\n" + packet(without="PUBLISH"),
        b"SIP/3.0 200 OK\r\n" + packet(without="PUBLISH"),
        changed("PUBLISH sip:alice", "ACK sip:alice"),
        changed("SIP/2.0/UDP 192.0.2.10:5071", "junk"),
        packet(without="PUBLISH"),
        packet().replace(b"\r\n", b"\n"),
    ],
)
def test_bytes_that_nobody_can_be_answered_about_have_no_head(data: bytes) -> None:
    assert refusal(data).head is None


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (Limits(max_size=1000), packet("Content-Length: 1000", body=b"x" * 1000)),
        (Limits(max_size=1000), packet("Subject: " + "x" * 1000)),
        (Limits(max_headers=10), packet(*["X: 1"] * 4)),
        (Limits(max_header_bytes=500), packet("Subject: " + "x" * 600)),
        (Limits(max_header_bytes=500), packet("Subject: a", *[" " + "x" * 60] * 10)),
        (Limits(max_body=10), packet("Content-Length: 11", body=b"x" * 11)),
        (Limits(max_body=10), packet(body=b"x" * 11)),
        (Limits(max_body=10), packet("Content-Length: 11")),
    ],
)
def test_request_over_a_limit_is_refused_with_413_and_can_be_answered(limits: Limits, data: bytes) -> None:
    error = refusal(data, limits)

    assert error.status == 413
    assert error.head is not None


def test_request_at_its_limits_is_read() -> None:
    data = packet("Subject: 12345678", "Content-Length: 4", body=b"<x/>")
    limits = Limits(max_size=len(data), max_headers=9, max_header_bytes=55, max_body=4)

    assert parse(data, limits).body == b"<x/>"


def test_refusal_repeats_no_input_in_its_reason() -> None:
    assert "zyxw" not in refusal(changed("1j9@192.0.2.10", "zyxw zyxw")).reason


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
            "a;branch=1;rport, SIP/2.0/UDP b;rport;branch=2",
            "192.0.2.1",
            "a;branch=1;rport=4711;received=192.0.2.1, SIP/2.0/UDP b;rport;branch=2",
        ),
    ],
)
def test_top_via_is_stamped_with_where_the_request_came_from(via: str, host: str, stamped: str) -> None:
    publish = request(changed("192.0.2.10:5071;branch=z9hG4bKa7;rport", via))

    stamp_received(publish, host, 4711)

    assert publish.headers.get("Via") == f"SIP/2.0/UDP {stamped}"


def test_via_that_cannot_be_read_stays_as_it_is() -> None:
    unreadable = Request("PUBLISH", "sip:a", Headers([("Via", "SIP/2.0/UDP a;;rport=x;")]))

    stamp_received(unreadable, "192.0.2.1", 4711)

    assert unreadable.headers.get("Via") == "SIP/2.0/UDP a;;rport=x;"


def test_response_repeats_what_the_rfc_wants() -> None:
    data = packet("Via: SIP/2.0/TCP b.example.com;branch=z9hG4bKb, SIP/2.0/TCP c.example.com", "Expires: 60")

    answer = build_response(request(data), 200, "OK", [("SIP-ETag", "e1"), ("Expires", "60")], to_tag="t1", body=b"b")

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
        request(changed("To: <sip:alice@example.com>", "To: sip:a@b;tag=old")), 200, "OK", to_tag="n"
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
        build_response(request(packet()), 200, "OK", [("Event", value)])
    with pytest.raises(SipError):
        build_response(request(packet()), 400, value)


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


def test_messages_show_what_they_are() -> None:
    assert repr(request(packet())).startswith("Request('PUBLISH', 'sip:alice@example.com', Headers([('Via',")
    assert repr(Response(200, "OK", Headers())) == "Response(200, 'OK', Headers([]), b'')"
