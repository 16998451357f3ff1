"""TCP connections to watchers whose own are gone (RFC 3261 §18.1.1, RFC 6665 §4.2.2).

Rule 1: a destination that does not answer holds up nobody else: one attempt at a time for each, all bounded in
number and time, and after a failure none for a while.
"""

import asyncio
import logging
from collections.abc import Callable

from lamplighter_proto import Send
from sip_edge.addresses import read_address
from sip_edge.metrics import Counts
from sip_edge.places import Place
from sip_edge.transports.stream import Connection, Connections

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = 10.0
MAX_FAILED = 10_000


class Connector:
    """Opens connections and keeps those it opened for whatever else goes there."""

    def __init__(
        self,
        connections: Connections,
        counts: Counts,
        refuse: Callable[[Send], None],
        *,
        timeout: float,
        max_connects: int,
        max_queue: int,
    ) -> None:
        self._connections = connections
        self._counts = counts
        self._refuse = refuse
        self._timeout = timeout
        self._max_connects = max_connects
        self._max_queue = max_queue
        self._open: dict[str, Connection] = {}
        self._queues: dict[str, list[Send]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def send(self, send: Send, place: Place) -> bool:
        """Send by a connection to the next hop, opening one if need be; False when that is not to be."""
        hop = send.next_hop
        connection = self._open.get(hop)
        if connection is not None and connection.send(send.packet):
            return True
        queue = self._queues.get(hop)
        if queue is None:
            return self._begin(send, place)
        if len(queue) >= self._max_queue:
            return False
        queue.append(send)
        return True

    def _begin(self, send: Send, place: Place) -> bool:
        hop = send.next_hop
        if len(self._tasks) >= self._max_connects or self._connections.full or self._is_failed(hop):
            return False
        self._queues[hop] = [send]
        task = asyncio.get_running_loop().create_task(self._attempt(hop, place), name="connect")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _is_failed(self, hop: str) -> bool:
        until = self._failed.get(hop)
        return until is not None and self._connections.clock() < until

    async def _attempt(self, hop: str, place: Place) -> None:
        try:
            connection = await self._connect(hop, place)
        except (OSError, ValueError, TimeoutError) as error:
            logger.info("connection not opened", extra={"next_hop": hop, "error": str(error) or "timeout"})
            self._note_failure(hop)
            for send in self._queues.pop(hop):
                self._refuse(send)
            return
        self._open[hop] = connection
        for send in self._queues.pop(hop):
            if not connection.send(send.packet):
                self._forget(hop, connection)
                self._refuse(send)

    async def _connect(self, hop: str, place: Place) -> Connection:
        host, port = read_address(hop)
        async with asyncio.timeout(self._timeout):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._connections, place, on_lost=lambda lost: self._forget(hop, lost)), host, port
            )
        return connection

    def _forget(self, hop: str, connection: Connection) -> None:
        if self._open.get(hop) is connection:
            del self._open[hop]

    def _note_failure(self, hop: str) -> None:
        now = self._connections.clock()
        if len(self._failed) >= MAX_FAILED:
            self._failed = {hop: until for hop, until in self._failed.items() if until > now}
        if len(self._failed) < MAX_FAILED:
            self._failed[hop] = now + BACKOFF_SECONDS

    async def close(self) -> None:
        """Give up every attempt."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
