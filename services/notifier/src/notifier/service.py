"""The notifier put together: the bus, the deliveries, one sweep for all timers, the HTTP endpoint."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from itertools import count

from fastapi import FastAPI

from lamplighter_proto import FrameCodec, Notify, Received, subjects
from lamplighter_proto.ownership import Member
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.health import create_app, http_url
from lamplighter_runtime.lifecycle import unless_stopped
from lamplighter_runtime.membership import Directory
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from notifier.domain.deliveries import Deliveries
from notifier.domain.edges import Edges
from notifier.domain.notify import Heads
from notifier.domain.standstill import Standstill
from notifier.handlers import Handlers
from notifier.metrics import Metrics
from notifier.settings import Settings
from sip.transaction import ClientTransactions

logger = logging.getLogger(__name__)

SERVICE = "notifier"
EDGE = "sip-edge"
_IDLE = 5
"""While nothing is open, one sweep of so many suffices: the first timer of a new transaction is T1."""


class Worker:
    """Delivers NOTIFYs over any bus; it has no life of its own outside `serve`."""

    def __init__(self, settings: Settings, registry: Registry, now: Callable[[], float] = clock.monotonic) -> None:
        self.serving = asyncio.Event()
        self._catching_up: asyncio.Task[None] | None = None
        self._settings = settings
        self._registry = registry
        self._now = now
        self._heads = Heads(settings.dialog_heads_max)
        self.edges = Edges(failover=settings.edge_failover, grace=settings.edge_grace_seconds)
        self.deliveries = Deliveries(
            notifier=settings.instance,
            new_branch=branches(settings.instance, secrets.token_hex(6)),
            heads=self._heads,
            transactions=ClientTransactions(settings.timers),
            limits=settings.limits,
            edges=self.edges,
        )
        self._metrics = Metrics(registry, self.deliveries, self._heads, self.edges)

    def take_members(self, members: Iterable[Member]) -> None:
        """Take who is alive: NOTIFYs leave by living edges."""
        self.edges.take({one.instance: one.sip for one in members if one.service == EDGE}, self._now())

    async def serve(self, bus: Bus, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then wait a bounded time for what is open."""
        handlers = self._handlers(bus)
        responses = subjects.notifier_responses(self._settings.instance)
        sweeping = asyncio.create_task(self._sweep_for_ever(handlers), name="sweep")
        try:
            if await unless_stopped(stop, self._listening(bus, handlers, responses)):
                await stop.wait()
            self.serving.clear()
            await bus.unsubscribe(subjects.NOTIFY)
        finally:
            sweeping.cancel()
        await self._drain(handlers)
        await bus.unsubscribe(responses)

    async def _listening(self, bus: Bus, handlers: Handlers, responses: str) -> bool:
        await bus.subscribe(responses, FrameCodec[Received](Received), handlers.on_received)
        await bus.subscribe(subjects.NOTIFY, FrameCodec[Notify](Notify), handlers.on_notify, subjects.NOTIFIERS)
        self.serving.set()
        return True

    def _handlers(self, bus: Bus) -> Handlers:
        async def catch_up() -> None:
            await bus.flush()
            handlers.hear()

        def begin() -> None:
            self._catching_up = asyncio.create_task(catch_up(), name="catch-up")

        handlers = Handlers(
            bus,
            self.deliveries,
            self.edges,
            self._metrics,
            self._now,
            standstill=Standstill(self._settings.standstill_seconds),
            catch_up=begin,
        )
        return handlers

    async def _sweep_for_ever(self, handlers: Handlers) -> None:
        while True:
            await self._sweep(handlers)

    async def _sweep(self, handlers: Handlers) -> None:
        await asyncio.sleep(self._settings.sweep_seconds * (1 if len(self.deliveries) else _IDLE))
        try:
            handlers.on_tick()
        except Exception:
            # Without sweeps nothing times out and nothing is reported: better one that is lost.
            logger.exception("sweep failed")

    async def _drain(self, handlers: Handlers) -> None:
        deadline = self._now() + self._settings.drain_seconds
        while len(self.deliveries) and self._now() < deadline:
            await self._sweep(handlers)
        if len(self.deliveries):
            logger.warning("left unanswered notifies to the cores", extra={"open": len(self.deliveries)})


class Notifier:
    """The service: joins the cluster and lets the worker work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Registry()
        self.app: FastAPI = create_app(f"lamplighter {SERVICE}", self.metrics, self.readiness)
        self._worker = Worker(settings, self.metrics)
        self._bus: NatsBus | None = None
        self._directory: Directory | None = None

    def readiness(self) -> Mapping[str, bool]:
        """Return what must hold for work to be sent here."""
        return {
            "bus": self._bus is not None and self._bus.connected,
            "directory": self._directory is not None and self._directory.synced,
            "serving": self._worker.serving.is_set(),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Join the cluster and deliver until `stop` is set."""
        settings = self.settings
        connecting = NatsBus.connect(settings.nats_url, name=settings.instance, service=SERVICE, metrics=self.metrics)
        self._bus = await unless_stopped(stop, connecting)
        if self._bus is None:
            return
        self._directory = Directory(self._bus.nc, lease_seconds=settings.lease_seconds, replicas=settings.nats_replicas)
        self._directory.on_replaced(lambda: _replaced(stop))
        try:
            await unless_stopped(stop, self._join(self._directory))
            await self._worker.serve(self._bus, stop)
        finally:
            await self._directory.close()
            await self._bus.close()

    async def _join(self, directory: Directory) -> None:
        await directory.start()
        self._worker.take_members(directory.members())
        directory.on_members(lambda: self._worker.take_members(directory.members()))
        await directory.announce(
            Member(
                service=SERVICE,
                instance=self.settings.instance,
                http=http_url(self.app),
            )
        )


def branches(instance: str, life: str) -> Callable[[], str]:
    """Return a source of branches (RFC 3261 §8.1.1.7); `life` is random, new for every process."""
    prefix = f"z9hG4bK{instance}.{life}."
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers):x}"


def _replaced(stop: asyncio.Event) -> None:
    logger.error("another process has taken our instance name")
    stop.set()


def build(environ: Mapping[str, str]) -> Notifier:
    """Return the service that `environ` describes; SettingsError when it describes none."""
    return Notifier(Settings.load(environ))
