"""The client's side of the NATS protocol as a bus needs it, without I/O: INFO, CONNECT, PING, SUB, PUB and MSG.

Rule 1: headers and replies are not asked for, so that a message is a subscription's number and its payload.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

CRLF = b"\r\n"
PING = b"PING\r\n"
PONG = b"PONG\r\n"
DEFAULT_PORT = 4222
DEFAULT_PAYLOAD = 1024 * 1024
"""Bytes that a server takes where it does not say."""
MAX_LINE = 64 * 1024
"""Bytes of a control line; INFO of a large cluster is the longest."""


class NatsProtocolError(Exception):
    """What came is not the NATS protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a NATS server is, and who we are to it."""

    host: str
    port: int = DEFAULT_PORT
    tls: bool = False
    user: str = ""
    """A token where there is no password."""
    password: str | None = None

    def beside(self, address: str) -> "Server":
        """Return another server of the cluster at `host:port`, with the same credentials."""
        found = read_server(address)
        return replace(self, host=found.host, port=found.port)


def read_servers(text: str) -> tuple[Server, ...]:
    """Return the servers of a list of URLs with commas between; ValueError for what is no address."""
    return tuple(read_server(url.strip()) for url in text.split(",") if url.strip())


def read_server(url: str) -> Server:
    """Return the server of `[nats|tls]://[user[:password]@]host[:port]` or `host[:port]`."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    if parts.scheme not in ("nats", "tls") or not parts.hostname:
        raise ValueError(f"no address of a NATS server: {parts.hostname or parts.scheme!r}")
    return Server(
        host=parts.hostname,
        port=parts.port or DEFAULT_PORT,
        tls=parts.scheme == "tls",
        user=unquote(parts.username or ""),
        password=None if parts.password is None else unquote(parts.password),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a server says of itself, as far as it matters here."""

    max_payload: int = DEFAULT_PAYLOAD
    """Bytes."""
    tls_required: bool = False
    others: tuple[str, ...] = ()
    """`host:port` of the cluster's servers."""


def read_info(text: bytes) -> Info:
    """Return what an INFO line says; NatsProtocolError when it cannot be read."""
    try:
        told = json.loads(text)
        return Info(
            max_payload=int(told.get("max_payload", DEFAULT_PAYLOAD)),
            tls_required=bool(told.get("tls_required", False)),
            others=tuple(str(one) for one in told.get("connect_urls") or ()),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise NatsProtocolError("an INFO that cannot be read") from error


def connect(server: Server, name: str) -> bytes:
    """Return the CONNECT line by which we introduce ourselves."""
    told: dict[str, object] = {
        "verbose": False,
        "pedantic": False,
        "headers": False,
        "no_responders": False,
        "protocol": 1,
        "lang": "python",
        "version": "1",
        "name": name,
        "tls_required": server.tls,
    }
    if server.password is not None:
        told |= {"user": server.user, "pass": server.password}
    elif server.user:
        told["auth_token"] = server.user
    return b"CONNECT " + json.dumps(told).encode() + CRLF


def publish(subject: str, payload: bytes) -> bytes:
    """Return the bytes that publish a payload."""
    return b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)


def subscribe(subject: str, queue: str, number: int) -> bytes:
    """Return the line that subscribes; `number` names the subscription from then on."""
    return f"SUB {subject} {queue} {number}\r\n".encode() if queue else f"SUB {subject} {number}\r\n".encode()


def unsubscribe(number: int) -> bytes:
    """Return the line that ends a subscription."""
    return b"UNSUB %d\r\n" % number


class Reader:
    """Takes bytes as they come and calls back with each message and each other line."""

    def __init__(self, on_message: Callable[[int, bytes], None], on_line: Callable[[bytes], None]) -> None:
        self._on_message, self._on_line = on_message, on_line
        self._rest = b""
        self._wanted = 0
        """Bytes that are needed before anything can be done."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes; NatsProtocolError when they are none of a NATS server's."""
        data = self._rest + data if self._rest else data
        at = self._read(data) if len(data) >= self._wanted else 0
        self._rest = data[at:] if at else data

    def _read(self, data: bytes) -> int:
        """Handle what is complete and return where the rest begins."""
        at, self._wanted = 0, 0
        while (end := data.find(CRLF, at)) >= 0:
            if data[at : at + 4] != b"MSG ":
                self._on_line(data[at:end])
                at = end + 2
                continue
            number, size = _message_line(data[at:end])
            begin = end + 2
            if begin + size + 2 > len(data):
                self._wanted = begin + size + 2 - at
                return at
            self._on_message(number, data[begin : begin + size])
            at = begin + size + 2
        if len(data) - at > MAX_LINE:
            raise NatsProtocolError("a line without an end")
        return at


def _message_line(line: bytes) -> tuple[int, int]:
    """Return the subscription and the size of `MSG <subject> <sid> [reply] <size>`."""
    words = line.split()
    try:
        return int(words[2]), int(words[-1])
    except (ValueError, IndexError):
        raise NatsProtocolError("a MSG that cannot be read") from None
