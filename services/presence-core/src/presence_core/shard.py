"""The memory of one shard: what is decided, what is committed, and where every watcher stands.

Rule 1: decisions look at what is decided; watchers see only what is committed.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from event_packages.base import Body, EventPackage, State, View
from event_packages.winfo import Watcher
from lamplighter_proto import Command
from presence_core.domain.delivery import NOTHING, Delivery, Seen
from presence_core.domain.documents import Documents
from presence_core.domain.expiry import Wheel
from presence_core.domain.publication import Presentity
from presence_core.domain.registration import Registration
from presence_core.domain.subscription import Call, Subscription
from presence_core.domain.watcher import KnownWatcher
from presence_core.store import PresentityKey

logger = logging.getLogger(__name__)

LAST_ENDED = 64
"""Ended subscriptions of a presentity that are remembered for those who watch its watchers."""


class Due(StrEnum):
    """What a deadline of the wheel is about."""

    PRESENTITY = "presentity"
    SUBSCRIPTION = "subscription"
    RETRY = "retry"
    REGISTRATION = "registration"
    RULES = "rules"
    WATCHER = "watcher"


def document_hash(document: bytes) -> int:
    """Return the signed 64-bit hash by which a confirmed document is remembered."""
    return int.from_bytes(blake2b(document, digest_size=8).digest(), "big", signed=True)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One presentity and package: publications decided and committed, the state that watchers see."""

    package: EventPackage
    decided: Presentity
    committed: Presentity
    state: State | None = None
    round: int = 0
    """Counts the states; 0 before the first was composed."""
    sphere: str | None = None
    """The sphere of the presentity in which its watchers were decided about last; None: not known."""
    watchers: dict[str, Delivery] = field(default_factory=dict)
    over: deque[Watcher] = field(default_factory=lambda: deque(maxlen=LAST_ENDED))
    """Watchers that ended last, where these are what is watched."""
    wake_at: float = float("inf")
    _seen: dict[View, Seen] = field(default_factory=dict)
    _last_view: View | None = None
    _last_seen: Seen = NOTHING

    @property
    def idle(self) -> bool:
        """Return whether nothing would be lost by forgetting the entry."""
        known = self.decided.publications or self.committed.publications or self.decided.endings
        return not (self.watchers or known)

    def become(self, state: State | None) -> bool:
        """Take a state; return whether it is another one."""
        if self.round and state == self.state:
            return False
        self.state, self.round = state, self.round + 1
        if len(self._seen) > len(self.watchers) + LAST_ENDED:
            self._forget_views()
        return True

    def seen(self, view: View | None) -> Seen:
        """Return what a view leaves of the state; the same object for as long as it is the same."""
        if view is None:
            return NOTHING
        # To look up a view means to hash all that it permits; most ask for the one that was asked for last.
        if view is self._last_view and self._last_seen.round == self.round:
            return self._last_seen
        seen = self._seen.get(view)
        if seen is None or seen.round != self.round:
            seen = self._seen[view] = self._looked(view, seen)
        self._last_view, self._last_seen = view, seen
        return seen

    def _looked(self, view: View, before: Seen | None) -> Seen:
        try:
            neutral = view.polite
            state = self.package.compose(self.committed.aor, ()) if neutral else self.package.seen(self.state, view)
        except Exception:
            # Who cannot be shown what he may see is shown nothing.
            logger.exception("view not made", extra={"presentity": self.committed.aor})
            state = None
        if before is None or before.state != state:
            return Seen(state, self.round)
        before.round = self.round
        return before

    def inherit(self, before: "Entry") -> None:
        """Go on where an entry of the same presentity and package was, so that who has the state is known."""
        self.round = before.round if before.state == self.state else before.round + 1
        self._last_view = None
        self._seen, self.over, self.sphere = before._seen, before.over, before.sphere

    def _forget_views(self) -> None:
        used = {one.subscription.view for one in self.watchers.values()}
        self._seen = {view: seen for view, seen in self._seen.items() if view in used}

    def body(self, seen: Seen, base: Seen | None, now: float) -> Body | None:
        """Return the body that tells what is seen to a watcher who has `base`; None when there is nothing to tell."""
        try:
            return self.package.body(seen.state, None if base is None else base.state, int(now))
        except Exception:
            logger.exception("document not written", extra={"presentity": self.committed.aor})
            return None

    def digest(self, seen: Seen) -> int:
        """Return the hash by which it is remembered what a watcher has confirmed."""
        if seen.digest is None:
            body = self.body(seen, None, 0)
            seen.digest = document_hash(b"" if body is None else body.document)
        return seen.digest


@dataclass(slots=True)
class Known:
    """A watcher that is decided about or waits, and the local tags of its subscriptions."""

    watcher: KnownWatcher
    tags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Parked:
    """Commands that wait for documents; `until` is the epoch second after which those of the table will do."""

    until: float
    commands: dict[tuple[str, int], Command] = field(default_factory=dict)
    """By edge and number: an edge sends a command again until it is answered."""


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
    documents: dict[str, Documents] = field(default_factory=dict)
    """XCAP documents of presentities that are watched or about whose watchers something is known, by AOR."""
    known: dict[PresentityKey, dict[str, Known]] = field(default_factory=dict)
    """What is decided about watchers, by presentity and then by watcher, where rules decide."""
    boundaries: dict[str, float] = field(default_factory=dict)
    """When the validity of a rule begins or ends next, in epoch seconds, by AOR."""
    parked: dict[str, Parked] = field(default_factory=dict)
    """Commands that wait for the XCAP documents of their presentity, by AOR."""
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

    def known_of(self, aor: str, event: str) -> list[Known]:
        """Return what is decided about the watchers of a presentity."""
        return list(self.known.get((aor, event), {}).values())

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

    def is_silent(self, before: float) -> bool:
        """Return whether some delivery was last heard of before a time."""
        return bool(self.in_flight) and next(iter(self.in_flight.values())).heard < before

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
            entry.wake_at = float(at)
            self.wheel.set((Due.PRESENTITY, (entry.decided.aor, entry.decided.event)), at)
