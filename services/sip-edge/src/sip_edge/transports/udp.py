"""SIP over UDP (RFC 3261 §18, RFC 3581): one datagram is one message; answers leave from the socket that was asked."""

import asyncio
import logging
import socket
from typing import cast

from lamplighter_proto import Flow
from sip_edge.addresses import Address, Peer, write_address
from sip_edge.flows import Receiver
from sip_edge.metrics import Counts
from sip_edge.places import Place

logger = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes asked of the kernel; it may grant less."""
MAX_PAYLOAD = 65_507
MAX_UNSENT = 4 * 1024 * 1024
"""Bytes that may wait for the socket; clients and notifiers retransmit what is dropped."""


class UdpChannel(asyncio.DatagramProtocol):
    """One UDP socket."""

    reliable = False

    def __init__(self, edge: str, place: Place, receiver: Receiver, counts: Counts) -> None:
        self.contact = place.udp_contact
        self.local = place.local
        self._edge = edge
        self._receive = receiver.receive
        self._counts = counts
        self._transport: asyncio.DatagramTransport | None = None
        self._stuck = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNSENT)  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        """Take a message; shorter ones are keep-alives (RFC 5626 §4.4, also single zero bytes in the field)."""
        if len(data) > 16:
            self._receive(data, self, addr)
        elif data.strip(b"\r\n\0 "):
            self._counts.drops["short"] += 1

    def pause_writing(self) -> None:
        """Drop from now on: the socket does not keep up."""
        self._stuck = True

    def resume_writing(self) -> None:
        """Send again."""
        self._stuck = False

    def error_received(self, exc: Exception) -> None:
        """Count what the kernel reports, an unreachable peer as a rule."""
        self._counts.drops["socket"] += 1

    def send(self, packet: bytes, peer: Peer) -> bool:
        """Send a datagram; False when it cannot leave."""
        if self._transport is None or self._stuck or len(packet) > MAX_PAYLOAD:
            self._counts.drops["unsendable"] += 1
            return False
        try:
            self._transport.sendto(packet, peer)
        except (ValueError, OSError):
            # The address is not of this socket's family or not an address at all.
            self._counts.drops["unsendable"] += 1
            return False
        return True

    def flow(self, peer: Peer) -> Flow:
        """Return the flow to a peer; any process on our address can serve it."""
        return Flow(edge=self._edge, transport="UDP", local=self.local, remote=write_address(peer))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def bind_udp(address: Address) -> socket.socket:
    """Return a bound UDP socket with a large receive buffer; OSError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
