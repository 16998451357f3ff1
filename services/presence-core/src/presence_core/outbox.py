"""What is to be said when a transaction is committed."""

from typing import Protocol

from lamplighter_proto import Message


class Sender(Protocol):
    """Says things, now or when they are true."""

    def send(self, subject: str, message: Message) -> None:
        """Send a message to a subject."""


class Outbox:
    """Messages that wait for a commit."""

    def __init__(self, bus: Sender) -> None:
        self._bus = bus
        self._messages: list[tuple[str, Message]] = []

    def send(self, subject: str, message: Message) -> None:
        """Keep a message."""
        self._messages.append((subject, message))

    def flush(self) -> None:
        """Send what is kept."""
        messages, self._messages = self._messages, []
        for subject, message in messages:
            self._bus.send(subject, message)

    def clear(self) -> None:
        """Forget what is kept."""
        self._messages.clear()
