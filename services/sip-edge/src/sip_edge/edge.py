"""The edge put together for one event loop: sockets around an endpoint, and the sweep that moves time on."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Routes
from sip.message import Limits
from sip.transaction import ServerTransactions, Timers
from sip_edge.addresses import read_address
from sip_edge.checks import Manners
from sip_edge.connector import Connector
from sip_edge.endpoint import Endpoint
from sip_edge.lanes import AT_WORK
from sip_edge.metrics import Counts
from sip_edge.notify_port import NotifyPort
from sip_edge.places import Place, own_addresses, place_at
from sip_edge.settings import Settings
from sip_edge.sources import Sources
from sip_edge.targets import Targets
from sip_edge.transports.listen import bind_both
from sip_edge.transports.stream import BACKLOG, Connection, Connections
from sip_edge.transports.udp import UdpChannel
from sip_edge.ways import Ways

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 0.1
IDLE_CHECK_SECONDS = 2.0
NOTIFY_SECONDS = 1.0
CLOSE_SECONDS = 1.0
"""How long peers have to read what was written to them before their connection ends."""
MICROSECONDS = 1_000_000

Clock = Callable[[], float]


class Edge:
    """Everything between the sockets and the bus."""

    def __init__(
        self, settings: Settings, bus: Bus, directory: Routes, counts: Counts, monotonic: Clock, wall: Clock
    ) -> None:
        """Bind the sockets, which are read from `open` on; StartError when an address cannot be had."""
        self._sockets = [bind_both(read_address(text)) for text in settings.listen]
        self.places = [
            place_at(udp.getsockname()[:2], index, settings.advertise) for index, (udp, _) in enumerate(self._sockets)
        ]
        self.listening = False
        self._settings = settings
        self._monotonic = monotonic
        self._changed: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[asyncio.Server] = []
        # Ids of commands and connections go on where no earlier process of this name can have been.
        start = int(wall() * MICROSECONDS)
        self._sources = Sources(
            rate=settings.source_requests_per_second,
            burst=settings.source_burst_requests,
            trusted=settings.trusted,
        )
        self.endpoint = _endpoint(settings, self.places, self._sources, bus, directory, counts, monotonic, wall, start)
        self._connections = _connections(settings, self.endpoint, self._sources, counts, monotonic, start)
        self._udp = {place.local: UdpChannel(settings.instance, place, self.endpoint, counts) for place in self.places}
        self.port = NotifyPort(
            bus,
            counts,
            monotonic,
            instance=settings.instance,
            places={place.local: place for place in self.places},
            udp=self._udp,
            connections=self._connections,
        )
        self.endpoint.on_response = self.port.on_response
        self._connector = self.port.connector = Connector(
            self._connections,
            counts,
            self.port.refuse,
            timeout=settings.connect_timeout_seconds,
            max_connects=settings.max_connects,
            max_queue=settings.max_connect_queue,
        )

    @property
    def advertised(self) -> str:
        """Return the first address that clients are told, `host:port`."""
        return self.places[0].advertised

    def sizes(self) -> Mapping[str, Callable[[], int]]:
        """Return the tables whose present size is worth knowing."""
        return {
            "pending_requests": lambda: len(self.endpoint.pending),
            "server_transactions": lambda: len(self.endpoint.transactions),
            "tcp_connections": lambda: len(self._connections),
            "sources": lambda: len(self._sources),
            "notified_dialogs": lambda: len(self.port.order),
            "tcp_connects": lambda: len(self._connector),
        }

    async def open(self) -> None:
        """Begin to read the sockets."""
        loop = asyncio.get_running_loop()
        for place, (udp, tcp) in zip(self.places, self._sockets, strict=True):
            await loop.create_datagram_endpoint(partial(_same, self._udp[place.local]), sock=udp)
            accept = partial(Connection, self._connections, place)
            self._servers.append(await loop.create_server(accept, sock=tcp, backlog=BACKLOG))
        self._tasks.append(loop.create_task(self._sweep_for_ever(), name="sweep"))
        self._tasks.append(loop.create_task(self._check_idle_for_ever(), name="idle-check"))
        self.listening = True

    def ownership_changed(self, shard: int) -> None:
        """Send the waiting commands of a shard again, all shards of this loop turn in one go."""
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._reassign)
        self._changed.add(shard)

    def _reassign(self) -> None:
        shards, self._changed = self._changed, set()
        self.endpoint.pending.reassign(shards)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                self.endpoint.sweep()
            except Exception:
                logger.exception("sweep failed")

    async def _check_idle_for_ever(self) -> None:
        while True:
            await asyncio.sleep(IDLE_CHECK_SECONDS)
            self.check_idle(self._monotonic())

    def check_idle(self, now: float) -> None:
        """Close the connections that have said nothing, or nothing whole, for too long."""
        self._connections.sweep(now)

    async def drain(self) -> None:
        """Refuse new requests and connections; wait, `drain_seconds` at most, until what was before them is answered.

        NOTIFYs still leave, and their answers are waited for `NOTIFY_SECONDS`: a living watcher needs no longer.
        """
        self.listening = False
        self.endpoint.draining = True
        for server in self._servers:
            server.close()
        for _ in range(int(self._settings.drain_seconds / SWEEP_SECONDS)):
            if not self.endpoint.pending and not self.port.unanswered(self._monotonic() - NOTIFY_SECONDS):
                return
            await asyncio.sleep(SWEEP_SECONDS)

    async def close(self) -> None:
        """Close every socket."""
        self.listening = False
        for task in self._tasks:
            task.cancel()
        await self._connector.close()
        for server in self._servers:
            server.close()
        await self._connections.close(CLOSE_SECONDS)
        for channel in self._udp.values():
            channel.close()
        for udp, tcp in self._sockets:
            udp.close()
            tcp.close()


def _same(channel: UdpChannel) -> UdpChannel:
    return channel


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_size=settings.max_message_bytes,
        max_headers=settings.max_headers,
        max_header_bytes=settings.max_header_bytes,
        max_body=settings.max_body_bytes,
    )


def _endpoint(
    settings: Settings,
    places: list[Place],
    sources: Sources,
    bus: Bus,
    directory: Routes,
    counts: Counts,
    monotonic: Clock,
    wall: Clock,
    first_id: int,
) -> Endpoint:
    ways = Ways(
        instance=settings.instance,
        shards=settings.shards,
        limits=_limits(settings),
        manners=Manners.of(registrar=settings.registrar),
        retry_after=settings.retry_after_seconds,
        max_pending=settings.max_pending,
        max_pending_per_name=settings.max_pending_per_name,
        max_pending_per_core=settings.max_pending_per_core,
        at_work_per_source=AT_WORK,
        answer_timeout=settings.answer_timeout_seconds,
        repeat=settings.repeat_seconds,
        first_id=first_id,
    )
    return Endpoint(
        ways,
        bus=bus,
        directory=directory,
        targets=Targets(own=own_addresses(places), domains=frozenset(settings.domains), shards=settings.shards),
        transactions=ServerTransactions(Timers(), settings.max_transactions),
        sources=sources,
        counts=counts,
        monotonic=monotonic,
        wall=wall,
    )


def _connections(
    settings: Settings, endpoint: Endpoint, sources: Sources, counts: Counts, monotonic: Clock, first_number: int
) -> Connections:
    return Connections(
        edge=settings.instance,
        receiver=endpoint,
        counts=counts,
        limits=_limits(settings),
        first_number=first_number,
        clock=monotonic,
        max_connections=settings.max_connections,
        max_per_source=settings.max_connections_per_source,
        sources=sources,
        max_unsent_bytes=settings.max_unsent_bytes,
        idle_seconds=settings.tcp_idle_seconds,
        partial_seconds=settings.tcp_partial_seconds,
    )
