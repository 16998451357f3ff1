"""Watchers of a presentity as it has decided about them (RFC 3857 §4.7.1): rows of the table `watchers`.

Rule 1: a watcher that nobody has decided about stays known when its subscription ends: it waits.
"""

from dataclasses import dataclass

from presence_core.domain.subscription import Status

WatcherKey = tuple[str, str, str]
"""Canonical AORs of presentity and watcher, and event package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWatcher:
    """What is decided about a watcher. `inserted` is epoch seconds: when it came to this status."""

    presentity: str
    watcher: str
    event: str
    status: Status
    reason: str
    """"", or `polite-block`, `rejected`, `deactivated`, `timeout`."""
    inserted: int
    id: str
    """Names it in watcher information for as long as it waits."""
    display_name: str = ""

    @property
    def key(self) -> WatcherKey:
        """Return what there is one row for."""
        return (self.presentity, self.watcher, self.event)
