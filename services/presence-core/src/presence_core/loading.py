"""From stored rows to the memory of shards: the start of a new owner."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from msgspec import structs

from event_packages.base import Document, EventPackage
from event_packages.errors import Forbidden
from event_packages.registry import Registry
from presence_core.authorizing import Authorizer
from presence_core.composing import Composer
from presence_core.deliver import Teller
from presence_core.domain.authorization import asker_of, ruled
from presence_core.domain.delivery import Delivery
from presence_core.domain.documents import Documents
from presence_core.domain.expiry import Wheel
from presence_core.domain.publication import Publication
from presence_core.domain.registration import Registration
from presence_core.domain.subscription import Status, Subscription, ended
from presence_core.domain.watcher import KnownWatcher
from presence_core.metrics import Metrics
from presence_core.shard import Due, Entry, Known, Shard
from presence_core.store import Ending, ShardRows, StoredContact, StoredPublication, StoredSubscription
from presence_core.watching import Watchers

logger = logging.getLogger(__name__)

AT_ONCE = 0.0
Body = tuple[str, bytes]
"""Event package and body of a publication."""


class Loader:
    """Builds shards; what a package does not read any more stays in the store and is counted."""

    def __init__(
        self,
        registry: Registry,
        composer: Composer,
        teller: Teller,
        authorizer: Authorizer,
        watchers: Watchers,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._composer = composer
        self._teller = teller
        self._authorizer = authorizer
        self._watchers = watchers
        self._metrics = metrics

    def build(
        self,
        rows: ShardRows,
        documents: Mapping[str, Documents],
        epochs: Mapping[int, int],
        now: float,
        before: Shard | None = None,
    ) -> dict[int, Shard]:
        """Return the shards of `epochs`; watchers that may not have the state of today are offered it.

        What was read `before` is not read again.
        """
        # What is over already comes up at once.
        start = now - 1.0
        shards = {number: Shard(number=number, epoch=epoch, wheel=Wheel(start)) for number, epoch in epochs.items()}
        known = _documents(before)
        for publication in rows.publications:
            self._add_publication(shards[publication.shard], publication, known)
        for ending in rows.endings:
            self._add_ending(shards[ending.shard], ending)
        for watcher in rows.watchers:
            _add_watcher(shards[watcher.shard], watcher.watcher, documents)
        for row in rows.subscriptions:
            if row.subscription.presentity in documents:
                shards[row.shard].documents[row.subscription.presentity] = documents[row.subscription.presentity]
        for subscription in sorted(rows.subscriptions, key=self._watches_watchers):
            self._add_subscription(shards[subscription.shard], subscription, now)
        for contact in rows.contacts:
            _add_contact(shards[contact.shard], contact)
        for shard in shards.values():
            self._wake(shard, now)
        return shards

    def _watches_watchers(self, row: StoredSubscription) -> bool:
        """Return whether a subscription is about others, which have to be there first."""
        package = self._registry.get(row.subscription.event)
        return package is not None and bool(package.watches)

    def _wake(self, shard: Shard, now: float) -> None:
        _wake_registrations(shard)
        for entry in shard.entries.values():
            self._compose(shard, entry, now)
            shard.wake_entry(entry)
        for aor in shard.documents:
            self._authorizer.wake(shard, aor, now)
        for (aor, _), of_presentity in shard.known.items():
            for known in of_presentity.values():
                if not known.tags:
                    shard.wheel.set((Due.WATCHER, known.watcher.key), AT_ONCE)
                if known.watcher.status == Status.WAITING:
                    # Rules that came meanwhile may be about it.
                    _decide_anew(shard, aor)

    def _compose(self, shard: Shard, entry: Entry, now: float) -> None:
        if not entry.round:
            self._composer.recompose(shard, entry, now)

    def _add_publication(self, shard: Shard, stored: StoredPublication, known: Mapping[Body, Document]) -> None:
        package = self._registry.get(stored.event)
        publication = None if package is None else self._parsed(package, stored.publication, known)
        if package is None or publication is None:
            self._metrics.unreadable.inc()
            return
        entry = shard.entry(stored.aor, stored.event, package)
        publications = (*entry.decided.publications, publication)
        entry.decided = entry.committed = structs.replace(entry.decided, publications=publications)

    def _parsed(
        self, package: EventPackage, publication: Publication, known: Mapping[Body, Document]
    ) -> Publication | None:
        if not publication.body:
            return publication
        document = known.get((package.name, publication.body))
        if document is not None:
            return structs.replace(publication, document=document)
        try:
            return structs.replace(publication, document=package.parse(publication.body))
        except Exception as error:
            # Whatever a row holds, the others are loaded.
            extra = {"event": package.name, "etag": publication.etag, "error": repr(error)}
            logger.warning("stored body not readable", extra=extra)
            return None

    def _add_ending(self, shard: Shard, ending: Ending) -> None:
        package = self._registry.get(ending.event)
        if package is not None:
            entry = shard.entry(ending.aor, ending.event, package)
            entry.decided = entry.committed = entry.decided.remembering({ending.name: ending.until})

    def _add_subscription(self, shard: Shard, stored: StoredSubscription, now: float) -> None:
        subscription = stored.subscription
        package = self._registry.get(subscription.event)
        if package is None:
            return
        if subscription.expires <= now and subscription.status != Status.TERMINATED:
            subscription = ended(subscription, "timeout")
        entry = shard.entry(subscription.presentity, subscription.event, package)
        self._compose(shard, entry, now)
        certain = self._decided(shard, package, subscription, now)
        decided = certain or structs.replace(subscription, view=None)
        shard.add_subscription(decided)
        known = shard.known.get((decided.presentity, decided.event), {}).get(decided.watcher)
        if known is not None and decided.status != Status.TERMINATED:
            known.tags.add(decided.local_tag)
        delivery = Delivery(subscription=decided, cseq=stored.cseq_limit, cseq_limit=stored.cseq_limit)
        shard.deliveries[subscription.local_tag] = entry.watchers[subscription.local_tag] = delivery
        if subscription.status == Status.TERMINATED:
            delivery.forced = True
        else:
            shard.wheel.set((Due.SUBSCRIPTION, subscription.local_tag), subscription.expires)
            seen = entry.seen(decided.view)
            if stored.notified == entry.digest(seen):
                delivery.sent = delivery.confirmed = seen
        if certain:
            self._teller.offer(shard, delivery)

    def _decided(self, shard: Shard, package: EventPackage, stored: Subscription, now: float) -> Subscription | None:
        """Return a stored subscription with what its watcher may see today.

        None: the rules say otherwise than the row. That is decided with the next tick, and nothing is told before.
        """
        try:
            verdict = self._authorizer.verdict(shard, package, asker_of(stored), now)
        except Forbidden:
            return structs.replace(stored, view=None)
        live = structs.replace(stored, status=Status.ACTIVE) if stored.status == Status.TERMINATED else stored
        after = ruled(live, live.status, verdict)
        if stored.status != Status.TERMINATED and (after.status, after.reason) != (stored.status, stored.reason):
            _decide_anew(shard, stored.presentity)
            return None
        return structs.replace(stored, view=after.view)


def _documents(before: Shard | None) -> Mapping[Body, Document]:
    return {
        (entry.package.name, publication.body): publication.document
        for entry in (before.entries.values() if before is not None else ())
        for publication in entry.committed.publications
        if publication.document is not None
    }


def _decide_anew(shard: Shard, aor: str) -> None:
    """Decide about the watchers of a presentity with the next tick."""
    shard.boundaries[aor] = AT_ONCE
    shard.wheel.set((Due.RULES, aor), AT_ONCE)


def _add_watcher(shard: Shard, watcher: KnownWatcher, documents: Mapping[str, Documents]) -> None:
    shard.known.setdefault((watcher.presentity, watcher.event), {})[watcher.watcher] = Known(watcher)
    if watcher.presentity in documents:
        shard.documents[watcher.presentity] = documents[watcher.presentity]


def _add_contact(shard: Shard, stored: StoredContact) -> None:
    known = shard.registrations.get(stored.aor) or Registration(aor=stored.aor)
    shard.registrations[stored.aor] = replace(known, contacts=(*known.contacts, stored.contact))


def _wake_registrations(shard: Shard) -> None:
    for registration in shard.registrations.values():
        at = registration.next_expiry()
        if at is not None:
            shard.wheel.set((Due.REGISTRATION, registration.aor), at)
