"""Sockets of a scripted agent: UDP and TCP, each with what went over it."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from sip.framing import KeepAlive, StreamFramer

Address = tuple[str, int]
HOST = "127.0.0.1"
TRACE_LENGTH = 60


class Trace:
    """The last messages of a wire, for the report of a failure."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=TRACE_LENGTH)
        self._loop = asyncio.get_running_loop()

    def note(self, arrow: str, data: bytes) -> None:
        self._lines.append(f"--- {self._loop.time():.3f} {arrow}\n{data.decode('utf-8', 'backslashreplace')}")

    def __str__(self) -> str:
        return "\n".join(self._lines)


class Wire(Protocol):
    """One way to a server, at an address that can be written into Contact."""

    transport: str
    server: Address
    local: Address
    trace: Trace
    on_message: Callable[[bytes], None]

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...


def ignore(data: bytes) -> None:
    """Take a message before anybody listens."""


def local_host(server: Address) -> str:
    """Return the address of ours that the server can answer to: the one that routes there go out by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(server)
        host: str = probe.getsockname()[0]
        return host


class UdpWire(asyncio.DatagramProtocol):
    """A UDP socket; `server` is where requests go, answers go there too."""

    transport = "UDP"

    def __init__(self, server: Address) -> None:
        self.server = server
        self.local: Address = (HOST, 0)
        self.trace = Trace()
        self.on_message: Callable[[bytes], None] = ignore
        self._socket: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, server: Address) -> "UdpWire":
        loop = asyncio.get_running_loop()
        local = (local_host(server), 0)
        _, wire = await loop.create_datagram_endpoint(lambda: cls(server), local_addr=local)
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.DatagramTransport, transport)
        self.local = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.trace.note("<", data)
        self.on_message(data)

    def send(self, data: bytes) -> None:
        if self._socket is not None and not self._socket.is_closing():
            self.trace.note(">", data)
            self._socket.sendto(data, self.server)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class _Stream(asyncio.Protocol):
    """One TCP connection of a TcpWire, ours or the server's."""

    def __init__(self, wire: "TcpWire") -> None:
        self._wire = wire
        self._framer = StreamFramer()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._wire.streams.add(self)

    def data_received(self, data: bytes) -> None:
        for message in self._framer.feed(data):
            if isinstance(message, KeepAlive):
                self._wire.keep_alives.append(message)
                continue
            self._wire.trace.note("<", message)
            self._wire.answer_by = self
            self._wire.on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.streams.discard(self)
        self._wire.lost(self)


class TcpWire:
    """A connection to the server, made again when it is lost, and a port that takes connections from it."""

    transport = "TCP"

    def __init__(self, server: Address) -> None:
        self.server = server
        self.local: Address = (HOST, 0)
        self.trace = Trace()
        self.on_message: Callable[[bytes], None] = ignore
        self.streams: set[_Stream] = set()
        self.keep_alives: list[KeepAlive] = []
        self.answer_by: _Stream | None = None
        self._client: _Stream | None = None
        self._unsent: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._listener: asyncio.Server | None = None

    @classmethod
    async def open(cls, server: Address) -> "TcpWire":
        wire = cls(server)
        loop = asyncio.get_running_loop()
        wire._listener = await loop.create_server(lambda: _Stream(wire), local_host(server), 0)
        wire.local = wire._listener.sockets[0].getsockname()[:2]
        await wire._connect()
        return wire

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self._client = await loop.create_connection(lambda: _Stream(self), *self.server)
        except OSError:
            self._client = None
            self._unsent.clear()
            return
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self._write(self._client, data)

    def send(self, data: bytes) -> None:
        """Send a request, or an answer on the connection that brought the request."""
        self.trace.note(">", data)
        stream = self.answer_by if data.startswith(b"SIP/") else self._client
        if stream in self.streams:
            self._write(stream, data)
            return
        self._unsent.append(data)
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _write(self, stream: _Stream | None, data: bytes) -> None:
        if stream is not None and stream.transport is not None:
            stream.transport.write(data)

    def lost(self, stream: _Stream) -> None:
        """Forget a connection that has ended."""
        if stream is self._client:
            self._client = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    def drop(self) -> None:
        """Cut our connection off, as a client does that loses its network."""
        if self._client is not None and self._client.transport is not None:
            self._client.transport.abort()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._connecting is not None:
            self._connecting.cancel()
        for stream in list(self.streams):
            if stream.transport is not None:
                stream.transport.close()


async def open_wire(transport: str, server: Address) -> UdpWire | TcpWire:
    """Return a new wire of "udp" or "tcp" to the server."""
    return await (TcpWire.open(server) if transport == "tcp" else UdpWire.open(server))
