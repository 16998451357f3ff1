"""Datagrams in memory: lost, doubled, late and out of order; and the sockets that edges believe to have."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import Protocol

from .loop import Process, SimulatedLoop

Address = tuple[str, int]
DELAY = (0.002, 0.03)


@dataclass
class Faults:
    """Shares of the datagrams that are lost, doubled and late."""

    loss: float = 0.0
    doubles: float = 0.0
    late: float = 0.0
    lateness: float = 0.3


class Receiver(Protocol):
    """Whoever takes datagrams."""

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a datagram."""


class Network:
    """Carries datagrams between addresses."""

    def __init__(
        self, loop: SimulatedLoop, random: Random, note: Callable[..., None], on_send: Callable[[bytes, str], None]
    ) -> None:
        self.loop, self._random, self._note, self._on_send = loop, random, note, on_send
        self.faults = Faults()
        self.carried = self.lost = self.doubled = 0
        self._sockets: dict[Address, tuple[Receiver, Context]] = {}
        self._lives: dict[Address, int] = {}
        """How often each address was given to somebody."""

    def bind(self, address: Address, receiver: Receiver, context: Context) -> None:
        """Give an address to somebody, whoever had it before."""
        self._sockets[address] = (receiver, context)
        self._lives[address] = self._lives.get(address, 0) + 1

    def release(self, address: Address, receiver: Receiver) -> None:
        """Take an address from who has it."""
        if address in self._sockets and self._sockets[address][0] is receiver:
            del self._sockets[address]

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Carry a datagram, perhaps."""
        faults, chance = self.faults, self._random.random
        self.carried += 1
        if source in self._sockets:
            self._on_send(data, f"{source[0]} ({self._lives[source]})")
        if faults.loss and chance() < faults.loss:
            self.lost += 1
            self._note("lost", f"{source[0]} > {target[0]}", data.split(b"\r\n", 1)[0])
            return
        self._carry(data, source, target)
        if faults.doubles and chance() < faults.doubles:
            self.doubled += 1
            self._carry(data, source, target)

    def _carry(self, data: bytes, source: Address, target: Address) -> None:
        faults, chance = self.faults, self._random.random
        wait = self._random.uniform(*DELAY)
        if faults.late and chance() < faults.late:
            wait += faults.lateness * chance()
        self.loop.call_later(wait, self._arrive, data, source, target, context=Context())

    def _arrive(self, data: bytes, source: Address, target: Address) -> None:
        known = self._sockets.get(target)
        if known is not None:
            receiver, context = known
            self.loop.call_soon(receiver.datagram_received, data, source, context=context)


class Socket:
    """What an edge binds."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def getsockname(self) -> Address:
        """Return the address."""
        return self.address

    def close(self) -> None:
        """Nothing to give back."""


def bind_both(address: Address) -> tuple[Socket, Socket]:
    """Return the sockets of an edge."""
    return Socket(address), Socket(address)


class Transport(asyncio.DatagramTransport):
    """A bound datagram socket."""

    def __init__(self, network: Network, address: Address, receiver: Receiver, process: Process) -> None:
        super().__init__()
        self._network, self._address, self._receiver = network, address, receiver
        network.bind(address, receiver, process.context)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits for this socket."""

    def sendto(self, data: bytes, addr: Address | None = None) -> None:  # type: ignore[override]
        """Send a datagram."""
        assert addr is not None
        self._network.send(data, self._address, addr)

    def close(self) -> None:
        """Give the address back."""
        self._network.release(self._address, self._receiver)


class NoServer:
    """A listening TCP socket to which nobody comes."""

    def close(self) -> None:
        """Nothing to give back."""
