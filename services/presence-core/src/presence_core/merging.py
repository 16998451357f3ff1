"""What is known of our NOTIFYs, put into memory that was read anew from the store.

Rule 1: a delivery goes on where it was while its row has the limit of CSeq numbers that we reserved; another limit
means that another core has sent since.
"""

from presence_core.domain.delivery import Delivery
from presence_core.shard import Shard
from presence_core.store import PresentityKey

NEVER = float("inf")


def merged(before: Shard | None, fresh: Shard) -> Shard:
    """Return the fresh memory with what is still true of the one before."""
    if before is None:
        return fresh
    for key, entry in fresh.entries.items():
        known = before.entries.get(key)
        if known is not None:
            entry.inherit(known)
    for tag, delivery in list(fresh.deliveries.items()):
        _carry_over(fresh, tag, delivery, before.deliveries.get(tag))
    for tag, delivery in before.deliveries.items():
        if tag not in fresh.deliveries and delivery.over and delivery.in_flight:
            # Not stored, or not any more: only the outcome of its last NOTIFY is awaited.
            _keep(fresh, tag, delivery)
    fresh.in_flight = {tag: one for tag, one in before.in_flight.items() if fresh.deliveries.get(tag) is one}
    fresh.unsaved = before.unsaved & fresh.deliveries.keys()
    return fresh


def _carry_over(fresh: Shard, tag: str, delivery: Delivery, known: Delivery | None) -> None:
    entry = fresh.entries[_key(delivery)]
    if known is not None and known.cseq_limit == delivery.cseq_limit:
        known.subscription, known.forced = delivery.subscription, known.forced or delivery.forced
        known.again_at = 0.0 if known.again_at == NEVER else known.again_at
        fresh.deliveries[tag] = entry.watchers[tag] = known
    elif delivery.sent is not None:
        delivery.sent = delivery.confirmed = entry.seen(delivery.subscription.view)


def _keep(fresh: Shard, tag: str, delivery: Delivery) -> None:
    fresh.deliveries[tag] = delivery
    fresh.add_subscription(delivery.subscription)
    entry = fresh.entries.get(_key(delivery))
    if entry is not None:
        entry.watchers[tag] = delivery


def _key(delivery: Delivery) -> PresentityKey:
    return (delivery.subscription.presentity, delivery.subscription.event)
