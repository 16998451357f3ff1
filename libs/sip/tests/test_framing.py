"""Messages out of a stream (RFC 3261 §18.3, RFC 5626 §4.4.1)."""

import pytest

from sip.errors import ParseError
from sip.framing import KeepAlive, StreamFramer
from sip.message import Limits, Request, parse

PING, PONG = KeepAlive.PING, KeepAlive.PONG
HEAD = (
    b"MESSAGE sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\n"
    b"To: <sip:a@example.com>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
)
EMPTY = HEAD + b"Content-Length: 0\r\n\r\n"
FULL = HEAD + b"l : 11\r\n\r\nhello\r\n\r\nyo"
BARE = HEAD + b"\r\n"


@pytest.mark.parametrize("whole", [EMPTY, FULL, BARE, HEAD + b"Content-Length:\r\n  3\r\n\r\nabc"])
def test_message_in_one_piece_is_one_message(whole: bytes) -> None:
    framer = StreamFramer()

    assert framer.feed(whole) == [whole]
    assert not framer.pending


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_messages_in_any_pieces_are_the_same_messages(size: int) -> None:
    stream = EMPTY + FULL + BARE + FULL
    framer = StreamFramer()

    items = [item for start in range(0, len(stream), size) for item in framer.feed(stream[start : start + size])]

    assert items == [EMPTY, FULL, BARE, FULL]
    assert not framer.pending


def test_message_that_is_not_complete_is_pending() -> None:
    framer = StreamFramer()

    assert framer.feed(FULL[:-1]) == []
    assert framer.pending == len(FULL) - 1
    assert framer.feed(b"") == []


@pytest.mark.parametrize(
    ("pieces", "items"),
    [
        ([b"\r\n\r\n"], [PING]),
        ([b"\r\n"], [PONG]),
        ([b"\r\n", b"\r\n"], [PONG, PING]),
        ([b"\r", b"\n", b"\r", b"\n"], [PONG, PING]),
        ([b"\r\n\r\n\r\n\r\n"], [PING, PING]),
        ([b"\r\n\r\n\r\n"], [PING, PONG]),
        ([b"\r\n\r\n" + EMPTY + b"\r\n\r\n"], [PING, EMPTY, PING]),
        ([b"\r\n" + EMPTY, b"\r\n", EMPTY], [PONG, EMPTY, PONG, EMPTY]),
        ([EMPTY, b"\r\n\r\n", EMPTY], [EMPTY, PING, EMPTY]),
        ([b"\r\n", EMPTY + b"\r\n\r\n"], [PONG, EMPTY, PING]),
    ],
)
def test_keep_alives_are_told_from_messages(pieces: list[bytes], items: list[bytes | KeepAlive]) -> None:
    framer = StreamFramer()

    assert [item for piece in pieces for item in framer.feed(piece)] == items


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: x\r\n\r\n", 400),
        (HEAD + b"Content-Length:\r\n\r\n", 400),
        (HEAD + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nl: 2\r\n\r\nab", 400),
        (HEAD + b"Content-Length: 101\r\n\r\n", 413),
        (HEAD + b"Subject: " + b"x" * 1000 + b"\r\nContent-Length: 0\r\n\r\n", 413),
        (HEAD + b"Content-Length: 90\r\nSubject: " + b"x" * 700 + b"\r\n\r\n", 413),
    ],
)
def test_stream_that_cannot_be_framed_is_broken_for_good_and_can_be_answered(data: bytes, status: int) -> None:
    framer = StreamFramer(Limits(max_size=900 if status == 413 else 65_535, max_body=100))

    with pytest.raises(ParseError) as caught:
        framer.feed(data)

    assert caught.value.status == status
    assert isinstance(caught.value.head, Request)
    with pytest.raises(ParseError):
        framer.feed(EMPTY)


def test_messages_before_the_fault_are_not_lost() -> None:
    framer = StreamFramer()

    items = framer.feed(EMPTY + b"\r\n\r\n" + HEAD + b"Content-Length: x\r\n\r\n")

    assert items == [EMPTY, PING]
    with pytest.raises(ParseError) as caught:
        framer.feed(b"")
    assert caught.value.head is not None


def test_stream_without_an_end_of_a_head_is_broken_at_the_limit() -> None:
    framer = StreamFramer(Limits(max_size=1000))

    framer.feed(b"x" * 1000)
    with pytest.raises(ParseError) as caught:
        framer.feed(b"x")

    assert caught.value.head is None


def test_what_is_framed_is_read_as_in_a_stream() -> None:
    (item,) = StreamFramer().feed(BARE)

    assert isinstance(item, bytes)
    assert parse(item, datagram=False).body == b""
