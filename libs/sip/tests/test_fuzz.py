"""Bytes that nobody would send: whatever comes in, only ParseError comes out.

FUZZ_SECONDS=600 makes a long run of it, FUZZ_SEED=n repeats one.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom
from typing import ParamSpec, TypeVar

import pytest

from sip.dialog import route_request
from sip.errors import ParseError
from sip.fields import (
    CSeq,
    EventHeader,
    MediaType,
    SubscriptionState,
    Via,
    accepts,
    parse_delta_seconds,
    parse_name_addr,
)
from sip.framing import StreamFramer
from sip.message import Limits, Request, Response, build_response, parse, response_head, stamp_received
from sip.transaction import server_key
from sip.uri import canonical_aor, parse_uri

P = ParamSpec("P")
R = TypeVar("R")

HERE = Path(__file__).parent
SEEDS = [path.read_bytes() for path in sorted([*HERE.glob("corpus/*.sip"), *HERE.glob("torture/*.dat")])]
SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))
SEED = int(os.environ.get("FUZZ_SEED") or SystemRandom().randrange(2**32))
READERS: tuple[Callable[[str], object], ...] = (
    Via.parse,
    CSeq.parse,
    EventHeader.parse,
    SubscriptionState.parse,
    MediaType.parse,
    parse_uri,
)
LIMITS = Limits(max_size=9_000, max_headers=60, max_header_bytes=4_000, max_body=3_000)
WORDS = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\0",
        b'"',
        b"\\",
        b'\\"',
        b"<",
        b">",
        b"<>",
        b",",
        b";",
        b";;",
        b"=",
    ),
    *(
        b":",
        b"@",
        b"%",
        b"%00",
        b"%zz",
        b"?",
        b"[",
        b"]",
        b"[::1]",
        b" ",
        b"\t",
        b"*",
        b"\xff",
        b"\xc3",
        b"\xed\xb2\x80",
    ),
    *(b"\xef\xbb\xbf", "\u0664".encode(), b"9" * 30, b"-1", b"4294967296", b"SIP/2.0", b"SIP/3.0", b"Via: ", b"v:"),
    *(b"Content-Length: ", b"l: 99999", b";branch=", b";branch=z9hG4bK", b";rport", b";received=", b";tag=", b";lr"),
    *(b"sip:", b"sips:", b"tel:", b"x" * 500, b",;" * 100, b'"' * 99),
]


def mutate(random: Random, data: bytes) -> bytes:
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((0, 1, 1, 2, 10, 100)))
        new = random.choice(
            (
                random.choice(WORDS),
                bytes([random.randrange(256)]),
                b"",
                data[start:end] * random.choice((2, 3, 40)),
                random.choice(SEEDS)[start:end],
            )
        )
        data = data[:start] + new + data[end:]
    return data[: random.randrange(len(data) + 1)] if random.random() < 0.1 else data


def digest(random: Random, data: bytes) -> None:
    """Do to bytes all that a server does."""
    for datagram in (True, False):
        try:
            take(parse(data, LIMITS, datagram=datagram))
        except ParseError as error:
            refuse(error)
    attempt(response_head, data)
    frame(random, data)


def take(message: Request | Response) -> None:
    printed = bytes(message)
    assert bytes(parse(printed)) == printed
    read_headers(message)
    if isinstance(message, Request):
        server_key(message)
        stamp_received(message, "2001:db8::9", 4711)
        server_key(message)
        parse(build_response(message, 200, "OK", to_tag="x", body=message.body))
        attempt(canonical_aor, message.uri)


def refuse(error: ParseError) -> None:
    if error.head is not None:
        stamp_received(error.head, "192.0.2.9", 4711)
        answer = build_response(error.head, error.status, error.reason, to_tag="x")
        assert answer.count(b"\r\n") == answer.count(b"\n") == answer.count(b"\r")


def read_headers(message: Request | Response) -> None:
    for name, line in message.headers:
        parse_delta_seconds(line)
        for read in READERS:
            attempt(read, line)
        for value in attempt(message.headers.values, name) or []:
            accepts([value], "application/pidf+xml")
            address = attempt(parse_name_addr, value)
            if address is not None:
                assert parse_name_addr(str(address)) == address
                attempt(canonical_aor, address.uri)
                attempt(route_request, address.uri, [value])


def attempt(action: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    try:
        return action(*args, **kwargs)
    except ParseError as error:
        refused = error
    assert refused.reason.isascii()
    assert refused.status in (400, 413, 416, 505)
    return None


def frame(random: Random, data: bytes) -> None:
    framer = StreamFramer(LIMITS)
    start = 0
    try:
        while start < len(data):
            size = random.choice((1, 3, 100, 5000)) if len(data) < 3000 else 1000
            framer.feed(data[start : start + size])
            start += size
    except ParseError as error:
        refuse(error)


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("seed", [4475, SEED])
def test_fuzzed_bytes_raise_nothing_but_parse_errors(seed: int) -> None:
    random = Random(seed)
    print(f"FUZZ_SEED={seed}")
    end = time.perf_counter() + SECONDS / 2
    count = 0

    while time.perf_counter() < end:
        data = mutate(random, random.choice(SEEDS))
        try:
            digest(random, data)
        except Exception:
            print(f"message {count}: {data!r}")
            raise
        count += 1

    print(f"{count} messages")
    assert count > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_is_digested_whole(seed: bytes) -> None:
    digest(Random(1), seed)
