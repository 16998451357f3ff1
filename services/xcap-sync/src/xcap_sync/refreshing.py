"""Tells cores that documents have changed until they confirm it."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from lamplighter_proto import Refresh, Refreshed, subjects
from lamplighter_runtime.bus import Bus
from xcap_sync.domain.refreshes import Done, Refreshes
from xcap_sync.metrics import Metrics

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 0.2


class Cores(Protocol):
    """What is known of the cores."""

    def owner_of(self, shard: int) -> str | None:
        """Return the core that owns a shard, None while nobody does."""

    def all(self) -> Collection[str]:
        """Return every core that may hold something."""


class Refresher:
    """Sends what is pending in `Refreshes`, at once and again, to whoever owns the shard then."""

    def __init__(
        self, bus: Bus, cores: Cores, refreshes: Refreshes, metrics: Metrics, now: Callable[[], float]
    ) -> None:
        self._bus = bus
        self._cores = cores
        self._refreshes = refreshes
        self._metrics = metrics
        self._now = now
        self._scheduled = False
        self._missed = False

    def refresh(self, presentity: str, done: Done | None = None) -> None:
        """Have a presentity decided anew; `done` hears whether its core confirmed."""
        self._refreshes.ask(presentity, self._now(), done)
        self._schedule()

    def refresh_all(self) -> None:
        """Have everything decided anew by every core, because it is not known what changed."""
        self._refreshes.ask_all(self._cores.all(), self._now())
        self._schedule()

    def _schedule(self) -> None:
        """Send in this loop turn, together with whatever else is asked for in it."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send_fresh)

    def _send_fresh(self) -> None:
        self._scheduled = False
        self._send(self._refreshes.fresh(self._now(), self._cores.owner_of))

    def _send(self, sends: Iterable[tuple[str, Refresh]]) -> None:
        for core, refresh in sends:
            self._bus.send(subjects.core_refreshes(core), refresh)
            self._metrics.refreshes_sent.inc()

    def on_refreshed(self, messages: list[Refreshed]) -> None:
        """Take the confirmations of a frame."""
        for message in messages:
            if self._refreshes.confirmed(message.id, self._now()):
                self._metrics.refreshes_confirmed.inc()
        self._schedule()

    def on_tick(self) -> None:
        """Send again what nobody confirmed, and give up what has waited too long."""
        self._refreshes.forget_cores(self._cores.all())
        for presentity in self._refreshes.given_up(self._now()):
            self._metrics.refreshes_given_up.inc()
            self._missed = self._missed or not self._bus.connected
            logger.warning("no core confirmed a refresh", extra={"presentity": presentity})
        if self._missed and self._bus.connected:
            # What was given up while the bus was away was heard by nobody.
            self._missed = False
            self.refresh_all()
        self._send(self._refreshes.due(self._now(), self._cores.owner_of))

    async def sweep_for_ever(self) -> None:
        """Call `on_tick` now and then; never returns."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                self.on_tick()
            except Exception:
                # Without sweeps nothing is sent again: better one that is lost.
                logger.exception("sweep failed")
