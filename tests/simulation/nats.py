"""A NATS server and its clients in memory: nats-py's, as far as our directory uses it, and the link of our bus.

A connection keeps the order of what it carries; what is under way when it breaks is lost (core NATS: at most once).
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from random import Random

from nats.errors import TimeoutError as NatsTimeout

from lamplighter_runtime.nats_link import NotSent

from .bucket import Bucket, JetStream
from .loop import Process, SimulatedLoop, here

REQUEST_SECONDS = 5.0
"""After so long a request without an answer is given up (the default of nats-py)."""
DELAY = (0.0001, 0.001)
BEHIND = 1e-7
"""Seconds between two that leave together."""


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
        # Never two at one time: the loop's heap knows no order among those.
        self._last = max(self._last + BEHIND, soonest)
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

    def __init__(self, client: "Client", subject: str, queue: str, callback: Callable[[bytes], None]):
        self.client, self.subject, self.queue, self._callback = client, subject, queue, callback

    def take(self, frame: bytes, connection: int) -> None:
        """Hand an arriving frame to the callback."""
        if connection == self.client.connection:
            self._callback(frame)


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
        self.on_change: Callable[[bool], None] = lambda connected: None

    async def connect(self, **options: object) -> None:
        """Connect as soon as there is a server."""
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

    def send(self, subject: str, frame: bytes) -> None:
        """Send a frame."""
        self.server.on_publish(self, subject, frame)
        self.up.carry(self._arrived, self.connection, subject, frame)

    def _arrived(self, connection: int, subject: str, frame: bytes) -> None:
        if connection == self.connection:
            self.server.route(subject, frame)

    def hand(self, subscription: Subscription, frame: bytes, extra: float) -> None:
        """Carry a frame from the server to this client."""
        self.down.carry(subscription.take, frame, self.connection, extra=extra)

    def add(self, subject: str, queue: str, callback: Callable[[bytes], None]) -> Subscription:
        """Subscribe."""
        subscription = Subscription(self, subject, queue, callback)
        self._subscriptions.append(subscription)
        if self.is_connected:
            self.up.carry(self.server.add, subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Hear no more."""
        self._subscriptions.remove(subscription)
        if self.is_connected:
            self.up.carry(self.server.remove, subscription)

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
            self.down.carry(self._say, False)

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
            self.down.carry(self._say, True)

    def _say(self, connected: bool) -> None:
        if self.process.alive:
            self.on_change(connected)

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


class Link:
    """What the bus's own connection is to it (`lamplighter_runtime.nats_link.Link`)."""

    server: Server

    def __init__(self, url: str, name: str, on_change: Callable[[bool], None]) -> None:
        self._client: Client = type("Client", (Client,), {"server": self.server})()
        self._client.on_change = on_change

    @property
    def connected(self) -> bool:
        """Return whether the connection stands."""
        return self._client.is_connected

    async def open(self) -> None:
        """Connect as soon as there is a server."""
        await self._client.connect()

    def publish(self, subject: str, payload: bytes) -> None:
        """Send a frame."""
        if not self.connected:
            raise NotSent("not connected")
        self._client.send(subject, payload)

    def subscribe(self, subject: str, queue: str, take: Callable[[bytes], None]) -> Subscription:
        """Subscribe."""
        return self._client.add(subject, queue, take)

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Hear no more, but handle what has arrived."""
        self._client.remove(subscription)
        if self.connected:
            await self.flush()

    async def flush(self) -> None:
        """Wait until a server has all that was sent, on whatever connection."""
        while True:
            while not self.connected:  # noqa: ASYNC110  # the real one is woken
                await asyncio.sleep(0.05)
            with contextlib.suppress(NatsTimeout):
                await self._client.request(lambda: None)
                return

    async def close(self) -> None:
        """Leave."""
        await self._client.close()
