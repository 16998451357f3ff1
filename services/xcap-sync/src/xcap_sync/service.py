"""xcap-sync put together: the bus, the directory, one of the configurations and the HTTP endpoint."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

from fastapi import FastAPI

from lamplighter_proto import FrameCodec, Refreshed, XcapCommand, subjects
from lamplighter_proto.ownership import Member
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.health import create_app, http_url
from lamplighter_runtime.lifecycle import unless_stopped
from lamplighter_runtime.membership import Directory
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from xcap_sync.cluster import SERVICE, Cluster
from xcap_sync.domain.refreshes import Refreshes
from xcap_sync.handlers import Handlers
from xcap_sync.http import Gate, add_routes
from xcap_sync.metrics import Metrics
from xcap_sync.modes import Mode, mode_of
from xcap_sync.refreshing import Refresher
from xcap_sync.settings import Settings

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 2.0
"""How long stopping waits for cores to confirm."""
_LOOK_SECONDS = 0.05


class XcapSync:
    """Keeps the `xcap` table fresh, and cores aware of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Registry()
        self.app: FastAPI = create_app(f"lamplighter {SERVICE}", self.metrics, self.readiness)
        self._gate = Gate(settings.mi_token.get_secret_value())
        add_routes(self.app, self._gate)
        self._counts = Metrics(self.metrics)
        self._refreshes = Refreshes(
            settings.instance,
            settings.shards,
            patience=settings.refresh_patience_seconds,
            first_id=int(clock.wall() * 1_000_000),
        )
        self._bus: NatsBus | None = None
        self._directory: Directory | None = None
        self._mode: Mode | None = None
        self._counts.watch_pending(lambda: len(self._refreshes))

    def readiness(self) -> Mapping[str, bool]:
        """Return what must hold for work to be sent here."""
        checks = {
            "bus": self._bus is not None and self._bus.connected,
            "directory": self._directory is not None and self._directory.synced,
        }
        beyond = {} if self.settings.mode == "none" else {"database": False}
        return checks | beyond | (dict(self._mode.checks()) if self._mode else {})

    async def run(self, stop: asyncio.Event) -> None:
        """Join the cluster and serve until `stop` is set."""
        settings = self.settings
        connecting = NatsBus.connect(settings.nats_url, name=settings.instance, service=SERVICE, metrics=self.metrics)
        self._bus = await unless_stopped(stop, connecting)
        if self._bus is None:
            return
        self._directory = Directory(self._bus.nc, lease_seconds=settings.lease_seconds, replicas=settings.nats_replicas)
        self._directory.on_replaced(lambda: _replaced(stop))
        try:
            await unless_stopped(stop, self._join(self._directory))
            if not stop.is_set():
                await self._serve(self._bus, self._directory, stop)
        finally:
            await self._directory.close()
            await self._bus.close()

    async def _join(self, directory: Directory) -> None:
        await directory.start()
        await directory.announce(
            Member(
                service=SERVICE,
                instance=self.settings.instance,
                http=http_url(self.app),
            )
        )

    async def _serve(self, bus: Bus, directory: Directory, stop: asyncio.Event) -> None:
        cluster = Cluster(directory, self.settings.instance)
        refresher = Refresher(bus, cluster, self._refreshes, self._counts, clock.monotonic)
        mode = self._mode = mode_of(self.settings, refresher, cluster, self._counts)
        handlers = Handlers(mode.documents, self._counts, cluster.ours)
        try:
            await unless_stopped(stop, self._listen(bus, refresher, handlers))
            self._gate.call = handlers.call
            await _work([refresher.sweep_for_ever(), *mode.work()], stop, self._drain)
        finally:
            self._gate.call = None
            await mode.close()

    async def _listen(self, bus: Bus, refresher: Refresher, handlers: Handlers) -> None:
        replies = subjects.xcap_replies(self.settings.instance)
        await bus.subscribe(replies, FrameCodec[Refreshed](Refreshed), refresher.on_refreshed)
        await bus.subscribe(subjects.XCAP, FrameCodec[XcapCommand](XcapCommand), handlers.on_commands)

    async def _drain(self) -> None:
        """Wait a moment for cores to confirm what they were told."""
        deadline = clock.monotonic() + _DRAIN_SECONDS
        while len(self._refreshes) and clock.monotonic() < deadline:  # noqa: ASYNC110  # the last look at stopping
            await asyncio.sleep(_LOOK_SECONDS)
        if len(self._refreshes):
            logger.warning("left refreshes unconfirmed", extra={"pending": len(self._refreshes)})


async def _work(
    work: Iterable[Coroutine[object, object, None]], stop: asyncio.Event, drain: Callable[[], Awaitable[None]]
) -> None:
    """Run what never ends until `stop` is set; what ends with an error ends all."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        await stop.wait()
        await drain()
        for task in tasks:
            task.cancel()


def _replaced(stop: asyncio.Event) -> None:
    logger.error("another process has taken our instance name")
    stop.set()


def build(environ: Mapping[str, str]) -> XcapSync:
    """Return the service that `environ` describes; SettingsError when it describes none."""
    return XcapSync(Settings.load(environ))
