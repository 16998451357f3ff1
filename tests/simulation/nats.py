"""A NATS server and its client in memory, as far as our bus and directory use them.

A connection keeps the order of what it carries; what is under way when it breaks is lost (core NATS: at most once).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import Any

from nats.errors import TimeoutError as NatsTimeout

from .bucket import Bucket, JetStream
from .loop import Process, SimulatedLoop, here

REQUEST_SECONDS = 5.0
"""After so long a request without an answer is given up (the default of nats-py)."""
DELAY = (0.0001, 0.001)


@dataclass(frozen=True, slots=True)
class Message:
    """What a subscription's callback gets."""

    data: bytes


@dataclass
class Faults:
    """What the bus does wrong: shares of the frames that are lost, doubled, late."""

    loss: float = 0.0
    doubles: float = 0.0
    late: float = 0.0
    lateness: float = 1.0


class Line:
    """One direction of a connection: what is put in first comes out first."""

    def __init__(self, loop: SimulatedLoop, random: Random, context: Context) -> None:
        self._loop, self._random, self._context = loop, random, context
        self._last = 0.0
        self.stalled_until = 0.0

    def carry(self, callback: Callable[..., object], *args: object, extra: float = 0.0) -> None:
        """Call back at the other end."""
        soonest = max(self._loop.time(), self.stalled_until) + self._random.uniform(*DELAY) + extra
        self._last = max(self._last, soonest)
        self._loop.call_at(self._last, callback, *args, context=self._context)


class Server:
    """The NATS server, or the cluster as one sees it from outside."""

    def __init__(self, loop: SimulatedLoop, random: Random, note: Callable[..., None]) -> None:
        self.loop, self.random, self.note = loop, random, note
        self.context = Context()
        self.up = True
        self.faults = Faults()
        self.bucket = Bucket(loop, self.context)
        self.clients: list[Client] = []
        self.lost = self.doubled = 0
        self.on_publish: Callable[[Client, str, bytes], None] = lambda client, subject, frame: None
        self._subscriptions: dict[str, list[Subscription]] = defaultdict(list)

    def add(self, subscription: "Subscription") -> None:
        """Take a subscription."""
        self._subscriptions[subscription.subject].append(subscription)

    def remove(self, subscription: "Subscription") -> None:
        """Forget a subscription."""
        if subscription in self._subscriptions[subscription.subject]:
            self._subscriptions[subscription.subject].remove(subscription)

    def forget(self, client: "Client") -> None:
        """Forget all of a connection that is gone."""
        for subscriptions in self._subscriptions.values():
            subscriptions[:] = [one for one in subscriptions if one.client is not client]
        self.bucket.forget(client)

    def route(self, subject: str, frame: bytes) -> None:
        """Hand a frame to those who subscribed."""
        if not self.up:
            return
        groups: dict[str, list[Subscription]] = {}
        for one in self._subscriptions[subject]:
            if one.queue:
                groups.setdefault(one.queue, []).append(one)
            else:
                self._hand(one, frame)
        for members in groups.values():
            self._hand(self.random.choice(members), frame)

    def _hand(self, subscription: "Subscription", frame: bytes) -> None:
        faults, chance = self.faults, self.random.random
        if faults.loss and chance() < faults.loss:
            self.lost += 1
            self.note("lost", subscription.subject, len(frame))
            return
        extra = faults.lateness * chance() if faults.late and chance() < faults.late else 0.0
        subscription.client.hand(subscription, frame, extra)
        if faults.doubles and not subscription.queue and chance() < faults.doubles:
            self.doubled += 1
            subscription.client.hand(subscription, frame, 0.0)

    def go_down(self) -> None:
        """Lose every connection; what the bucket holds stays."""
        self.up = False
        for client in list(self.clients):
            client.cut()

    def come_back(self) -> None:
        """Take connections again."""
        self.up = True
        for client in list(self.clients):
            client.rejoin()


class Subscription:
    """One subscription of one client."""

    def __init__(
        self, client: "Client", subject: str, queue: str, callback: Callable[[Any], Coroutine[Any, Any, None]]
    ):
        self.client, self.subject, self.queue, self._callback = client, subject, queue, callback

    def take(self, frame: bytes, connection: int) -> None:
        """Hand an arriving frame to the callback, which does not wait."""
        if connection != self.client.connection:
            return
        work = self._callback(Message(frame))
        try:
            work.send(None)
        except StopIteration:
            return
        raise AssertionError(f"the handler of {self.subject} waits")

    async def drain(self) -> None:
        """Hear no more, but handle what has arrived."""
        self.client.up.carry(self.client.server.remove, self)
        await self.client.flush()


