"""What the notifier counts (`presence_notifier_*`)."""

from collections.abc import Iterable

from lamplighter_runtime.metrics import Counter, Registry
from notifier.domain.deliveries import STILL_TRYING, Deliveries, Report
from notifier.domain.edges import Edges
from notifier.domain.notify import Heads


class Metrics:
    """Outcomes by event and status; the rest is read from the deliveries when asked for."""

    def __init__(self, registry: Registry, deliveries: Deliveries, heads: Heads, edges: Edges) -> None:
        self._notifies = registry.counter(
            "presence_notifier_notifies_total", "NOTIFYs by their final outcome.", ["event", "status"]
        )
        self._children: dict[tuple[str, int], Counter] = {}
        self._still_trying = registry.counter(
            "presence_notifier_still_trying_total", "Reports that a NOTIFY has no answer yet."
        ).labels()
        self.refusals = registry.counter(
            "presence_notifier_unbuildable_total", "NOTIFYs that could not be built."
        ).labels()
        registry.counter_from(
            "presence_notifier_retransmissions_total", "NOTIFYs sent again.", lambda: deliveries.retransmissions
        )
        registry.counter_from(
            "presence_notifier_unmatched_responses_total",
            "Responses to NOTIFYs that nobody waits for.",
            lambda: deliveries.unmatched,
        )
        registry.counter_from(
            "presence_notifier_superseded_total",
            "NOTIFYs given up because a later one of their dialog had left.",
            lambda: deliveries.superseded,
        )
        registry.counter_from(
            "presence_notifier_failed_over_total", "NOTIFYs that left by another edge than theirs.", lambda: edges.moved
        )
        registry.gauge("presence_notifier_open_transactions", "NOTIFYs without a final response.").set_function(
            lambda: len(deliveries)
        )
        registry.gauge("presence_notifier_open_bytes", "Bytes of those NOTIFYs.").set_function(
            lambda: deliveries.open_bytes
        )
        registry.gauge("presence_notifier_dialog_heads", "Dialogs with prepared header lines.").set_function(
            lambda: len(heads)
        )

    def count(self, reports: Iterable[Report]) -> None:
        """Count the outcomes of one frame."""
        tally: dict[tuple[str, int], int] = {}
        for _, event, outcome in reports:
            key = (event, outcome.status)
            tally[key] = tally.get(key, 0) + 1
        for (event, status), number in tally.items():
            self._counter(event, status).inc(number)

    def _counter(self, event: str, status: int) -> Counter:
        if status == STILL_TRYING:
            return self._still_trying
        child = self._children.get((event, status))
        if child is None:
            child = self._children[event, status] = self._notifies.labels(event, str(status))
        return child
