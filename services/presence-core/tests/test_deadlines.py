"""Commands that are so old that their edge may have given them up (ADR 0010)."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lamplighter_proto import Answer, Moved, Publish, Subscribe
from lamplighter_runtime import clock
from presence_core.testing import Core, statuses

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


async def test_command_with_time_left_is_decided(core: Core, publish: PublishBuilder) -> None:
    replies = await core.ask(replace(publish(), deadline=clock.wall() + 4.0))

    assert statuses(replies) == [200]


@pytest.mark.parametrize("left", [0.2, -0.2, -3600.0])
async def test_command_that_is_late_is_asked_about_and_not_decided(
    core: Core, publish: PublishBuilder, left: float
) -> None:
    before = clock.wall()

    (reply,) = await core.ask(replace(publish(), deadline=before + left))

    assert isinstance(reply, Moved)
    assert before <= reply.asked <= clock.wall()
    assert core.store.publications == {}


async def test_command_that_is_still_wanted_is_decided_however_the_clock_of_its_edge_goes(
    core: Core, publish: PublishBuilder
) -> None:
    command = replace(publish(), deadline=clock.wall() - 3600.0)
    (doubt,) = await core.ask(command)
    assert isinstance(doubt, Moved)

    (reply,) = await core.ask(replace(command, asked=doubt.asked))

    assert isinstance(reply, Answer)
    assert reply.status == 200


@pytest.mark.parametrize("age", [1.5, -1.5])
async def test_old_word_of_the_edge_is_not_enough(core: Core, publish: PublishBuilder, age: float) -> None:
    now = clock.wall()

    (reply,) = await core.ask(replace(publish(), deadline=now - 1.0, asked=now - age))

    assert isinstance(reply, Moved)


async def test_subscribe_that_is_late_is_asked_about(core: Core, subscribe: SubscribeBuilder) -> None:
    (reply,) = await core.ask(replace(subscribe(), deadline=clock.wall() - 1.0))

    assert isinstance(reply, Moved)
    assert core.targets == []
