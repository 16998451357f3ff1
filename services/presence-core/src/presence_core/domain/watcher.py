"""Watchers of a presentity as it has decided about them (RFC 3857 §4.7.1): rows of the table `watchers`.

Rule 1: a watcher that nobody has decided about stays known when its subscription ends: it waits.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b

from presence_core.domain.subscription import Status, Subscription

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


def watcher_id(local_tag: str) -> str:
    """Return the id of a subscription in watcher information; it does not give the dialog's tag away."""
    return blake2b(local_tag.encode(), digest_size=8).hexdigest()


def noted(one: Subscription, inserted: int) -> KnownWatcher:
    """Return what is decided about the watcher of a subscription; `inserted` is now in epoch seconds."""
    return KnownWatcher(
        presentity=one.presentity,
        watcher=one.watcher,
        event=one.event,
        status=one.status,
        reason=one.reason,
        inserted=inserted,
        id=watcher_id(one.local_tag),
        display_name=one.display_name,
    )


def left(known: KnownWatcher, now: int) -> KnownWatcher | None:
    """Return what remains of a watcher without any subscription: who was pending waits; None: nothing."""
    match known.status:
        case Status.PENDING:
            return replace(known, status=Status.WAITING, reason="timeout", inserted=now)
        case Status.ACTIVE:
            return None
        case _:
            return known
