"""Messages: what is read, what is refused and how that can be answered (RFC 3261 §7, §18)."""

import pytest

from sip.errors import ParseError
from sip.headers import Headers
from sip.message import Limits, Request, Response, build_response, parse, stamp_received

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


def test_whitespace_at_the_end_of_the_last_header_is_no_part_of_it() -> None:
    assert request(packet("Subject: a ")).headers.get("Subject") == "a"


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


def test_messages_show_what_they_are() -> None:
    assert repr(request(packet())).startswith("Request('PUBLISH', 'sip:alice@example.com', Headers([('Via',")
    assert repr(Response(200, "OK", Headers())) == "Response(200, 'OK', Headers([]), b'')"
