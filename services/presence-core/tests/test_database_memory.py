"""What a core that reads its presentities anew keeps in memory, and what it leaves to others (store=database)."""

from collections.abc import AsyncIterator, Callable

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Publish, Subscribe
from lamplighter_proto.ownership import ShardOwner, shard_of
from lamplighter_runtime import clock
from presence_core.testing import Core, FakeDirectory, to_tag
from presence_core.testing_commands import ALICE
from presence_core.testing_cores import Cores

STORES = ["database"]
PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


@pytest.fixture
async def cores(package: EventPackage, directory: FakeDirectory) -> AsyncIterator[Cores]:
    cores = Cores(package, directory)
    await cores.start()
    yield cores
    for core in cores.all:
        await core.die()


async def test_watcher_of_whom_a_decision_was_put_off_is_told_when_the_rows_have_been_read(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    (reply,) = await core.ask(subscribe())
    await core.confirm()
    memory = core.memory()
    assert memory is not None
    delivery = memory.deliveries[to_tag(reply)]
    delivery.hold(delivery.subscription)

    await core.ask(publish(b"1"))

    assert core.documents[-1] == b"1"


async def test_progress_of_a_watcher_that_another_core_has_told_since_is_not_saved(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    reply = await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.ask(cores.other, publish(b"1"))
    stored = cores.store.subscriptions[to_tag(reply)]

    await cores.minder.save_progress()

    assert cores.store.subscriptions[to_tag(reply)] == stored


async def test_core_whose_shard_another_has_taken_forgets_who_is_watched_there(
    cores: Cores, subscribe: SubscribeBuilder
) -> None:
    await cores.ask(cores.minder, subscribe())
    await cores.settle()
    loser, winner, number = cores.minder, cores.other, shard_of(ALICE, 64)
    table = cores.directory.view.table
    assert table is not None
    owner = ShardOwner(owner=winner.settings.instance, epoch=table.owners[number].epoch + 1)

    await cores.directory.change_table(
        lambda table: table.model_copy(update={"owners": {**table.owners, number: owner}}), 64
    )

    assert loser.presentities.uses == {}
    assert number not in loser.presentities._minding.taken


async def test_progress_of_watchers_is_saved_now_and_then(core: Core, subscribe: SubscribeBuilder) -> None:
    (reply,) = await core.ask(subscribe())
    await core.confirm()
    before = core.store.subscriptions[to_tag(reply)]
    minding = core.presentities._minding

    minding.sweep(clock.wall(), saving=False)
    await core.quiet()
    kept = core.store.subscriptions[to_tag(reply)]
    minding.sweep(clock.wall(), saving=True)
    await core.quiet()

    assert kept == before
    assert before.notified is None
    assert core.store.subscriptions[to_tag(reply)].notified is not None
