"""A PUBLISH through a whole core: what is answered and saved, and when."""

from collections.abc import Callable

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Answer, Publish, Subscribe
from presence_core.testing import Core, FakeDirectory, etag, gate, statuses, successor

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    "test_publish_whose_commit_fails_is_not_answered_and_not_told",
    "test_too_many_waiting_for_a_commit_are_refused_503",
}

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


async def test_publish_is_answered_and_told_after_the_commit_only(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    gate(core).clear()
    told, answered = len(core.targets), len(core.replies)

    core.shards.on_commands([publish(b"open")])
    await core.quiet()

    assert (len(core.targets), len(core.replies)) == (told, answered)
    gate(core).set()
    await core.quiet()
    assert statuses(core.replies[answered:]) == [200]
    assert core.documents[told:] == [b"open"]


async def test_publish_whose_commit_fails_is_not_answered_and_not_told(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    told, answered = len(core.targets), len(core.replies)
    core.store.away = True

    core.shards.on_commands([publish(b"open")])
    await core.quiet()

    assert (len(core.targets), len(core.replies)) == (told, answered)
    assert core.shards.served == {}


async def test_second_publish_of_a_batch_sees_the_first(core: Core, publish: PublishBuilder) -> None:
    (first,) = await core.ask(publish(b"1"))
    gate(core).clear()
    core.shards.on_commands([publish(b"2", if_match=etag(first))])
    core.shards.on_commands([publish(b"3", if_match=etag(first))])

    gate(core).set()
    await core.until(lambda: len(core.replies) == 3)

    assert sorted(statuses(core.replies[1:])) == [200, 412]


@pytest.mark.parametrize("when", ["pending", "committed", "loaded by another"])
async def test_repeated_publish_gets_the_same_answer(
    core: Core, publish: PublishBuilder, package: EventPackage, directory: FakeDirectory, when: str
) -> None:
    command = publish(b"open")
    if when == "pending":
        gate(core).clear()
        core.shards.on_commands([command])
        core.shards.on_commands([command])
        gate(core).set()
        await core.until(lambda: len(core.replies) == 2)
        first, second = core.replies
    else:
        (first,) = await core.ask(command)
        owner = core if when == "committed" else await successor(core, package, directory)
        (second,) = await owner.ask(command)
        await owner.die()

    assert etag(first) == etag(second)
    assert len(core.store.publications) == 1


async def test_too_many_waiting_for_a_commit_are_refused_503(core: Core, publish: PublishBuilder) -> None:
    gate(core).clear()
    core.handlers._settings = core.handlers._settings.model_copy(update={"pending_changes": 2})

    core.shards.on_commands([publish() for _ in range(2)])
    core.shards.on_commands([publish()])
    await core.quiet()

    assert statuses(core.replies) == [503]
    gate(core).set()
    await core.until(lambda: len(core.replies) == 3)


async def test_unknown_event_is_refused_489_with_those_known(core: Core, publish: PublishBuilder) -> None:
    (reply,) = await core.ask(publish(event="unknown"))

    assert isinstance(reply, Answer)
    assert (reply.status, dict(reply.headers)["Allow-Events"]) == (489, "presence")
