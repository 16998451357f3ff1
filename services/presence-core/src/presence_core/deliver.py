"""Telling watchers: from changed states and offers to Notify messages, and from outcomes back (RFC 6665 §4.2.2).

Rule 1: whoever has to be shown less is decided about before anything is shown.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from itertools import islice

from event_packages.base import Body
from lamplighter_proto import Notify, Outcome, Target, subjects
from presence_core.commits import Commits
from presence_core.composing import Composer
from presence_core.domain.delivery import CSEQ_BLOCK, Consequence, Delivery, Patience, Seen
from presence_core.domain.subscription import STATE_NAMES, Status, Subscription
from presence_core.metrics import Metrics
from presence_core.outbox import Sender
from presence_core.pacing import Pacing
from presence_core.shard import Due, Entry, Shard
from presence_core.store import Progress

logger = logging.getLogger(__name__)

TARGETS_PER_NOTIFY = 200
"""So that one message stays well below a frame's limit and a large fan-out is shared by the notifiers."""
STILL_TRYING = 100
LONG_SILENCES = 3
"""How many silences of a notifier word of a NOTIFY over a connection is believed."""

Recomposed = Callable[[Shard, Entry, float], None]
Removed = Callable[[Shard, Subscription, float], None]


class Teller:
    """Gathers who has to hear what, and tells them once per batch.

    `partial_events` are packages whose changes are told by partial documents where a watcher has what they build on;
    watcher information always is. `at_a_time` are NOTIFYs about one change of one presentity.
    """

    def __init__(
        self,
        bus: Sender,
        committer: Commits,
        composer: Composer,
        metrics: Metrics,
        *,
        core: str,
        patience: Patience,
        silence: float,
        partial_events: Iterable[str] = (),
        document_limit: int = 900_000,
        at_a_time: int = 1_000,
    ) -> None:
        self._bus = bus
        self._committer = committer
        self._composer = composer
        self._metrics = metrics
        self._core = core
        self._patience = patience
        self._silence = silence
        self._partial_events = frozenset(partial_events)
        self._document_limit = document_limit
        self._pacing = Pacing(at_a_time)
        self._changed: dict[int, tuple[Shard, Entry]] = {}
        self._offered: dict[str, tuple[Shard, Delivery]] = {}

    def use(self, recomposed: Recomposed, removed: Removed) -> None:
        """Take who decides anew before a changed state is told, and who hears of removed subscriptions."""
        self._recomposed, self._removed = recomposed, removed

    def changed(self, shard: Shard, entry: Entry) -> None:
        """Take note that the committed state of a presentity may be another one."""
        self._changed[id(entry)] = (shard, entry)

    def offer(self, shard: Shard, delivery: Delivery) -> None:
        """Take note that a watcher may have to hear of its state."""
        self._offered[delivery.subscription.local_tag] = (shard, delivery)

    def forget(self) -> None:
        """Tell nothing of what was to be told."""
        self._changed.clear()
        self._offered.clear()
        self._pacing.forget()

    def forget_shards(self, numbers: Collection[int]) -> None:
        """Tell nothing of what was to be told of shards that are not ours any more."""
        self._changed = {key: one for key, one in self._changed.items() if one[0].number not in numbers}
        self._offered = {tag: one for tag, one in self._offered.items() if one[0].number not in numbers}
        self._pacing.forget_shards(numbers)

    def tell(self, now: float) -> None:
        """Send what has to be sent."""
        while self._changed:
            changed, self._changed = self._changed, {}
            for shard, entry in changed.values():
                self._tell_change(shard, entry, now)
        if self._offered:
            offered, self._offered = self._offered, {}
            for shard, delivery in offered.values():
                self._tell_offered(shard, delivery, now)
        if self._pacing:
            for shard, entry, deliveries in self._pacing.next(now):
                self._notify(shard, entry, deliveries, now)

    def _tell_offered(self, shard: Shard, delivery: Delivery, now: float) -> None:
        subscription = delivery.subscription
        entry = shard.entries.get((subscription.presentity, subscription.event))
        if entry is not None and shard.deliveries.get(subscription.local_tag) is delivery:
            if not entry.round:
                self._composer.recompose(shard, entry, now)
            if delivery.due(entry.seen(subscription.view), now):
                self._notify(shard, entry, (delivery,), now)

    def _tell_change(self, shard: Shard, entry: Entry, now: float) -> None:
        changed = self._composer.recompose(shard, entry, now)
        self._recomposed(shard, entry, now)
        if changed:
            self._notify(shard, entry, self._pacing.first(shard, entry, now), now)
            for user in self._composer.users(shard, entry):
                self.changed(shard, user)

    def _notify(self, shard: Shard, entry: Entry, deliveries: Iterable[Delivery], now: float) -> None:
        groups: dict[tuple[int, int], tuple[Seen, Seen | None, list[Delivery]]] = {}
        partial = bool(entry.package.watches) or entry.package.name in self._partial_events
        for one in deliveries:
            seen = entry.seen(one.subscription.view)
            if not one.due(seen, now):
                continue
            if one.reserve < CSEQ_BLOCK // 2:
                self.save_progress(shard, one.subscription.local_tag, one)
            if not one.reserve:
                continue
            base = one.base if partial else None
            group = groups.setdefault((id(seen), id(base)), (seen, base, []))
            group[2].append(one)
        for seen, base, group_of in groups.values():
            body = self._within_limit(entry, entry.body(seen, base, now))
            self._send(entry.package.name, body, [self._target(shard, seen, one, now) for one in group_of])
            for one in group_of if body is None else ():
                one.whole = True

    def _within_limit(self, entry: Entry, body: Body | None) -> Body | None:
        """Return the body, or none instead of one that the bus does not carry: it would be tried for ever."""
        if body is None or len(body.document) <= self._document_limit:
            return body
        self._metrics.oversized.inc()
        extra = {"presentity": entry.committed.aor, "event": entry.package.name, "bytes": len(body.document)}
        logger.warning("document too large to be told", extra=extra)
        return None

    def _send(self, event: str, body: Body | None, targets: list[Target]) -> None:
        for start in range(0, len(targets), TARGETS_PER_NOTIFY):
            notify = Notify(
                core=self._core,
                event=event,
                content_type=body.content_type if body else "",
                document=body.document if body else b"",
                targets=tuple(targets[start : start + TARGETS_PER_NOTIFY]),
                version_at=body.version_at if body else -1,
            )
            self._bus.send(subjects.NOTIFY, notify)
        self._metrics.notifies.inc(len(targets))

    def _target(self, shard: Shard, seen: Seen, delivery: Delivery, now: float) -> Target:
        subscription = delivery.subscription
        cseq = delivery.send(seen, now)
        shard.heard(subscription.local_tag, delivery)
        return Target(
            shard=shard.number,
            presentity=subscription.presentity,
            dialog=subscription.dialog,
            cseq=cseq,
            version=cseq - 1,
            state=STATE_NAMES[subscription.status],
            expires=max(0, int(subscription.expires - now)),
            reason=subscription.reason if subscription.status == Status.TERMINATED else "",
        )

    def on_outcome(self, shard: Shard, outcome: Outcome, now: float) -> None:
        """Take the outcome of a NOTIFY, or word that it is still being tried."""
        delivery = shard.deliveries.get(outcome.local_tag)
        if delivery is None or delivery.in_flight != outcome.cseq:
            return
        if outcome.status == STILL_TRYING:
            if delivery.still_tried(LONG_SILENCES * self._silence, now):
                shard.heard(outcome.local_tag, delivery)
            return
        shard.in_flight.pop(outcome.local_tag, None)
        self._settle(shard, delivery, outcome.status, outcome.retry_after, now)

    def _settle(self, shard: Shard, delivery: Delivery, status: int, retry_after: int, now: float) -> None:
        tag = delivery.subscription.local_tag
        consequence = delivery.settle(delivery.in_flight, status, retry_after, self._patience, now)
        waits = bool(self._pacing) and self._pacing.settled(shard, delivery)
        if consequence is Consequence.CONFIRMED:
            self._confirmed(shard, tag, delivery, now, waits=waits)
        elif consequence is Consequence.TRY_AGAIN:
            shard.wheel.set((Due.RETRY, tag), delivery.again_at)
        elif consequence is Consequence.ENDS:
            self._end(shard, delivery, status, now)
        if consequence is not None:
            self._metrics.outcomes[consequence].inc()

    def _confirmed(self, shard: Shard, tag: str, delivery: Delivery, now: float, *, waits: bool) -> None:
        if delivery.over and not delivery.forced:
            self.remove(shard, tag, now)
            return
        shard.unsaved.add(tag)
        if not waits:
            self.offer(shard, delivery)

    def _end(self, shard: Shard, delivery: Delivery, status: int, now: float) -> None:
        subscription = delivery.subscription
        logger.info(
            "subscription ended by its watcher's answer",
            extra={"status": status, "presentity": subscription.presentity, "call_id": subscription.dialog.call_id},
        )
        self.remove(shard, subscription.local_tag, now)

    def remove(self, shard: Shard, tag: str, now: float) -> None:
        """Forget a subscription, here and in the store."""
        subscription = shard.subscriptions.get(tag)
        if subscription is None:
            return
        self._committer.changes(shard.number, shard.epoch).gone[tag] = shard.number
        shard.forget_subscription(tag)
        self._removed(shard, subscription, now)

    def sweep(self, shard: Shard, now: float) -> None:
        """Tell again what got lost with a notifier that gives no word, and who has waited for others."""
        self._pacing.on_tick(shard)
        for _, delivery in shard.silent(now - self._silence):
            if now - delivery.left_at > LONG_SILENCES * self._silence:
                # It was tried for long: not the notifier is dead, but the watcher.
                self._settle(shard, delivery, 408, 0, now)
                continue
            delivery.silent(now)
            self._metrics.silences.inc()
            self.offer(shard, delivery)

    def save_progress(self, shard: Shard, tag: str, delivery: Delivery) -> None:
        """Save how far a delivery has come, and reserve its next CSeq numbers."""
        if tag not in shard.subscriptions:
            return
        shard.unsaved.discard(tag)
        limit = delivery.cseq + CSEQ_BLOCK
        self._committer.changes(shard.number, shard.epoch).progress[tag] = Progress(
            shard=shard.number, local_tag=tag, cseq_limit=limit, notified=self._notified(shard, delivery)
        )
        self._committer.saved(shard.number, self._reserved, shard, delivery, limit)

    def _reserved(self, shard: Shard, delivery: Delivery, limit: int) -> None:
        delivery.cseq_limit = max(delivery.cseq_limit, limit)
        self.offer(shard, delivery)

    def _notified(self, shard: Shard, delivery: Delivery) -> int | None:
        """Return the hash of what the watcher surely has, None when that is not today's state."""
        subscription = delivery.subscription
        entry = shard.entries.get((subscription.presentity, subscription.event))
        if entry is None or delivery.confirmed is None or delivery.confirmed is not entry.seen(subscription.view):
            return None
        return entry.digest(delivery.confirmed)

    def save_all_progress(self, shard: Shard, most: int | None = None) -> None:
        """Save the progress of everybody whose progress is not saved, or of so many at most."""
        for tag in tuple(islice(shard.unsaved, most)):
            shard.unsaved.discard(tag)
            delivery = shard.deliveries.get(tag)
            if delivery is not None:
                self.save_progress(shard, tag, delivery)
