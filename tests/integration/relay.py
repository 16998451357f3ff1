"""A UDP relay between agents and the edge that is a bad network, both ways, by a seed (no privileges needed).

Rule 1: each client has a socket of its own towards the server, so that what the server sends to where a request came
from finds its client; also when the server is another one by now.
Rule 2: every datagram meets its own fate: it is lost, or comes once or twice, each time after a delay of its own; one
that waits longer is overtaken.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from .wires import HOST, Address, local_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad the network is; shares are of all datagrams, delays in seconds."""

    loss: float = 0.0
    twice: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    """Longest time that a datagram takes more than another."""


@dataclass(slots=True)
class Fates:
    """What became of the datagrams so far."""

    passed: int = 0
    lost: int = 0
    doubled: int = 0
    overtaken: int = 0


class Relay(asyncio.DatagramProtocol):
    """Where the clients send to; `sip` is known once it is open. The weather and the server may change."""

    def __init__(self, server: Address, weather: Weather, seed: int) -> None:
        self.server = server
        self.weather = weather
        self.sip: Address = (HOST, 0)
        self.fates = Fates()
        self._loop = asyncio.get_running_loop()
        self._chance = random.Random(seed)
        self._number = 0
        self._newest = 0
        self._front: asyncio.DatagramTransport | None = None
        self._backs: dict[Address, _Back] = {}
        self._under_way: set[asyncio.TimerHandle] = set()

    @classmethod
    async def open(cls, server: Address, weather: Weather, seed: int, port: int = 0) -> "Relay":
        """Return a relay before a server."""
        loop = asyncio.get_running_loop()
        _, relay = await loop.create_datagram_endpoint(lambda: cls(server, weather, seed), local_addr=(HOST, port))
        return relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._front = cast(asyncio.DatagramTransport, transport)
        self.sip = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        back = self._backs.get(addr)
        if back is None:
            back = self._backs[addr] = _Back(self, addr)
        self.carry(lambda: back.send(data))

    def carry(self, deliver: Callable[[], None]) -> None:
        """Let one datagram meet its fate."""
        if self._chance.random() < self.weather.loss:
            self.fates.lost += 1
            return
        self.fates.passed += 1
        self._number += 1
        self._after_a_while(deliver, self._number)
        if self._chance.random() < self.weather.twice:
            self.fates.doubled += 1
            self._after_a_while(deliver, self._number)

    def _after_a_while(self, deliver: Callable[[], None], number: int) -> None:
        seconds = self.weather.delay + self._chance.random() * self.weather.jitter
        if not seconds:
            self._arrive(deliver, number)
            return

        def arrive() -> None:
            self._under_way.discard(handle)
            self._arrive(deliver, number)

        handle = self._loop.call_later(seconds, arrive)
        self._under_way.add(handle)

    def _arrive(self, deliver: Callable[[], None], number: int) -> None:
        self.fates.overtaken += number < self._newest
        self._newest = max(self._newest, number)
        deliver()

    def to_client(self, data: bytes, client: Address) -> None:
        """Carry what came from the server."""
        self.carry(lambda: self._deliver(data, client))

    def _deliver(self, data: bytes, client: Address) -> None:
        if self._front is not None:
            self._front.sendto(data, client)

    def close(self) -> None:
        """Close all sockets; what is under way is lost."""
        for handle in self._under_way:
            handle.cancel()
        if self._front is not None:
            self._front.close()
        for back in self._backs.values():
            back.close()


class _Back(asyncio.DatagramProtocol):
    """The socket towards the server of one client."""

    def __init__(self, relay: Relay, client: Address) -> None:
        self._relay = relay
        self._client = client
        self._socket: asyncio.DatagramTransport | None = None
        self._unsent: list[bytes] = []
        loop = asyncio.get_running_loop()
        self._opening = loop.create_task(self._open(loop))

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        local = (local_host(self._relay.server), 0)
        self._socket, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=local)
        for data in self._unsent:
            self._socket.sendto(data, self._relay.server)

    def send(self, data: bytes) -> None:
        """Send to the server, as soon as there is a socket."""
        if self._socket is None:
            self._unsent.append(data)
        else:
            self._socket.sendto(data, self._relay.server)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.to_client(data, self._client)

    def error_received(self, exc: Exception) -> None:
        """Go on: a server that is being started again refuses datagrams for a while."""

    def close(self) -> None:
        """Close the socket."""
        self._opening.cancel()
        if self._socket is not None:
            self._socket.close()