class Client:
    """What nats-py's client is to our code; made within the process that it belongs to."""

    server: Server
    """Set by the world before anybody connects."""

    def __init__(self) -> None:
        self.process: Process = here()
        self.server = type(self).server
        self.is_connected = False
        self.connection = 0
        self.stats = {"reconnects": 0}
        self.servers = ["nats://simulated"]
        self.pending_data_size = self._pending_data_size = 0
        self._pending: list[bytes] = []
        self._subscriptions: list[Subscription] = []
        server = self.server
        self.up = Line(server.loop, server.random, server.context)
        self.down = Line(server.loop, server.random, self.process.context)
        self._closed = False

    async def connect(
        self,
        *,
        disconnected_cb: Callable[[], Awaitable[None]],
        reconnected_cb: Callable[[], Awaitable[None]],
        **options: object,
    ) -> None:
        """Connect as soon as there is a server."""
        self._disconnected, self._reconnected = disconnected_cb, reconnected_cb
        while not self.server.up:  # noqa: ASYNC110  # as the real one: it tries
            await asyncio.sleep(0.25)
        self.is_connected = True
        self.server.clients.append(self)
        await asyncio.sleep(0.002)

    @property
    def stalled(self) -> bool:
        """Return whether nothing gets through for the moment."""
        return max(self.up.stalled_until, self.down.stalled_until) > self.server.loop.time()

    # --- messages

    async def publish(self, subject: str, frame: bytes) -> None:
        """Send a frame."""
        self.server.on_publish(self, subject, frame)
        self.up.carry(self._arrived, self.connection, subject, frame)

    def _arrived(self, connection: int, subject: str, frame: bytes) -> None:
        if connection == self.connection:
            self.server.route(subject, frame)

    def hand(self, subscription: Subscription, frame: bytes, extra: float) -> None:
        """Carry a frame from the server to this client."""
        self.down.carry(subscription.take, frame, self.connection, extra=extra)

    async def subscribe(
        self, subject: str, *, queue: str, cb: Callable[[Any], Coroutine[Any, Any, None]], **limits: object
    ) -> Subscription:
        """Subscribe."""
        subscription = Subscription(self, subject, queue, cb)
        self._subscriptions.append(subscription)
        self.up.carry(self.server.add, subscription)
        return subscription

    async def flush(self) -> None:
        """Wait until the server has all that was sent."""
        await self.request(lambda: None)

    async def request(self, work: Callable[[], object]) -> object:
        """Do `work` at the server and return what it returns; NatsTimeout when no answer comes."""
        answer: asyncio.Future[object] = self.server.loop.create_future()
        self.up.carry(self._serve, self.connection, work, answer)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await answer
        except TimeoutError:
            raise NatsTimeout from None

    def _serve(self, connection: int, work: Callable[[], object], answer: "asyncio.Future[object]") -> None:
        if connection != self.connection or not self.server.up or not self.is_connected:
            return
        try:
            result, error = work(), None
        except Exception as raised:
            result, error = None, raised
        self.down.carry(self._answered, connection, answer, result, error)

    def _answered(
        self, connection: int, answer: "asyncio.Future[object]", result: object, error: Exception | None
    ) -> None:
        if connection != self.connection or answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    def jetstream(self) -> JetStream:
        """Return the way to the bucket."""
        return JetStream(self, self.server.bucket)

    # --- the connection

    def cut(self) -> None:
        """Lose the connection and all that is under way."""
        if self.is_connected:
            self.connection += 1
            self.is_connected = False
            self.server.forget(self)
            self.down.carry(self._say, self._disconnected)

    def stall(self, seconds: float) -> None:
        """Let what is under way, and all that follows, arrive so much later."""
        self.up.stalled_until = self.down.stalled_until = self.server.loop.time() + seconds

    def rejoin(self) -> None:
        """Connect again."""
        if not self._closed and not self.is_connected and self.server.up and self.process.alive:
            self.up.stalled_until = self.down.stalled_until = 0.0
            self.is_connected = True
            self.stats["reconnects"] += 1
            for subscription in self._subscriptions:
                self.server.add(subscription)
            self.down.carry(self._say, self._reconnected)

    def _say(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.process.spawn(callback(), "connection-changed")

    async def close(self) -> None:
        """Leave."""
        self.die()
        self.is_connected = False

    def die(self) -> None:
        """Be forgotten by the server: the process is gone. What it sent before still arrives."""
        self._closed = True
        if self in self.server.clients:
            self.server.clients.remove(self)
        self.server.forget(self)
