"""One connection to NATS for what is sent and heard thousands of times a second (ADR 0012).

Rule 1: it is made anew for ever, with its subscriptions; while it is away nothing is buffered.
Rule 2: callbacks are synchronous and run as bytes arrive: no queue and no task lies between.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from lamplighter_runtime import nats_protocol as protocol
from lamplighter_runtime.nats_protocol import Info, NatsProtocolError, Reader, Server

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
RECONNECT_SECONDS = 0.25
PING_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""Without an answer to PING for so long a connection counts as dead."""
MAX_UNSENT = 32 * 1024 * 1024
"""Bytes that may wait for the socket before more is refused."""


class NotSent(Exception):
    """Why something was not sent."""


@dataclass(frozen=True, slots=True)
class _Subscription:
    subject: str
    queue: str
    take: Callable[[bytes], None]


class _Socket(asyncio.Protocol):
    """One connection from its beginning to its end."""

    def __init__(self, link: "Link") -> None:
        self.transport: asyncio.Transport | None = None
        self.info: asyncio.Future[Info | None] = asyncio.get_running_loop().create_future()
        """None when the connection ended first."""
        self.closed = asyncio.Event()
        self._pongs: deque[asyncio.Future[bool]] = deque()
        self._link = link
        self._reader = Reader(link.take, self._on_line)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's is no subclass of it.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what arrived; what is no NATS ends the connection."""
        try:
            self._reader.feed(data)
        except NatsProtocolError as error:
            logger.warning("bus error", extra={"error": str(error)})
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for this connection."""
        self.closed.set()
        if not self.info.done():
            self.info.set_result(None)
        while self._pongs:
            self._answer(False)
        self._link.lost(self)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.transport is not None:
            self.transport.write(data)

    def unsent(self) -> int:
        """Return how many bytes wait for the socket."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def abort(self) -> None:
        """End the connection without sending what waits."""
        if self.transport is not None:
            self.transport.abort()

    async def ping(self) -> bool:
        """Return True when the server has taken all that was sent, False when the connection ends first."""
        if self.closed.is_set():
            return False
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pongs.append(answered)
        self.write(protocol.PING)
        return await answered

    def _answer(self, answer: bool) -> None:
        # Whoever has given up waiting has cancelled it.
        if self._pongs and not (first := self._pongs.popleft()).done():
            first.set_result(answer)

    def _on_line(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        if word == b"PING":
            self.write(protocol.PONG)
        elif word == b"PONG":
            self._answer(True)
        elif word == b"INFO":
            self._on_info(protocol.read_info(rest))
        elif word == b"-ERR":
            logger.warning("bus error", extra={"error": rest.decode(errors="replace")})
        elif word != b"+OK":
            raise NatsProtocolError(f"a line that begins with {word[:16]!r}")

    def _on_info(self, info: Info) -> None:
        self._link.informed(info)
        if not self.info.done():
            self.info.set_result(info)


class Link:
    """A connection that is rebuilt for ever; `on_change(connected)` is told of every change after the first."""

    def __init__(self, url: str, name: str, on_change: Callable[[bool], None]) -> None:
        self.connected = False
        self._name, self._on_change = name, on_change
        self.servers = list(protocol.read_servers(url))
        """Those that were named and those that the cluster told of; the first is tried next."""
        self._max_payload = protocol.DEFAULT_PAYLOAD
        self._socket: _Socket | None = None
        self._subscriptions: dict[int, _Subscription] = {}
        self._last = 0
        self._told = 0
        """The last subscription that the present connection's server was told of."""
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, waiting for a server as long as it takes."""
        self._task = asyncio.create_task(self._keep_connected(), name="bus-link")
        await self._up.wait()

    @property
    def unsent(self) -> int:
        """Return how many bytes wait for the socket."""
        return self._socket.unsent() if self._socket is not None else 0

    # --- messages

    def publish(self, subject: str, payload: bytes) -> None:
        """Send a payload to a subject; NotSent says why not."""
        socket = self._socket
        if not self.connected or socket is None:
            raise NotSent("not connected")
        if len(payload) > self._max_payload:
            raise NotSent(f"{len(payload)} bytes, more than the server takes")
        if socket.unsent() > MAX_UNSENT:
            raise NotSent("too much waits for the socket")
        socket.write(protocol.publish(subject, payload))

    def subscribe(self, subject: str, queue: str, take: Callable[[bytes], None]) -> int:
        """Call `take` with every payload of a subject; return the number that names the subscription."""
        self._last += 1
        self._subscriptions[self._last] = _Subscription(subject, queue, take)
        if self._socket is not None and self.connected:
            self._tell_subscriptions(self._socket)
        return self._last

    def _tell_subscriptions(self, socket: _Socket) -> None:
        for number, one in self._subscriptions.items():
            if number > self._told:
                socket.write(protocol.subscribe(one.subject, one.queue, number))
        self._told = self._last

    async def unsubscribe(self, number: int) -> None:
        """Hear no more of a subscription, but take what has been sent to it."""
        if self.connected and self._socket is not None:
            self._socket.write(protocol.unsubscribe(number))
            await self.flush()
        self._subscriptions.pop(number, None)

    async def flush(self) -> None:
        """Wait until a server has taken all that was sent, subscriptions included, on whatever connection."""
        while True:
            await self._up.wait()
            if self._socket is not None and await self._socket.ping():
                return

    def take(self, number: int, payload: bytes) -> None:
        """Hand a message to its subscription."""
        subscription = self._subscriptions.get(number)
        if subscription is not None:
            subscription.take(payload)

    # --- the connection

    def reconnect(self) -> None:
        """Leave the present connection for a new one."""
        if self._socket is not None:
            self._socket.abort()

    async def close(self) -> None:
        """Leave; what was sent goes out if it can at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        socket, self._socket, self.connected = self._socket, None, False
        self._up.clear()
        if socket is not None and socket.transport is not None:
            socket.transport.close()

    def informed(self, info: Info) -> None:
        """Take what a server said of itself and of its cluster."""
        self._max_payload = info.max_payload
        known = {(server.host, server.port) for server in self.servers}
        for address in info.others:
            server = self.servers[0].beside(address)
            if (server.host, server.port) not in known:
                self.servers.append(server)

    def lost(self, socket: _Socket) -> None:
        """Take word that a connection is gone."""
        if socket is self._socket:
            was, self.connected, self._socket = self.connected, False, None
            self._up.clear()
            if was:
                self._on_change(False)

    async def _keep_connected(self) -> None:
        first = True
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    socket = await self._connect(self.servers[0])
            except (OSError, TimeoutError, NatsProtocolError) as error:
                logger.debug("bus not connected", extra={"error": repr(error)})
                self.reconnect()
                self.servers.append(self.servers.pop(0))
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            self.connected = True
            # Also of those that were made while it was being connected.
            self._tell_subscriptions(socket)
            self._up.set()
            if not first:
                self._on_change(True)
            first = False
            await self._watch(socket)

    async def _connect(self, server: Server) -> _Socket:
        """Connect, introduce ourselves and subscribe; the server has answered then."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: _Socket(self), server.host, server.port)
        self._socket = socket
        info = await socket.info
        if info is None:
            raise ConnectionError("ended before it began")
        if server.tls or info.tls_required:
            await _start_tls(socket, server)
        socket.write(protocol.connect(server, self._name))
        self._told = 0
        self._tell_subscriptions(socket)
        if not await socket.ping():
            raise ConnectionError("refused")
        return socket

    async def _watch(self, socket: _Socket) -> None:
        """Ping until the connection ends, and end it when nobody answers."""
        while not socket.closed.is_set():
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await socket.ping()
            except TimeoutError:
                logger.warning("bus error", extra={"error": "no answer to PING"})
                socket.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await socket.closed.wait()


async def _start_tls(socket: _Socket, server: Server) -> None:
    assert socket.transport is not None
    context = ssl.create_default_context()
    loop = asyncio.get_running_loop()
    transport = await loop.start_tls(socket.transport, socket, context, server_hostname=server.host)
    if transport is None:
        raise OSError("TLS did not begin")
    socket.transport = transport
