"""Owners that come, go and fail."""

from collections.abc import Callable

from msgspec.structs import replace

from event_packages.base import EventPackage
from lamplighter_proto import Answer, Moved, Publish, Subscribe
from lamplighter_runtime import clock
from presence_core.domain.delivery import CSEQ_BLOCK
from presence_core.shard import document_hash
from presence_core.store import StoreAway
from presence_core.testing import Core, FakeDirectory, etag, gate, gated, statuses, successor, to_tag

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


async def test_command_while_the_store_is_away_is_refused_503(core: Core, publish: PublishBuilder) -> None:
    core.store.away = True
    core.shards.on_commands([publish()])
    await core.quiet()

    (reply,) = await core.ask(publish())

    assert isinstance(reply, Answer)
    assert reply.status == 503
    assert dict(reply.headers)["Retry-After"]


async def test_shards_are_loaded_again_when_the_store_is_back(core: Core, publish: PublishBuilder) -> None:
    (first,) = await core.ask(publish(b"open"))
    core.store.away = True
    core.shards.on_commands([publish(b"x")])
    await core.quiet()

    core.store.away = False
    await core.until(lambda: bool(core.shards.served))

    assert statuses(await core.ask(publish(b"closed", if_match=etag(first)))) == [200]


async def test_new_owner_tells_whom_it_is_not_sure_of_above_all_used_numbers(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder, package: EventPackage, directory: FakeDirectory
) -> None:
    await core.ask(publish(b"open"))
    await core.ask(subscribe(call_id="sure"), subscribe(call_id="unsure"))
    await core.confirm(targets=list(core.targets))
    sure = next(target for target in core.targets if target.dialog.call_id == "sure")
    row = core.store.subscriptions[sure.dialog.local_tag]
    core.store.subscriptions[sure.dialog.local_tag] = replace(row, notified=document_hash(b"open"))

    following = await successor(core, package, directory)
    await following.until(lambda: len(following.targets) == 1)
    await following.quiet()

    assert [(target.dialog.call_id, target.cseq) for target in following.targets] == [("unsure", CSEQ_BLOCK + 1)]
    assert following.documents == [b"open"]
    await following.die()


async def test_progress_that_is_saved_spares_the_next_owner_a_repetition(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"open"), subscribe())
    await core.confirm()

    for shard in core.shards.served.values():
        core.teller.save_all_progress(shard)
    await core.quiet()

    (row,) = core.store.subscriptions.values()
    assert row.notified == document_hash(b"open")
    assert row.cseq_limit > CSEQ_BLOCK


async def test_ended_subscription_is_told_by_the_next_owner(
    core: Core, subscribe: SubscribeBuilder, package: EventPackage, directory: FakeDirectory
) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    await core.confirm()
    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=0))

    following = await successor(core, package, directory)
    await following.until(lambda: len(following.targets) == 1)

    assert following.targets[0].state == "terminated"
    await following.die()


async def test_command_for_a_shard_of_another_core_is_moved(
    core: Core, publish: PublishBuilder, directory: FakeDirectory
) -> None:
    command = publish()
    await directory.change_table(
        lambda table: table.model_copy(
            update={
                "owners": {
                    **table.owners,
                    command.shard: table.owners[command.shard].model_copy(update={"owner": "core-2", "epoch": 9}),
                }
            }
        ),
        64,
    )

    assert await core.ask(command) == [Moved(id=command.id, shard=command.shard)]


async def test_two_cores_share_the_shards_and_hand_over(
    core: Core, package: EventPackage, directory: FakeDirectory, publish: PublishBuilder
) -> None:
    command = publish(b"open")
    await core.ask(command)
    directory.view.cores.add("core-2")
    other = Core("core-2", package, core.store, directory)
    directory.members_changed()
    await other.start()
    await core.until(lambda: len(core.shards.served) + len(other.shards.served) == 64)

    owner = core if command.shard in core.shards.served else other

    assert not set(core.shards.served) & set(other.shards.served)
    assert statuses(await owner.ask(publish(b"more"))) == [200]
    assert 16 < len(other.shards.served) < 48
    await other.die()


async def test_shards_that_were_claimed_but_never_loaded_are_left_to_whom_they_shall_belong_to(
    core: Core, package: EventPackage, directory: FakeDirectory
) -> None:
    core.store.away = True
    core.shards.drop(list(core.shards.served), StoreAway("for a while"))
    await core.until(lambda: bool(core.shards._coming))
    directory.view.cores.add("core-2")
    other = Core("core-2", package, core.store, directory)
    directory.members_changed()
    core.store.away = False

    await other.start()

    await core.until(lambda: len(core.shards.served) + len(other.shards.served) == 64)
    await other.die()


async def test_core_that_lost_its_lease_writes_and_answers_nothing(core: Core, publish: PublishBuilder) -> None:
    command = publish(b"open")
    await core.store.claim({command.shard: 1}, "core-2")
    before = len(core.replies)

    core.shards.on_commands([command])
    await core.quiet()

    assert core.replies[before:] == []
    assert core.store.publications == {}


async def test_store_away_is_no_reason_to_lose_a_claim(core: Core) -> None:
    core.shards.drop(list(core.shards.served), StoreAway("for a moment"))

    await core.until(lambda: len(core.shards.served) == 64)


async def test_what_was_pending_for_a_dropped_shard_is_forgotten(core: Core, publish: PublishBuilder) -> None:
    gate(core).clear()
    core.shards.on_commands([publish(b"1")])
    await core.quiet()
    core.shards.on_commands([publish(b"2")])
    gated(core).failures = 1

    gate(core).set()
    await core.until(lambda: not core.shards.served)
    await core.until(lambda: len(core.shards.served) == 64)
    await core.quiet()

    failures = {"reason": "Fenced"}
    assert core.metrics.registry.value("presence_core_commit_failures_total", failures) == 0
    assert core.store.publications == {}


async def test_core_that_has_lost_a_shard_unaware_does_not_say_that_something_is_not_there(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    for shard, (epoch, _) in list(core.store.leases.items()):
        core.store.leases[shard] = (epoch + 1, "core-2")
    before = len(core.replies)

    core.shards.on_commands([publish(b"closed", if_match="made elsewhere"), subscribe(to_tag="made-elsewhere")])
    await core.quiet()

    assert [reply for reply in core.replies[before:] if isinstance(reply, Answer)] == []


async def test_core_says_that_something_is_not_there_when_the_shard_is_still_its_own(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    replies = await core.ask(publish(b"closed", if_match="unknown"), subscribe(to_tag="unknown"))

    assert statuses(replies) == [412, 481]


async def test_what_was_to_be_told_of_a_dropped_shard_is_not_told(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"open"))
    await core.ask(subscribe())
    await core.confirm()
    (shard,) = [one for one in core.shards.served.values() if one.deliveries]
    (delivery,) = shard.deliveries.values()
    told = len(core.targets)
    delivery.forced = True
    core.teller.offer(shard, delivery)
    core.teller.changed(shard, next(iter(shard.entries.values())))

    core.shards.drop([shard.number])
    core.teller.tell(clock.wall())
    core.bus._flush()

    assert len(core.targets) == told
