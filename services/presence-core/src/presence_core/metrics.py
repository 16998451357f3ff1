"""What presence-core counts (`presence_core_*`)."""

from lamplighter_runtime.metrics import Counter, Registry
from presence_core.domain.delivery import Consequence


class Metrics:
    """The counters of a core; gauges of its size are set by the shard manager."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.commands = registry.counter(
            "presence_core_commands_total", "Commands answered.", ["method", "event", "status"]
        )
        self._answered: dict[tuple[str, str, int], Counter] = {}
        self.notifies = registry.counter("presence_core_notifies_total", "NOTIFYs asked of the notifiers.").labels()
        outcomes = registry.counter(
            "presence_core_outcomes_total", "Outcomes of NOTIFYs by what they did.", ["consequence"]
        )
        self.outcomes = {one: outcomes.labels(one.value) for one in Consequence}
        self.silences = registry.counter(
            "presence_core_notifier_silences_total", "NOTIFYs told again because their notifier gave no word."
        ).labels()
        self.oversized = registry.counter(
            "presence_core_oversized_documents_total", "Documents too large to be told: NOTIFYs without a body."
        ).labels()
        self.commits = registry.counter("presence_core_commits_total", "Batches committed.").labels()
        self.rows = registry.counter("presence_core_committed_rows_total", "Rows committed.").labels()
        self.failures = registry.counter("presence_core_commit_failures_total", "Batches not committed.", ["reason"])
        self.commit_seconds = registry.histogram("presence_core_commit_seconds", "Time of a commit.").labels()
        self.asked = registry.counter(
            "presence_core_doubtful_commands_total", "Commands so old that the edge was asked whether it still waits."
        ).labels()
        self.unreadable = registry.counter(
            "presence_core_unreadable_rows_total", "Stored bodies that their package does not read."
        ).labels()

    def answered(self, method: str, event: str, status: int) -> None:
        """Count an answer; children are kept, for looking one up costs more than counting."""
        key = (method, event, status)
        child = self._answered.get(key)
        if child is None:
            child = self._answered[key] = self.commands.labels(method, event, str(status))
        child.inc()
