"""The socket of a SIP client: UDP or TCP, connected to one server (RFC 3261 §18.1)."""

import asyncio
import os
from collections.abc import Callable
from typing import Protocol, cast

from lamplighter_cli.address import Address
from lamplighter_cli.errors import Unreachable
from sip.errors import ParseError
from sip.framing import KeepAlive, StreamFramer

OnMessage = Callable[[bytes], None]
OnTrouble = Callable[[str], None]
"""Called with the reason when the server cannot be reached, or a connection has ended."""

CONNECT_SECONDS = 5.0


class Wire(Protocol):
    """A way to the server."""

    transport: str
    """UDP or TCP, as Via says it."""
    local: Address

    def send(self, packet: bytes) -> None:
        """Send a message."""

    def close(self) -> None:
        """Close the socket."""


class UdpWire(asyncio.DatagramProtocol):
    """A connected datagram socket: only the server's datagrams arrive, and its absence is noticed."""

    transport = "UDP"

    def __init__(self, on_message: OnMessage, on_trouble: OnTrouble) -> None:
        self.local = Address("0.0.0.0", 0)
        self._on_message = on_message
        self._on_trouble = on_trouble
        self._socket: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._socket = cast(asyncio.DatagramTransport, transport)
        self.local = Address(*transport.get_extra_info("sockname")[:2])

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take a datagram; blank ones are keep-alives."""
        if data.strip(b"\r\n\0 "):
            self._on_message(data)

    def error_received(self, exc: Exception) -> None:
        """Take an ICMP error."""
        self._on_trouble(_reason(exc))

    def send(self, packet: bytes) -> None:
        """Send a datagram."""
        if self._socket and not self._socket.is_closing():
            self._socket.sendto(packet)

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()


class TcpWire(asyncio.Protocol):
    """A connection."""

    transport = "TCP"

    def __init__(self, on_message: OnMessage, on_trouble: OnTrouble) -> None:
        self.local = Address("0.0.0.0", 0)
        self._on_message = on_message
        self._on_trouble = on_trouble
        self._socket: asyncio.Transport | None = None
        self._framer = StreamFramer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._socket = cast(asyncio.Transport, transport)
        self.local = Address(*transport.get_extra_info("sockname")[:2])

    def data_received(self, data: bytes) -> None:
        """Take bytes; answer pings (RFC 5626 §4.4.1)."""
        try:
            for message in self._framer.feed(data):
                if message is KeepAlive.PING:
                    self.send(b"\r\n")
                elif isinstance(message, bytes):
                    self._on_message(message)
        except ParseError as error:
            self.close()
            self._on_trouble(f"the server's stream cannot be read: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the connection has ended."""
        self._on_trouble(_reason(exc) if exc else "the server has closed the connection")

    def send(self, packet: bytes) -> None:
        """Send bytes."""
        if self._socket and not self._socket.is_closing():
            self._socket.write(packet)

    def close(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()


async def connect(server: Address, *, tcp: bool, on_message: OnMessage, on_trouble: OnTrouble) -> Wire:
    """Return a wire to the server; Unreachable when there is no way."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if tcp:
                _, stream = await loop.create_connection(lambda: TcpWire(on_message, on_trouble), *server)
                return stream
            _, datagrams = await loop.create_datagram_endpoint(
                lambda: UdpWire(on_message, on_trouble), remote_addr=server
            )
            return datagrams
    except TimeoutError:
        raise Unreachable(f"{server}: no connection after {CONNECT_SECONDS:.0f} s") from None
    except OSError as error:
        raise Unreachable(f"{server}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    # What asyncio writes for a failed connection names the address and not the reason.
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else str(error)
