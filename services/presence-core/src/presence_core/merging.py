"""What is known of our NOTIFYs, put into memory that was read anew from the store.

Rule 1: a delivery goes on where it was while its row has the limit of CSeq numbers that we know; another limit means
that another core has reserved numbers since. It has read the state that it told, and sees to it.
Rule 2: so we tell such a watcher when we change the state, and otherwise only when the other core may be gone.
"""

from collections.abc import Callable

from presence_core.domain.delivery import Delivery
from presence_core.domain.expiry import Wheel
from presence_core.shard import Due, Entry, Shard
from presence_core.store import PresentityKey

Recompose = Callable[[Shard, Entry], None]


def merged(before: Shard | None, fresh: Shard, recompose: Recompose, *, anew: bool) -> set[str]:
    """Put into the fresh memory what is still true of the one before; return the tags of which others have told.

    `anew`: whoever told may not be there any more.
    """
    if before is None:
        return set()
    for key, entry in fresh.entries.items():
        known = before.entries.get(key)
        if known is not None:
            _inherit(fresh, entry, known, recompose)
    others = set()
    for tag, delivery in list(fresh.deliveries.items()):
        one = before.deliveries.get(tag)
        if one is not None and one.cseq_limit == delivery.cseq_limit and not (anew and _presumed(one)):
            _carry_over(fresh, tag, delivery, one)
        else:
            _of_another(fresh, delivery, told=one is not None and not anew and one.over == delivery.over)
            others.add(tag)
    for tag, delivery in before.deliveries.items():
        if tag not in fresh.deliveries and delivery.over and (delivery.in_flight or delivery.failures):
            # Not stored, or not any more: only its last NOTIFY has to be settled.
            _keep(fresh, tag, delivery)
    fresh.in_flight = {tag: one for tag, one in before.in_flight.items() if fresh.deliveries.get(tag) is one}
    fresh.unsaved = before.unsaved & fresh.deliveries.keys() - others
    return others


def _inherit(fresh: Shard, entry: Entry, known: Entry, recompose: Recompose) -> None:
    entry.over = known.over
    if entry.over:
        # What is told of watchers tells of those who were here, too.
        recompose(fresh, entry)
    entry.inherit(known)


def _carry_over(fresh: Shard, tag: str, delivery: Delivery, known: Delivery) -> None:
    entry = fresh.entries[_key(delivery)]
    # Looked at now, so that a state that is told as another core's is not taken for the one before it.
    entry.seen(delivery.subscription.view)
    ended = delivery.over and not known.over
    known.subscription, known.held = delivery.subscription, False
    if ended:
        known.forced, known.again_at = True, 0.0
    fresh.deliveries[tag] = entry.watchers[tag] = known
    _wake(fresh.wheel, tag, known)


def _presumed(known: Delivery) -> bool:
    """Return whether that a watcher was told is only what another core's numbers made us think."""
    return not (known.reserve or known.in_flight or known.forced) and known.sent is not known.confirmed


def _of_another(fresh: Shard, delivery: Delivery, *, told: bool) -> None:
    seen = fresh.entries[_key(delivery)].seen(delivery.subscription.view)
    if delivery.sent is not None:
        delivery.sent = delivery.confirmed = seen
    elif told:
        delivery.sent, delivery.forced = seen, False


def _keep(fresh: Shard, tag: str, delivery: Delivery) -> None:
    fresh.deliveries[tag] = delivery
    fresh.add_subscription(delivery.subscription)
    entry = fresh.entries.get(_key(delivery))
    if entry is not None:
        entry.watchers[tag] = delivery
    _wake(fresh.wheel, tag, delivery)


def _wake(wheel: Wheel[tuple[Due, object]], tag: str, delivery: Delivery) -> None:
    if delivery.again_at and not delivery.in_flight:
        wheel.set((Due.RETRY, tag), delivery.again_at)


def _key(delivery: Delivery) -> PresentityKey:
    return (delivery.subscription.presentity, delivery.subscription.event)
