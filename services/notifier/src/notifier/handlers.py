"""From frames of the bus to effects on the bus; all of it synchronous (design §3 "Frames")."""

import logging
from collections.abc import Callable

from lamplighter_proto import Notify, Received, subjects
from lamplighter_runtime.bus import Bus
from notifier.domain.deliveries import Deliveries, Effects
from notifier.domain.edges import Edges
from notifier.domain.standstill import Standstill
from notifier.metrics import Metrics

logger = logging.getLogger(__name__)


class Handlers:
    """Hands messages to the deliveries and performs what these ask for."""

    def __init__(
        self,
        bus: Bus,
        deliveries: Deliveries,
        edges: Edges,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        standstill: Standstill,
        catch_up: Callable[[], None],
    ) -> None:
        """`catch_up` is called after a standstill, and calls `hear` when what came meanwhile has been heard."""
        self._standstill, self._catch_up = standstill, catch_up
        self._deaf = 0
        self._bus = bus
        self._deliveries = deliveries
        self._edges = edges
        self._metrics = metrics
        self._clock = clock

    def on_notify(self, messages: list[Notify]) -> None:
        """Send the NOTIFYs that cores ask for."""
        now, effects = self._clock(), Effects()
        if self._stood_still(now):
            logger.info("old notifies not sent", extra={"messages": len(messages)})
            return
        for notify in messages:
            self._deliveries.begin(notify, now, effects)
        self._perform(effects, now)

    def on_received(self, messages: list[Received]) -> None:
        """Take the responses that edges received."""
        now, effects = self._clock(), Effects()
        self._stood_still(now)
        for received in messages:
            self._deliveries.receive(received, now, effects)
        self._perform(effects, now)

    def on_tick(self) -> None:
        """Do what has become due."""
        now, effects = self._clock(), Effects()
        self._stood_still(now)
        self._deliveries.sweep(now, effects)
        self._perform(effects, now)

    def hear(self) -> None:
        """Take note that all that came during a standstill has been heard."""
        self._deaf -= 1

    def _stood_still(self, now: float) -> bool:
        """Return whether what is heard now may be from before a standstill."""
        if self._standstill.look(now):
            self._deaf += 1
            logger.warning("stood still", extra={"dropped": self._deliveries.drop_all()})
            self._catch_up()
        return self._deaf > 0

    def _perform(self, effects: Effects, now: float) -> None:
        for send in effects.sends:
            self._bus.send(subjects.edge_sends(self._edges.edge_of(send.flow, now)), send)
        for core, _, outcome in effects.reports:
            self._bus.send(subjects.core_outcomes(core), outcome)
        self._metrics.count(effects.reports)
        for target, problem in effects.refusals:
            self._metrics.refusals.inc()
            logger.warning("notify not buildable", extra={"call_id": target.dialog.call_id, "problem": problem})
