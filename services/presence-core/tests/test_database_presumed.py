"""What a core presumes of NOTIFYs that another has sent (store=database), and when it does not."""

from collections.abc import AsyncIterator, Callable

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Publish, Subscribe
from lamplighter_runtime import clock
from presence_core.testing import FakeDirectory, etag
from presence_core.testing_commands import ALICE
from presence_core.testing_cores import Cores, settle_once

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


@pytest.fixture
async def cores(package: EventPackage, directory: FakeDirectory) -> AsyncIterator[Cores]:
    cores = Cores(package, directory)
    await cores.start()
    yield cores
    for core in cores.all:
        await core.die()


async def test_what_was_taken_for_told_is_told_when_the_other_core_lets_go_without_success(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    reply = await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.ask(cores.other, publish(b"1"))
    minder = cores.minder
    minder.presentities._looking.add([minder.presentities.uses[ALICE]])
    await cores.quiet()
    told = len(minder.targets)

    await settle_once(cores.other, 503)
    await cores.tick(clock.wall() + 1)
    await cores.settle()

    assert minder.documents[told:] == [b"1"]
    assert cores.last(reply) == b"1"


async def test_state_that_comes_back_is_told_after_another_core_told_a_different_one(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    answer = await cores.ask(cores.minder, publish(b"1"))
    reply = await cores.ask(cores.other, subscribe())
    await cores.settle()
    await cores.other.save_progress()
    minder = cores.minder
    minder.presentities._looking.add([minder.presentities.in_use(ALICE)], anew=True)
    await cores.quiet()

    answer = await cores.ask(cores.other, publish(b"2", if_match=etag(answer)))
    await settle_once(cores.other, 200)
    await cores.ask(minder, publish(b"1", if_match=etag(answer)))
    await cores.settle()

    assert cores.last(reply) == b"1"


async def test_state_that_comes_back_is_told_after_another_core_told_a_different_one_with_numbers_that_it_had(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    minder, other = cores.minder, cores.other
    answer = await cores.ask(minder, publish(b"0"))
    reply = await cores.ask(minder, subscribe())
    await cores.settle()
    answer = await cores.ask(other, publish(b"1", if_match=etag(answer)))
    minder.presentities._looking.add([minder.presentities.uses[ALICE]])
    await cores.quiet()
    answer = await cores.ask(other, publish(b"2", if_match=etag(answer)))
    await settle_once(other, 200)

    await cores.ask(minder, publish(b"1", if_match=etag(answer)))
    await cores.settle()

    assert cores.last(reply) == b"1"
