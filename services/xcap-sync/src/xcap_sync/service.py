"""xcap-sync put together: the bus, the directory and the HTTP endpoint."""

import asyncio
import logging
from collections.abc import Mapping

from fastapi import FastAPI

from lamplighter_proto.ownership import Member
from lamplighter_runtime.health import create_app, http_url
from lamplighter_runtime.lifecycle import unless_stopped
from lamplighter_runtime.membership import Directory
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from xcap_sync.settings import Settings

logger = logging.getLogger(__name__)

SERVICE = "xcap-sync"


class XcapSync:
    """Keeps the `xcap` table fresh."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Registry()
        self.app: FastAPI = create_app(f"lamplighter {SERVICE}", self.metrics, self.readiness)
        self._bus: NatsBus | None = None
        self._directory: Directory | None = None

    def readiness(self) -> Mapping[str, bool]:
        """Return what must hold for work to be sent here."""
        return {
            "bus": self._bus is not None and self._bus.connected,
            "directory": self._directory is not None and self._directory.synced,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Join the cluster and serve until `stop` is set."""
        settings = self.settings
        connecting = NatsBus.connect(settings.nats_url, name=settings.instance, service=SERVICE, metrics=self.metrics)
        self._bus = await unless_stopped(stop, connecting)
        if self._bus is None:
            return
        self._directory = Directory(self._bus.nc, lease_seconds=settings.lease_seconds)
        self._directory.on_replaced(lambda: _replaced(stop))
        try:
            await unless_stopped(stop, self._join(self._directory))
            await stop.wait()
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


def _replaced(stop: asyncio.Event) -> None:
    logger.error("another process has taken our instance name")
    stop.set()


def build(environ: Mapping[str, str]) -> XcapSync:
    """Return the service that `environ` describes; SettingsError when it describes none."""
    return XcapSync(Settings.load(environ))
