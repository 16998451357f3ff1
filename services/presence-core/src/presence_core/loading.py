"""From stored rows to the memory of shards: the start of a new owner."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from event_packages.base import EventPackage
from event_packages.registry import Registry
from presence_core.deliver import Teller, document_hash
from presence_core.domain.delivery import Delivery
from presence_core.domain.expiry import Wheel
from presence_core.domain.presentity import Publication
from presence_core.domain.registration import Registration
from presence_core.domain.subscription import Status, ended
from presence_core.metrics import Metrics
from presence_core.shard import Due, Shard
from presence_core.store import ShardRows, StoredContact, StoredPublication, StoredSubscription

logger = logging.getLogger(__name__)


class Loader:
    """Builds shards; what a package does not read any more stays in the store and is counted."""

    def __init__(self, registry: Registry, teller: Teller, metrics: Metrics) -> None:
        self._registry = registry
        self._teller = teller
        self._metrics = metrics

    def build(self, rows: ShardRows, epochs: Mapping[int, int], now: float) -> dict[int, Shard]:
        """Return the shards of `epochs`; watchers that may not have the state of today are offered it."""
        shards = {number: Shard(number=number, epoch=epoch, wheel=Wheel(now)) for number, epoch in epochs.items()}
        for publication in rows.publications:
            self._add_publication(shards[publication.shard], publication)
        for shard in shards.values():
            for entry in shard.entries.values():
                entry.recompose(now)
                shard.wake_entry(entry)
        for subscription in rows.subscriptions:
            self._add_subscription(shards[subscription.shard], subscription, now)
        for contact in rows.contacts:
            _add_contact(shards[contact.shard], contact)
        for shard in shards.values():
            _wake_registrations(shard)
        return shards

    def _add_publication(self, shard: Shard, stored: StoredPublication) -> None:
        package = self._registry.get(stored.event)
        publication = None if package is None else self._parsed(package, stored.publication)
        if package is None or publication is None:
            self._metrics.unreadable.inc()
            return
        entry = shard.entry(stored.aor, stored.event, package)
        publications = (*entry.decided.publications, publication)
        entry.decided = entry.committed = replace(entry.decided, publications=publications)

    def _parsed(self, package: EventPackage, publication: Publication) -> Publication | None:
        if not publication.body:
            return publication
        try:
            return replace(publication, document=package.parse(publication.body))
        except Exception as error:
            # Whatever a row holds, the others are loaded.
            extra = {"event": package.name, "etag": publication.etag, "error": repr(error)}
            logger.warning("stored body not readable", extra=extra)
            return None

    def _add_subscription(self, shard: Shard, stored: StoredSubscription, now: float) -> None:
        subscription = stored.subscription
        package = self._registry.get(subscription.event)
        if package is None:
            return
        if subscription.expires <= now and subscription.status != Status.TERMINATED:
            subscription = ended(subscription, "timeout")
        shard.add_subscription(subscription)
        entry = shard.entry(subscription.presentity, subscription.event, package)
        delivery = Delivery(subscription=subscription, cseq=stored.cseq_limit, cseq_limit=stored.cseq_limit)
        shard.deliveries[subscription.local_tag] = entry.watchers[subscription.local_tag] = delivery
        if subscription.status == Status.TERMINATED:
            delivery.forced = True
        else:
            shard.wheel.set((Due.SUBSCRIPTION, subscription.local_tag), subscription.expires)
            if stored.notified == document_hash(entry.document):
                delivery.sent = delivery.confirmed = entry.version
        self._teller.offer(shard, delivery)


def _add_contact(shard: Shard, stored: StoredContact) -> None:
    known = shard.registrations.get(stored.aor) or Registration(aor=stored.aor)
    shard.registrations[stored.aor] = replace(known, contacts=(*known.contacts, stored.contact))


def _wake_registrations(shard: Shard) -> None:
    for registration in shard.registrations.values():
        at = registration.next_expiry()
        if at is not None:
            shard.wheel.set((Due.REGISTRATION, registration.aor), at)
