"""SIP over TCP (RFC 3261 §18.3, RFC 5626 §3.5.1): whole messages out of streams, answers on the same connection.

Rule 1: a peer that does not read is cut off as soon as it leaves more than `max_unsent_bytes` unread.
Rule 2: connection numbers are never used twice, also not by the next process of this name: a NOTIFY must not
reach whoever has the number of a connection that is gone.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import cast

from lamplighter_proto import Flow
from sip.errors import ParseError
from sip.framing import KeepAlive, StreamFramer
from sip.message import Limits
from sip_edge.addresses import Address, Peer, write_address
from sip_edge.flows import Receiver
from sip_edge.metrics import Counts
from sip_edge.places import Place
from sip_edge.sources import Sources

PONG = b"\r\n"
BACKLOG = 1024
CLOSING_SECONDS = 0.02


class Connections:
    """Every TCP connection of this process by number, with the limits they share."""

    def __init__(
        self,
        *,
        edge: str,
        receiver: Receiver,
        counts: Counts,
        limits: Limits,
        first_number: int,
        clock: Callable[[], float],
        max_connections: int,
        max_per_source: int,
        sources: Sources,
        max_unsent_bytes: int,
        idle_seconds: float,
        partial_seconds: float,
    ) -> None:
        self.edge = edge
        self.receiver = receiver
        self.counts = counts
        self.limits = limits
        self.clock = clock
        self.max_unsent_bytes = max_unsent_bytes
        self._idle = idle_seconds
        self._partial = partial_seconds
        self._max = max_connections
        self._max_per_source = max_per_source
        self._sources = sources
        self._of_source: Counter[bytes] = Counter()
        self._next = first_number
        self._table: dict[int, Connection] = {}

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator["Connection"]:
        return iter(list(self._table.values()))

    @property
    def full(self) -> bool:
        """Return whether no other connection may be opened."""
        return len(self._table) >= self._max

    def add(self, connection: "Connection", host: str) -> int | None:
        """Take a new connection to a host and return its number; None when there are too many."""
        source = self._sources.key(host)
        if self.full or (source is not None and self._of_source[source] >= self._max_per_source):
            return None
        if source is not None:
            self._of_source[source] += 1
        self._next += 1
        self._table[self._next] = connection
        return self._next

    def remove(self, number: int) -> None:
        """Forget a connection."""
        connection = self._table.pop(number, None)
        source = None if connection is None else self._sources.key(connection.host)
        if source is None:
            return
        self._of_source[source] -= 1
        if not self._of_source[source]:
            del self._of_source[source]

    def find(self, flow: Flow) -> "Connection | None":
        """Return the connection of a flow if it is still the one to that peer."""
        connection = self._table.get(flow.connection)
        return connection if connection is not None and connection.remote == flow.remote else None

    def sweep(self, now: float) -> None:
        """Close what has been silent too long or leaves a message unfinished."""
        for connection in self:
            if now - connection.heard > self._idle:
                connection.cut("idle")
            elif connection.partial_since is not None and now - connection.partial_since > self._partial:
                connection.cut("partial")

    async def close(self, seconds: float) -> None:
        """Close every connection after what is already written, or after some seconds."""
        closing = list(self)
        for connection in closing:
            connection.close()
        for _ in range(int(seconds / CLOSING_SECONDS)):
            if not any(connection.is_open for connection in closing):
                break
            await asyncio.sleep(CLOSING_SECONDS)
        for connection in closing:
            connection.cut("")


class Connection(asyncio.Protocol):
    """One TCP connection, accepted or opened by us."""

    reliable = True

    def __init__(self, table: Connections, place: Place, on_lost: "Callable[[Connection], None] | None" = None) -> None:
        self.contact = place.tcp_contact
        self.local = place.local
        self.remote = ""
        self.number = 0
        self.heard = table.clock()
        self.partial_since: float | None = None
        self._table = table
        self._on_lost = on_lost
        self._framer = StreamFramer(table.limits)
        self._transport: asyncio.Transport | None = None
        self._peer: Peer = ("", 0)

    @property
    def is_open(self) -> bool:
        """Return whether the socket is still there."""
        return self._transport is not None

    @property
    def host(self) -> str:
        """Return the address of the peer."""
        return self._peer[0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, unless there are too many."""
        stream = cast(asyncio.Transport, transport)
        peer: Peer | None = stream.get_extra_info("peername")
        number = self._table.add(self, peer[0]) if peer else None
        if number is None or not peer:
            self._table.counts.closed["too-many" if peer else "vanished"] += 1
            stream.abort()
            return
        stream.set_write_buffer_limits(high=self._table.max_unsent_bytes)
        self._transport, self.number, self._peer = stream, number, peer
        self.remote = write_address(peer)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the stream."""
        self.heard = self._table.clock()
        try:
            items = self._framer.feed(data)
        except ParseError as error:
            self._table.receiver.unreadable(error, self, self._peer)
            self.close("unreadable")
            return
        for item in items:
            self._take(item)
        if not self._framer.pending:
            self.partial_since = None
        elif items or self.partial_since is None:
            self.partial_since = self.heard

    def _take(self, item: bytes | KeepAlive) -> None:
        if isinstance(item, bytes):
            self._table.receiver.receive(item, self, self._peer)
        elif item is KeepAlive.PING:
            self.send(PONG)

    def pause_writing(self) -> None:
        """Cut off a peer that does not read."""
        self.cut("slow-reader")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._transport = None
        self._table.remove(self.number)
        if self._on_lost is not None:
            self._on_lost(self)

    def send(self, packet: bytes, peer: Peer | None = None) -> bool:
        """Write a message; False when the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            self._table.counts.drops["connection-gone"] += 1
            return False
        self._transport.write(packet)
        return True

    def flow(self, peer: Peer) -> Flow:
        """Return the flow that this connection is."""
        return Flow(
            edge=self._table.edge, transport="TCP", local=self.local, remote=self.remote, connection=self.number
        )

    def close(self, reason: str = "") -> None:
        """Close after what is already written."""
        self._end(reason)
        if self._transport is not None:
            self._transport.close()

    def cut(self, reason: str) -> None:
        """Close at once; what is unsent is lost."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reason: str) -> None:
        if reason:
            self._table.counts.closed[reason] += 1
        self._table.remove(self.number)


def bind_tcp(address: Address) -> socket.socket:
    """Return a listening TCP socket; OSError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.create_server(address, family=family, backlog=BACKLOG)
