"""The Bus over NATS: frames per subject and two turns of the loop, at most once (design §3 "Frames").

Rule 1: while the connection is away nothing is buffered: old frames would only arrive too late.
Rule 2: frames have a connection of their own, a `Link`; nats-py's serves the directory and whatever is rare (ADR 0012).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError

from lamplighter_proto import FrameCodec, Message
from lamplighter_runtime.bus import Handler, Outgoing, frames
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_link import Link, NotSent

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)

FRAME_LIMIT = 512 * 1024
"""Bytes; well below nats-server's default maximum payload of 1 MiB."""
LEAVE_SECONDS = 2.0
"""How long leaving waits for the server to take what was sent."""


class NatsBus:
    """A Bus over one NATS connection that is rebuilt for ever."""

    def __init__(self, url: str, name: str, metrics: Registry, service: str) -> None:
        self.nc = Client()
        self.link = Link(url, name, self._changed)
        self._url, self._name = url, name
        self._outgoing = Outgoing(self._flush_late)
        self._subscriptions: dict[str, int] = {}
        self._listeners: list[Callable[[bool], None]] = []
        prefix = f"presence_{service.removeprefix('presence-').replace('-', '_')}_bus"
        self._sent = metrics.counter(f"{prefix}_messages_total", "Messages sent in frames.").labels()
        self._frames = metrics.counter(f"{prefix}_frames_total", "Frames sent.").labels()
        self._lost = metrics.counter(f"{prefix}_lost_total", "Messages not sent (away) or not readable.").labels()

    @classmethod
    async def connect(cls, url: str, *, name: str, service: str, metrics: Registry) -> "NatsBus":
        """Connect, waiting for a server as long as it takes."""
        bus = cls(url, name, metrics, service)
        try:
            await bus.link.open()
            await bus._connect_client()
        except BaseException:
            await bus.link.close()
            raise
        return bus

    async def _connect_client(self) -> None:
        async def failed(error: Exception) -> None:
            # While the server is away every attempt fails; that it is away has been said.
            if self.nc.is_connected:
                logger.warning("directory connection", extra={"error": repr(error)})

        await self.nc.connect(
            servers=self._url.split(","),
            name=self._name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # fractions work
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=failed,
        )

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(connected)` whenever the connection comes or goes."""
        self._listeners.append(listener)

    def _changed(self, connected: bool) -> None:
        logger.info("bus connection changed", extra={"connected": connected})
        for listener in self._listeners:
            listener(connected)

    @property
    def connected(self) -> bool:
        """Return whether the connection stands."""
        return self.link.connected

    def send(self, subject: str, message: Message) -> None:
        """Queue a message for the next frame; drop it while the connection is away."""
        if self.link.connected:
            self._outgoing.put(subject, message)
        else:
            self._lost.inc()

    def _flush_late(self) -> None:
        """Flush when the loop has looked at its sockets once more: what has come meanwhile goes along."""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._flush)

    def _flush(self) -> None:
        for subject, messages in self._outgoing.take():
            try:
                self._publish(subject, messages)
                self._sent.inc(len(messages))
            except NotSent as error:
                self._lost.inc(len(messages))
                logger.warning("frame not sent", extra={"subject": subject, "error": str(error)})
            except Exception:
                # The bug of one message must not lose those to others.
                self._lost.inc(len(messages))
                logger.exception("frame not made", extra={"subject": subject})

    def _publish(self, subject: str, messages: Sequence[Message]) -> None:
        for frame in frames(messages, FRAME_LIMIT):
            self.link.publish(subject, frame)
            self._frames.inc()

    async def subscribe(self, subject: str, codec: FrameCodec[M], handler: Handler[M], queue: str = "") -> None:
        """Call `handler` with the messages of every frame; returns when the server knows."""

        def receive(frame: bytes) -> None:
            messages, unreadable = codec.decode(frame)
            if unreadable:
                self._lost.inc(unreadable)
                logger.warning("unreadable messages", extra={"subject": subject, "count": unreadable})
            if messages:
                try:
                    handler(messages)
                except Exception:
                    # The bug of one message must not end the connection.
                    logger.exception("handler failed", extra={"subject": subject})

        self._subscriptions[subject] = self.link.subscribe(subject, queue, receive)
        await self.link.flush()

    async def unsubscribe(self, subject: str) -> None:
        """Hear no more of a subject, but handle what has arrived."""
        number = self._subscriptions.pop(subject, None)
        if number is None:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.link.unsubscribe(number)
        except TimeoutError:
            logger.info("subscription not drained", extra={"subject": subject})

    async def flush(self) -> None:
        """Wait until the server has what was sent, and what it had for us has been handled."""
        self._flush()
        await self.link.flush()

    async def close(self) -> None:
        """Send what is queued and leave."""
        self._flush()
        if self.link.connected:
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self.link.flush()
            except TimeoutError:
                logger.info("bus left without a word")
        await self.link.close()
        try:
            await self.nc.close()
        except (NatsError, RuntimeError, OSError) as error:
            # uvloop refuses to close a transport whose peer is gone.
            logger.info("directory left without a word", extra={"error": repr(error)})
