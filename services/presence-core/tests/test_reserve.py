"""CSeq numbers come from a reserve of the store, and none is used before it is there (design §3)."""

from collections.abc import Callable

from lamplighter_proto import Publish, Subscribe
from presence_core.domain.delivery import CSEQ_BLOCK, Delivery
from presence_core.testing import Core, gate

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


async def watched(core: Core, subscribe: SubscribeBuilder, *, left: int) -> Delivery:
    """Return the delivery of a new watcher that has confirmed the first state and has so many numbers left."""
    await core.ask(subscribe())
    await core.confirm()
    (delivery,) = (one for shard in core.shards.served.values() for one in shard.deliveries.values())
    delivery.cseq = CSEQ_BLOCK - left
    return delivery


async def test_reserve_is_filled_before_it_is_empty(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    delivery = await watched(core, subscribe, left=10)

    await core.ask(publish(b"open"))

    (row,) = core.store.subscriptions.values()
    assert core.targets[-1].cseq == CSEQ_BLOCK - 9
    assert row.cseq_limit == delivery.cseq_limit == 2 * CSEQ_BLOCK - 10


async def test_notify_without_a_reserve_waits_for_the_store(core: Core, subscribe: SubscribeBuilder) -> None:
    await watched(core, subscribe, left=0)
    gate(core).clear()

    shard = core.shards.served[core.targets[0].shard]
    (delivery,) = shard.deliveries.values()
    delivery.forced = True
    core.teller.offer(shard, delivery)
    core.teller.tell(0.0)
    await core.quiet()

    assert len(core.targets) == 1
    gate(core).set()
    await core.until(lambda: len(core.targets) == 2)
    (row,) = core.store.subscriptions.values()
    assert core.targets[1].cseq == CSEQ_BLOCK + 1
    assert row.cseq_limit == 2 * CSEQ_BLOCK
