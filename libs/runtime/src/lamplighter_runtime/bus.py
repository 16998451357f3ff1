"""The bus as the services see it, and its twin in memory.

Rule 1: `send` never blocks, never fails and never waits; what cannot be sent is counted and lost (the protocols
above repair it: clients retransmit, the core sends the latest state again).
Rule 2: messages of one sender to one subject arrive in the order in which they were sent.
Rule 3: a handler is synchronous and gets a whole frame's messages at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from lamplighter_proto import FrameCodec, Message, encode_frame

M = TypeVar("M", bound=Message)
Handler = Callable[[list[M]], None]


class Bus(Protocol):
    """Sends messages to subjects and hands arriving ones to handlers."""

    @property
    def connected(self) -> bool:
        """Return whether what is sent now has a chance to arrive."""

    def send(self, subject: str, message: Message) -> None:
        """Queue a message; it leaves, within two turns of the loop, with the others of its subject."""

    async def subscribe(self, subject: str, codec: FrameCodec[M], handler: Handler[M], queue: str = "") -> None:
        """Call `handler` with the messages of every frame; `queue` names a group that shares the subject."""

    async def unsubscribe(self, subject: str) -> None:
        """Hear no more of a subject."""

    async def flush(self) -> None:
        """Wait until what was sent here before has arrived, and what was sent to here has been handled."""

    async def close(self) -> None:
        """Send what is queued and leave."""


class Outgoing:
    """Messages that have not left yet, by subject, in order; the first one schedules that they leave."""

    def __init__(self, schedule: Callable[[], object]) -> None:
        self._queues: dict[str, list[Message]] = {}
        self._schedule = schedule

    def put(self, subject: str, message: Message) -> None:
        """Queue a message; the first one of a turn schedules the flush."""
        queue = self._queues.get(subject)
        if queue is not None:
            queue.append(message)
            return
        if not self._queues:
            self._schedule()
        self._queues[subject] = [message]

    def take(self) -> list[tuple[str, Sequence[Message]]]:
        """Return and forget what is queued."""
        queues, self._queues = self._queues, {}
        return list(queues.items())


def frames(messages: Sequence[Message], limit: int) -> list[bytes]:
    """Return the frames that hold `messages` in order, each under `limit` bytes where its messages allow."""
    frame = encode_frame(messages)
    if len(frame) <= limit or len(messages) == 1:
        return [frame]
    half = len(messages) // 2
    return frames(messages[:half], limit) + frames(messages[half:], limit)


class MemoryNetwork:
    """Connects the memory buses of one test: subscriptions by subject, queue groups in turn."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, list[tuple[str, Callable[[bytes], None], object]]] = {}
        self._turn = 0

    def deliver(self, subject: str, frame: bytes) -> None:
        """Hand a frame to every plain subscriber and to one of each queue group."""
        groups: dict[str, list[Callable[[bytes], None]]] = {}
        for queue, receive, _ in self.subscriptions.get(subject, []):
            if queue:
                groups.setdefault(queue, []).append(receive)
            else:
                receive(frame)
        self._turn += 1
        for members in groups.values():
            members[self._turn % len(members)](frame)


class MemoryBus:
    """A Bus within one event loop, for tests; frames are really encoded and decoded."""

    def __init__(self, network: MemoryNetwork | None = None) -> None:
        self.network = network or MemoryNetwork()
        self.connected = True
        self.unreadable = 0
        self._outgoing = Outgoing(lambda: asyncio.get_running_loop().call_soon(self._flush))

    def send(self, subject: str, message: Message) -> None:
        """Queue a message for this loop turn."""
        if self.connected:
            self._outgoing.put(subject, message)

    def _flush(self) -> None:
        for subject, messages in self._outgoing.take():
            for frame in frames(messages, 512 * 1024):
                self.network.deliver(subject, frame)

    async def subscribe(self, subject: str, codec: FrameCodec[M], handler: Handler[M], queue: str = "") -> None:
        """Call `handler` with the messages of every frame."""

        def receive(frame: bytes) -> None:
            messages, unreadable = codec.decode(frame)
            self.unreadable += unreadable
            if messages:
                handler(messages)

        self.network.subscriptions.setdefault(subject, []).append((queue, receive, self))

    async def unsubscribe(self, subject: str) -> None:
        """Hear no more of a subject."""
        entries: list[Any] = self.network.subscriptions.get(subject, [])
        self.network.subscriptions[subject] = [entry for entry in entries if entry[2] is not self]

    async def flush(self) -> None:
        """Deliver what is queued."""
        self._flush()

    async def close(self) -> None:
        """Send what is queued and leave."""
        self._flush()
        for subject in self.network.subscriptions:
            await self.unsubscribe(subject)
        self.connected = False
