"""The memory of one shard: what is decided, what is committed, and where every watcher stands.

Rule 1: decisions look at what is decided; watchers see only what is committed.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from event_packages.base import EventPackage
from presence_core.domain.delivery import Delivery
from presence_core.domain.expiry import Wheel
from presence_core.domain.presentity import Presentity
from presence_core.domain.registration import Registration
from presence_core.domain.subscription import Call, Subscription
from presence_core.store import PresentityKey

logger = logging.getLogger(__name__)


class Due(StrEnum):
    """What a deadline of the wheel is about."""

    PRESENTITY = "presentity"
    SUBSCRIPTION = "subscription"
    RETRY = "retry"
    REGISTRATION = "registration"


@dataclass(slots=True, kw_only=True)
class Entry:
    """One presentity and package: publications decided and committed, the document that watchers see."""

    package: EventPackage
    decided: Presentity
    committed: Presentity
    document: bytes | None = None
    version: int = 0
    """Counts the documents; 0 before anything was known."""
    watchers: dict[str, Delivery] = field(default_factory=dict)
    wake_at: float = float("inf")

    @property
    def idle(self) -> bool:
        """Return whether nothing would be lost by forgetting the entry."""
        return not (self.watchers or self.decided.publications or self.committed.publications)

    def recompose(self, now: float) -> bool:
        """Compose the document anew from what is committed; return whether it is another one."""
        try:
            document = self.package.compose(self.committed.aor, self.committed.documents(now))
        except Exception:
            # The bug that one presentity finds must not end the core, again and again from its rows.
            logger.exception("document not composed", extra={"presentity": self.committed.aor})
            return False
        if document == self.document:
            return False
        self.document, self.version = document, self.version + 1
        return True


@dataclass(slots=True, kw_only=True)
class Shard:
    """All that one shard knows; owned by one process under `epoch`."""

    number: int
    epoch: int
    wheel: Wheel[tuple[Due, object]]
    entries: dict[PresentityKey, Entry] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    """As decided, by local tag; as committed it is in its delivery."""
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    calls: dict[Call, str] = field(default_factory=dict)
    """What names an initial SUBSCRIBE, to the local tag of its dialog."""
    per_watcher: dict[str, int] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    in_flight: dict[str, Delivery] = field(default_factory=dict)
    """Deliveries that await word of a NOTIFY, those heard of longest ago first."""
    unsaved: set[str] = field(default_factory=set)
    """Local tags whose progress has changed since it was saved."""

    def entry(self, aor: str, event: str, package: EventPackage) -> Entry:
        """Return the entry of a presentity, a new one if it is not known."""
        key = (aor, event)
        entry = self.entries.get(key)
        if entry is None:
            nothing = Presentity(aor=aor, event=event)
            entry = self.entries[key] = Entry(package=package, decided=nothing, committed=nothing)
        return entry

    def add_subscription(self, subscription: Subscription) -> None:
        """Take a subscription as decided."""
        tag = subscription.local_tag
        if tag not in self.subscriptions:
            self.per_watcher[subscription.watcher] = self.per_watcher.get(subscription.watcher, 0) + 1
        self.subscriptions[tag] = subscription
        self.calls[subscription.call] = tag

    def forget_subscription(self, tag: str) -> None:
        """Forget a subscription and its delivery."""
        subscription = self.subscriptions.pop(tag, None)
        self.deliveries.pop(tag, None)
        self.in_flight.pop(tag, None)
        self.unsaved.discard(tag)
        if subscription is None:
            return
        if self.calls.get(subscription.call) == tag:
            del self.calls[subscription.call]
        self._count_down(subscription.watcher)
        key = (subscription.presentity, subscription.event)
        entry = self.entries.get(key)
        if entry is not None:
            entry.watchers.pop(tag, None)
            self.forget_if_idle(key)

    def _count_down(self, watcher: str) -> None:
        left = self.per_watcher.get(watcher, 0) - 1
        if left > 0:
            self.per_watcher[watcher] = left
        else:
            self.per_watcher.pop(watcher, None)

    def forget_if_idle(self, key: PresentityKey) -> None:
        """Forget an entry that nobody publishes or watches."""
        entry = self.entries.get(key)
        if entry is not None and entry.idle:
            del self.entries[key]

    def heard(self, tag: str, delivery: Delivery) -> None:
        """Put a delivery behind all others that await word."""
        self.in_flight.pop(tag, None)
        self.in_flight[tag] = delivery

    def silent(self, before: float) -> Iterator[tuple[str, Delivery]]:
        """Yield and take out the deliveries last heard of before a time."""
        while self.in_flight:
            tag, delivery = next(iter(self.in_flight.items()))
            if delivery.heard >= before:
                return
            del self.in_flight[tag]
            yield tag, delivery

    def wake_entry(self, entry: Entry) -> None:
        """See to it that the entry is looked at when its next publication ends."""
        at = entry.decided.next_expiry()
        if at is not None and at < entry.wake_at:
            entry.wake_at = at
            self.wheel.set((Due.PRESENTITY, (entry.decided.aor, entry.decided.event)), at)
