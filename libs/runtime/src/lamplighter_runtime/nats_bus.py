"""The Bus over NATS: frames per subject and loop turn, at most once (design §3 "Frames").

Rule 1: while the connection is away nothing is buffered: old frames would only arrive too late.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionReconnectingError
from nats.errors import Error as NatsError

from lamplighter_proto import FrameCodec, Message
from lamplighter_runtime.bus import Handler, Outgoing, frames
from lamplighter_runtime.metrics import Registry

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)

FRAME_LIMIT = 512 * 1024
"""Bytes; well below nats-server's default maximum payload of 1 MiB."""
DRAIN_SECONDS = 2.0
PENDING_LIMIT = 32 * 1024 * 1024
"""Bytes that may wait for the socket before frames are dropped."""


ROUNDS = 3
"""Flushes until the server surely has what was sent: the client's PING goes before what it holds back, and it may take
the PONG of its connecting, or of the flush before, for that of this one."""


class NatsBus:
    """A Bus over one NATS connection that is rebuilt for ever."""

    def __init__(self, client: Client, metrics: Registry, service: str) -> None:
        self.nc = client
        self._wake = asyncio.Event()
        self._outgoing = Outgoing(self._wake.set)
        self._flusher: asyncio.Task[None] | None = None
        self._subscriptions: dict[str, Subscription] = {}
        self._listeners: list[Callable[[bool], None]] = []
        prefix = f"presence_{service.removeprefix('presence-').replace('-', '_')}_bus"
        self._sent = metrics.counter(f"{prefix}_messages_total", "Messages sent in frames.").labels()
        self._frames = metrics.counter(f"{prefix}_frames_total", "Frames sent.").labels()
        self._lost = metrics.counter(f"{prefix}_lost_total", "Messages not sent (away) or not readable.").labels()

    @classmethod
    async def connect(cls, url: str, *, name: str, service: str, metrics: Registry) -> "NatsBus":
        """Connect, waiting for a server as long as it takes."""
        bus = cls(Client(), metrics, service)

        async def changed() -> None:
            if not bus.connected:
                bus._forget_unsent()
            bus._tell_listeners()

        async def failed(error: Exception) -> None:
            # While the server is away every attempt fails; that it is away has been said.
            if bus.connected:
                logger.warning("bus error", extra={"error": repr(error)})

        await bus.nc.connect(
            servers=url.split(","),
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # fractions work
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=PENDING_LIMIT,
            error_cb=failed,
            disconnected_cb=changed,
            reconnected_cb=changed,
        )
        bus._flusher = asyncio.create_task(bus._flush_for_ever(), name="bus-flusher")
        return bus

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(connected)` whenever the connection comes or goes."""
        self._listeners.append(listener)

    def _tell_listeners(self) -> None:
        logger.info("bus connection changed", extra={"connected": self.connected})
        for listener in self._listeners:
            listener(self.connected)

    @property
    def connected(self) -> bool:
        """Return whether the connection stands."""
        return self.nc.is_connected

    def send(self, subject: str, message: Message) -> None:
        """Queue a message for this loop turn; drop it while the connection is away."""
        if self.nc.is_connected:
            self._outgoing.put(subject, message)
        else:
            self._lost.inc()

    async def _flush_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._flush()

    async def _flush(self) -> None:
        for subject, messages in self._outgoing.take():
            try:
                await self._publish(subject, messages)
                self._sent.inc(len(messages))
            except NatsError as error:
                self._lost.inc(len(messages))
                logger.warning("frame not sent", extra={"subject": subject, "error": repr(error)})
            except Exception:
                # The bug of one message must not end the flusher.
                self._lost.inc(len(messages))
                logger.exception("frame not made", extra={"subject": subject})

    async def _publish(self, subject: str, messages: Sequence[Message]) -> None:
        for frame in frames(messages, FRAME_LIMIT):
            if not self.nc.is_connected:
                raise ConnectionReconnectingError
            await self.nc.publish(subject, frame)
            self._frames.inc()

    def _forget_unsent(self) -> None:
        """Throw away what the client kept for a socket that is gone: it would send it when it is back."""
        if self.nc.pending_data_size:
            logger.warning("frames thrown away", extra={"bytes": self.nc.pending_data_size})
        self.nc._pending.clear()
        self.nc._pending_data_size = 0

    async def subscribe(self, subject: str, codec: FrameCodec[M], handler: Handler[M], queue: str = "") -> None:
        """Call `handler` with the messages of every frame."""

        async def receive(msg: Msg) -> None:
            messages, unreadable = codec.decode(msg.data)
            if unreadable:
                self._lost.inc(unreadable)
                logger.warning("unreadable messages", extra={"subject": subject, "count": unreadable})
            if messages:
                try:
                    handler(messages)
                except Exception:
                    # The bug of one message must not end the subscription.
                    logger.exception("handler failed", extra={"subject": subject})

        self._subscriptions[subject] = await self.nc.subscribe(
            subject, queue=queue, cb=receive, pending_msgs_limit=65536, pending_bytes_limit=256 * 1024 * 1024
        )
        for _ in range(ROUNDS):
            await self.nc.flush()

    async def unsubscribe(self, subject: str) -> None:
        """Hear no more of a subject, but handle what has arrived."""
        subscription = self._subscriptions.pop(subject, None)
        if subscription is None or not self.nc.is_connected:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await subscription.drain()  # type: ignore[no-untyped-call]
        except (NatsError, TimeoutError) as error:
            logger.info("subscription not drained", extra={"subject": subject, "error": repr(error)})

    async def close(self) -> None:
        """Send what is queued and leave."""
        if self._flusher is not None:
            self._flusher.cancel()
        try:
            if self.nc.is_connected:
                await self._flush()
                await self.nc.flush()
            await self.nc.close()
        except (NatsError, RuntimeError, OSError) as error:
            # uvloop refuses to close a transport whose peer is gone.
            logger.info("bus left without a word", extra={"error": repr(error)})
