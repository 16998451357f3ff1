"""What xcap-sync counts (`presence_xcap_sync_*`)."""

from collections.abc import Callable

from lamplighter_runtime.metrics import Registry
from xcap_sync.client import Outcome


class Metrics:
    """Fetches by outcome, refreshes and documents."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        fetches = registry.counter("presence_xcap_sync_fetches_total", "GETs by their outcome.", ["outcome"])
        self.fetches = {outcome: fetches.labels(outcome.value) for outcome in Outcome}
        refreshes = registry.counter("presence_xcap_sync_refreshes_total", "Refreshes by what came of them.", ["step"])
        self.refreshes_sent = refreshes.labels("sent")
        self.refreshes_confirmed = refreshes.labels("confirmed")
        self.refreshes_given_up = refreshes.labels("given_up")
        documents = registry.counter("presence_xcap_sync_documents_total", "Rows of xcap that changed.", ["change"])
        self.stored = documents.labels("stored")
        self.removed = documents.labels("removed")
        self.refused_users = registry.counter(
            "presence_xcap_sync_refused_users_total", "Wanted users over the limit, whose documents are not fetched."
        ).labels()
        self._commands = registry.counter(
            "presence_xcap_sync_commands_total", "Commands over HTTP by their answer.", ["command", "status"]
        )

    def count_command(self, command: str, status: int) -> None:
        """Count a command; its name is one of ours."""
        self._commands.labels(command, str(status)).inc()

    def watch_pending(self, read: Callable[[], int]) -> None:
        """Read the number of refreshes under way whenever it is asked for."""
        name = "presence_xcap_sync_pending_refreshes"
        self._registry.gauge(name, "Refreshes without a confirmation.").set_function(read)

    def watch_wanted(self, read: Callable[[], int]) -> None:
        """Read the number of wanted users whenever it is asked for."""
        name = "presence_xcap_sync_wanted_users"
        self._registry.gauge(name, "Users whose documents are fetched.").set_function(read)
