"""A UDP relay that loses datagrams, both ways, by a seed: a bad network between agents and the edge.

Rule 1: each client has a socket of its own towards the server, so that what the server sends to where a request came
from finds its client.
"""

import asyncio
import random
from typing import cast

from .wires import HOST, Address


class Relay(asyncio.DatagramProtocol):
    """Where the clients send to; `address` is known once it is open."""

    def __init__(self, server: Address, loss: float, seed: int) -> None:
        self.server = server
        self.address: Address = (HOST, 0)
        self.passed = 0
        self.lost = 0
        self._loss = loss
        self._chance = random.Random(seed)
        self._front: asyncio.DatagramTransport | None = None
        self._backs: dict[Address, _Back] = {}

    @classmethod
    async def open(cls, server: Address, *, loss: float, seed: int) -> "Relay":
        """Return a relay that loses this share of all datagrams."""
        loop = asyncio.get_running_loop()
        _, relay = await loop.create_datagram_endpoint(lambda: cls(server, loss, seed), local_addr=(HOST, 0))
        return relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._front = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        back = self._backs.get(addr)
        if back is None:
            back = self._backs[addr] = _Back(self, addr)
        if self.passes():
            back.send(data)

    def passes(self) -> bool:
        """Decide the fate of one datagram."""
        lost = self._chance.random() < self._loss
        self.lost += lost
        self.passed += not lost
        return not lost

    def to_client(self, data: bytes, client: Address) -> None:
        """Carry what came from the server."""
        if self._front is not None and self.passes():
            self._front.sendto(data, client)

    def close(self) -> None:
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
        self._socket, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=self._relay.server)
        for data in self._unsent:
            self._socket.sendto(data)

    def send(self, data: bytes) -> None:
        if self._socket is None:
            self._unsent.append(data)
        else:
            self._socket.sendto(data)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.to_client(data, self._client)

    def error_received(self, exc: Exception) -> None:
        """Go on: a server that is being started again refuses datagrams for a while."""

    def close(self) -> None:
        self._opening.cancel()
        if self._socket is not None:
            self._socket.close()
