"""sip-edge put together: sockets, endpoint, bus, directory and the HTTP endpoint."""

import asyncio
import logging
from collections.abc import Mapping

from fastapi import FastAPI

from lamplighter_proto import FrameCodec, Reply, Send, subjects
from lamplighter_proto.ownership import Member
from lamplighter_runtime import clock
from lamplighter_runtime.health import create_app, http_url
from lamplighter_runtime.lifecycle import StartError, unless_stopped
from lamplighter_runtime.membership import Directory
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from sip_edge.edge import Edge
from sip_edge.metrics import Counts, register
from sip_edge.settings import Settings

logger = logging.getLogger(__name__)

SERVICE = "sip-edge"


class SipEdge:
    """The service: SIP in, commands out, NOTIFYs through."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Registry()
        self.counts = Counts()
        self.app: FastAPI = create_app(f"lamplighter {SERVICE}", self.metrics, self.readiness)
        self._bus: NatsBus | None = None
        self._directory: Directory | None = None
        self._edge: Edge | None = None

    def readiness(self) -> Mapping[str, bool]:
        """Return what must hold for clients to be sent here."""
        return {
            "bus": self._bus is not None and self._bus.connected,
            "directory": self._directory is not None and self._directory.synced,
            "sockets": self._edge is not None and self._edge.listening,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Join the cluster, open the sockets, serve until `stop` is set, then drain."""
        settings = self.settings
        connecting = NatsBus.connect(settings.nats_url, name=settings.instance, service=SERVICE, metrics=self.metrics)
        bus = self._bus = await unless_stopped(stop, connecting)
        if bus is None:
            return
        directory = self._directory = Directory(
            bus.nc, lease_seconds=settings.lease_seconds, replicas=settings.nats_replicas
        )
        directory.on_replaced(lambda: _replaced(stop))
        try:
            if await unless_stopped(stop, _started(directory)):
                await self._serve(bus, directory, stop)
        finally:
            await directory.close()
            await bus.close()

    async def _serve(self, bus: NatsBus, directory: Directory, stop: asyncio.Event) -> None:
        self._check_shards(directory)
        edge = self._edge = Edge(self.settings, bus, directory, self.counts, clock.monotonic, clock.wall)
        register(self.metrics, self.counts, edge.sizes())
        directory.on_change(edge.ownership_changed)
        try:
            await edge.open()
            if await unless_stopped(stop, self._joined(bus, directory, edge)):
                logger.info("serving", extra={"sip": edge.advertised})
                await stop.wait()
            await edge.drain()
        finally:
            await edge.close()

    def _check_shards(self, directory: Directory) -> None:
        table = directory.view.table
        if table is not None and table.shards != self.settings.shards:
            raise StartError(f"this cluster was made for {table.shards} shards, not {self.settings.shards}")

    async def _joined(self, bus: NatsBus, directory: Directory, edge: Edge) -> bool:
        name = self.settings.instance
        await bus.subscribe(subjects.edge_replies(name), FrameCodec[Reply](Reply), edge.endpoint.on_replies)
        await bus.subscribe(subjects.edge_sends(name), FrameCodec[Send](Send), edge.port.on_sends)
        await directory.announce(self._member(edge))
        return True

    def _member(self, edge: Edge) -> Member:
        return Member(
            service=SERVICE,
            instance=self.settings.instance,
            http=http_url(self.app),
            sip=edge.advertised,
        )


async def _started(directory: Directory) -> bool:
    await directory.start()
    return True


def _replaced(stop: asyncio.Event) -> None:
    logger.error("another process has taken our instance name")
    stop.set()


def build(environ: Mapping[str, str]) -> SipEdge:
    """Return the service that `environ` describes; SettingsError when it describes none."""
    return SipEdge(Settings.load(environ))
