"""Input made to waste time: every 60 kB of it is dealt with at once, however it is built."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from sip.errors import ParseError
from sip.fields import EventHeader, MediaType, Via, parse_delta_seconds, parse_name_addr
from sip.framing import StreamFramer
from sip.grammar import parse_params, split_values
from sip.message import Limits, parse, response_head
from sip.uri import canonical_aor, equivalent, parse_uri

SIZE = 60_000
WIDE = Limits(max_headers=SIZE, max_header_bytes=SIZE * 2)
SECONDS = 1.0
"""Far more than it takes; a quadratic reader needs minutes."""

UNITS = [
    *(
        "a",
        ".",
        "a.",
        "-",
        "%41",
        "%",
        "9",
        " ",
        "\t",
        ",",
        ", ",
        ";",
        ";a",
        ";a=b",
        '"',
        '\\"',
        '""',
        '"\\',
        "<",
        ">",
        "<>",
    ),
    *(
        "<<",
        "a<",
        '"<',
        "=",
        "&",
        "a=b&",
        "?",
        "@",
        ":",
        "a:",
        "[",
        "[::",
        "]",
        "::",
        "0:",
        "/",
        "*",
        "\0",
        "\u00e4",
        "\udcff",
    ),
    *(
        "\r\n ",
        " \r\n",
        "\r\n\t \t",
        "\r\nX:",
        "\r\nVia: a",
        "\r\nVia: SIP/2.0/UDP a",
        "\r\nl: 0",
        ",<sip:a>",
        '," ',
        "a ",
    ),
    *(";branch=z9hG4bK", ";rport", "sip:", "+1", "(", "()", "'", "a;b,"),
]
FRAMES = [
    "{}",
    "sip:{}",
    "sip:{}@a",
    "sip:a@{}",
    "sip:a;{}",
    "sip:a?{}",
    "tel:{}",
    '"{}',
    '"{}"<sip:a>',
    "<{}>",
    "{}<sip:a>",
]
FRAMES += [
    "SIP/2.0/UDP {}",
    "SIP/2.0/UDP a{}",
    "SIP{}/2.0/UDP a",
    "presence{}",
    "<sip:a>{}",
    "<sip:a>;x={}",
    '<sip:a>;x="{}',
]
READERS: list[Callable[[str], object]] = [
    Via.parse,
    parse_name_addr,
    EventHeader.parse,
    MediaType.parse,
    parse_delta_seconds,
    parse_params,
    split_values,
    parse_uri,
    canonical_aor,
]
MESSAGES = [
    "{}",
    "PUBLISH {} SIP/2.0\r\n\r\n",
    "SIP/2.0 200 {}\r\n\r\n",
    "PUBLISH sip:a SIP/2.0\r\nVia: {}\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:a>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n\r\n",
    "PUBLISH sip:a SIP/2.0\r\n{}: a\r\nFrom: {}\r\nTo: {}\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a{};branch=z9hG4bK1\r\n\r\n",
    "PUBLISH sip:a SIP/2.0\r\nContent-Length: {}\r\n\r\n",
]


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    with suppress(ParseError):
        action()
    return time.perf_counter() - start


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_values_are_dealt_with_at_once(unit: str) -> None:
    longest = unit * (SIZE // len(unit))
    texts = [frame.format(longest) for frame in FRAMES]

    slowest = max(seconds(partial(read, text)) for read in READERS for text in texts)

    assert slowest < SECONDS


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_messages_are_dealt_with_at_once(unit: str) -> None:
    longest = unit * (SIZE // 3 // len(unit))
    packets = [frame.replace("{}", longest).encode("utf-8", "surrogateescape") for frame in MESSAGES]

    slowest = max(
        seconds(partial(act, data))
        for act in (lambda data: parse(data, WIDE), parse, response_head, StreamFramer(WIDE).feed)
        for data in packets
    )

    assert slowest < SECONDS


def test_hostile_stream_in_single_bytes_is_dealt_with_at_once() -> None:
    framer = StreamFramer()
    data = b"a: b\r\n" * (SIZE // 6)

    def feed() -> None:
        for byte in data:
            framer.feed(bytes([byte]))

    assert seconds(feed) < SECONDS * 2


def test_hostile_keep_alives_are_dealt_with_at_once() -> None:
    assert seconds(lambda: StreamFramer().feed(b"\r\n" * 500_000)) < SECONDS * 5


def test_hostile_uris_are_compared_at_once() -> None:
    uri = parse_uri("sip:a;" + ";".join(f"p{number}=%41" for number in range(6_000)))

    assert seconds(lambda: equivalent(uri, uri)) < SECONDS
