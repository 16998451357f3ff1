"""The client's side of the NATS protocol, byte by byte."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter_runtime import nats_protocol as protocol
from lamplighter_runtime.nats_protocol import NatsProtocolError, Reader, Server

STREAM = (
    b'INFO {"max_payload":1048576}\r\nMSG notes 1 5\r\nhello\r\nPING\r\n'
    b"MSG notes 22 answers.here 0\r\n\r\nMSG notes 3 11\r\nMSG a 1 1\r\n\r\nPONG\r\n"
)
HEARD = [
    b'INFO {"max_payload":1048576}',
    (1, b"hello"),
    b"PING",
    (22, b""),
    (3, b"MSG a 1 1\r\n"),
    b"PONG",
]


class Ear:
    """What a reader has called back with."""

    def __init__(self) -> None:
        self.heard: list[bytes | tuple[int, bytes]] = []
        self.reader = Reader(lambda number, payload: self.heard.append((number, payload)), self.heard.append)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_stream_in_whatever_pieces_is_read_as_one(cuts: list[int]) -> None:
    ear = Ear()
    places = [0, *sorted(cuts), len(STREAM)]

    for begin, end in pairwise(places):
        ear.reader.feed(STREAM[begin:end])

    assert ear.heard == HEARD


def test_big_payload_is_put_together_once() -> None:
    ear, payload = Ear(), b"x" * 500_000
    stream = b"MSG notes 7 %d\r\n%b\r\n" % (len(payload), payload)

    for begin in range(0, len(stream), 65_536):
        ear.reader.feed(stream[begin : begin + 65_536])

    assert ear.heard == [(7, payload)]


@pytest.mark.parametrize("data", [b"MSG notes\r\n", b"MSG notes one 5\r\nhello\r\n", b"x" * 70_000])
def test_bytes_of_something_else_are_refused(data: bytes) -> None:
    with pytest.raises(NatsProtocolError):
        Ear().reader.feed(data)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"max_payload":"much"}', b'{"connect_urls":7}'])
def test_info_that_cannot_be_read_is_refused(text: bytes) -> None:
    with pytest.raises(NatsProtocolError):
        protocol.read_info(text)


def test_info_tells_of_the_cluster() -> None:
    info = protocol.read_info(b'{"max_payload":10,"tls_required":true,"connect_urls":["192.0.2.1:4222","[::1]:4223"]}')

    assert (info.max_payload, info.tls_required, info.others) == (10, True, ("192.0.2.1:4222", "[::1]:4223"))


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("nats://127.0.0.1:4222", Server(host="127.0.0.1")),
        ("nats.example:5222", Server(host="nats.example", port=5222)),
        ("tls://nats.example", Server(host="nats.example", tls=True)),
        ("nats://[2001:db8::1]:4222", Server(host="2001:db8::1")),
        ("nats://lamp:s%40cret@nats.example", Server(host="nats.example", user="lamp", password="s@cret")),
        ("nats://token@nats.example", Server(host="nats.example", user="token")),
    ],
)
def test_server_is_read_from_its_url(url: str, server: Server) -> None:
    assert protocol.read_server(url) == server


@pytest.mark.parametrize("url", ["http://nats.example", "nats://", "nats://host:port"])
def test_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"NATS|port"):
        protocol.read_server(url)


def test_servers_of_a_cluster_share_credentials() -> None:
    first, second = protocol.read_servers("nats://a:b@one, nats://two:4333")

    assert (first.host, second.host, second.port) == ("one", "two", 4333)
    assert first.beside("192.0.2.1:4444") == Server(host="192.0.2.1", port=4444, user="a", password="b")


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (Server(host="h"), {}),
        (Server(host="h", user="token"), {"auth_token": "token"}),
        (Server(host="h", user="lamp", password="secret"), {"user": "lamp", "pass": "secret"}),
    ],
)
def test_connect_tells_who_we_are(server: Server, told: dict[str, str]) -> None:
    line = protocol.connect(server, "core-1")

    said = json.loads(line.removeprefix(b"CONNECT "))
    assert line.endswith(b"\r\n")
    assert {key: said[key] for key in ("auth_token", "user", "pass") if key in said} == told
    assert (said["name"], said["headers"], said["verbose"]) == ("core-1", False, False)


def test_lines_are_those_of_the_protocol() -> None:
    assert protocol.publish("notes", b"a\r\n") == b"PUB notes 3\r\na\r\n\r\n"
    assert protocol.subscribe("notes", "", 1) == b"SUB notes 1\r\n"
    assert protocol.subscribe("notes", "workers", 2) == b"SUB notes workers 2\r\n"
    assert protocol.unsubscribe(2) == b"UNSUB 2\r\n"
