"""What watchers are told, and when."""

from collections.abc import Callable

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Answer, Flow, Publish, Subscribe
from lamplighter_runtime import clock
from presence_core.testing import Core, FakeDirectory, etag, gate, outcome, successor, tick, to_tag

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    "test_notify_that_is_being_tried_is_waited_for",
    "test_watcher_over_tcp_that_never_answers_is_given_up",
}

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


@pytest.mark.parametrize("when", ["pending", "committed", "loaded by another"])
async def test_repeated_subscribe_makes_no_second_subscription(
    core: Core, subscribe: SubscribeBuilder, package: EventPackage, directory: FakeDirectory, when: str
) -> None:
    command = subscribe(call_id="c")
    if when == "pending":
        gate(core).clear()
        core.shards.on_commands([command, command])
        gate(core).set()
        await core.until(lambda: len(core.replies) == 2)
        first, second = core.replies
    else:
        (first,) = await core.ask(command)
        owner = core if when == "committed" else await successor(core, package, directory)
        (second,) = await owner.ask(command)
        await owner.die()

    assert to_tag(first) == to_tag(second)
    assert len(core.store.subscriptions) == 1


async def test_subscribe_is_followed_by_a_notify_with_the_state(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"open"))

    await core.ask(subscribe(expires=600))

    (target,) = core.targets
    assert (target.state, target.cseq, core.documents) == ("active", 1, [b"open"])
    assert 598 <= target.expires <= 600


async def test_every_subscribe_gets_a_notify(core: Core, subscribe: SubscribeBuilder) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    await core.confirm()

    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first)))

    assert [target.cseq for target in core.targets] == [1, 2]


async def test_states_that_pass_while_a_notify_is_in_flight_are_told_as_one(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    reply = (await core.ask(publish(b"1")))[0]
    for body in (b"2", b"3"):
        reply = (await core.ask(publish(body, if_match=etag(reply))))[0]
    assert len(core.targets) == 1

    await core.confirm()

    assert core.documents[1:] == [b"3"]


async def test_refresh_and_same_state_are_not_told(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(publish(b"open"))
    await core.ask(subscribe())
    await core.confirm()

    (second,) = await core.ask(publish(b"", if_match=etag(first)))
    await core.ask(publish(b"open", if_match=etag(second)))

    assert len(core.targets) == 1


async def test_unsubscribe_is_told_and_then_forgotten(core: Core, subscribe: SubscribeBuilder) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    await core.confirm()

    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=0))
    assert (core.targets[-1].state, core.targets[-1].reason) == ("terminated", "timeout")
    assert len(core.store.subscriptions) == 1
    await core.confirm()

    assert core.store.subscriptions == {}
    assert all(not shard.deliveries and not shard.entries for shard in core.shards.memory())


async def test_fetch_is_told_once_and_nothing_is_kept(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"open"))

    (reply,) = await core.ask(subscribe(expires=0))
    await core.confirm()

    assert isinstance(reply, Answer)
    assert dict(reply.headers)["Expires"] == "0"
    assert [(target.state, target.reason) for target in core.targets] == [("terminated", "timeout")]
    assert core.documents == [b"open"]
    assert core.store.subscriptions == {}


async def test_refused_watcher_is_forgotten(core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe())

    await core.confirm(481)
    await core.ask(publish(b"open"))

    assert len(core.targets) == 1
    assert core.store.subscriptions == {}


async def test_failing_watcher_is_tried_again_later(core: Core, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe())
    await core.confirm(408)
    assert len(core.targets) == 1

    tick(core, clock.wall() + 6)

    await core.until(lambda: len(core.targets) == 2)
    assert core.targets[1].cseq == 2


async def test_notify_without_word_is_told_again_with_a_new_cseq(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.ask(publish(b"open"))

    tick(core, clock.wall() + 4)

    await core.until(lambda: len(core.targets) == 2)
    assert (core.targets[1].cseq, core.documents[1]) == (2, b"open")


async def test_notify_that_is_being_tried_is_waited_for(core: Core, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe())
    later = clock.wall() + 4
    target = core.targets[0]
    shard = core.shards.served[target.shard]

    core.teller.on_outcome(shard, outcome(target, 100), later)
    tick(core, later + 2)
    await core.quiet()

    assert len(core.targets) == 1


async def test_publication_that_expires_is_told(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"open", expires=60), subscribe())
    await core.confirm()

    tick(core, clock.wall() + 62)
    await core.quiet()

    assert core.documents[-1] == b""


async def test_subscription_that_expires_is_told_timeout_and_forgotten(core: Core, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe(expires=60))
    await core.confirm()

    tick(core, clock.wall() + 62)
    await core.quiet()
    assert (core.targets[-1].state, core.targets[-1].reason) == ("terminated", "timeout")
    await core.confirm()

    assert core.store.subscriptions == {}


async def test_watcher_sees_what_is_committed_not_what_is_decided(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    gate(core).clear()
    core.shards.on_commands([publish(b"1")])
    await core.quiet()
    core.shards.on_commands([publish(b"2")])

    gate(core).set()
    await core.until(lambda: len(core.replies) == 3)
    assert core.documents[1:] == [b"1"]
    await core.confirm()

    assert core.documents[1:] == [b"1", b"1+2"]


async def test_unsubscribe_while_a_notify_is_in_flight_is_told_next(core: Core, subscribe: SubscribeBuilder) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=0))
    assert [target.state for target in core.targets] == ["active"]

    await core.confirm()

    assert [target.state for target in core.targets] == ["active", "terminated"]


async def test_watcher_that_begins_anew_in_its_call_loses_the_dialog_before(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(subscribe(call_id="c", cseq=1))

    (second,) = await core.ask(subscribe(call_id="c", cseq=2))

    assert to_tag(first) != to_tag(second)
    assert list(core.store.subscriptions) == [to_tag(second)]


async def test_watcher_that_uses_one_call_for_two_event_ids_has_two_subscriptions(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    first, second = await core.ask(subscribe(call_id="c", event_id="1"), subscribe(call_id="c", event_id="2"))

    assert to_tag(first) != to_tag(second)
    assert len(core.store.subscriptions) == 2


async def test_watcher_over_tcp_that_never_answers_is_given_up(core: Core, subscribe: SubscribeBuilder) -> None:
    flow = Flow(edge="edge-1", transport="TCP", local="192.0.2.1:5060", remote="192.0.2.9:5061", connection=1)
    await core.ask(subscribe(flow=flow))
    later = clock.wall()

    for _ in range(4):
        target = core.targets[-1]
        for _ in range(14):
            later += 1
            if target.dialog.local_tag in core.shards.served[target.shard].deliveries:
                core.teller.on_outcome(core.shards.served[target.shard], outcome(target, 100), later)
            tick(core, later)
        later += 60
        tick(core, later)
        await core.quiet()

    assert [target.cseq for target in core.targets] == [1, 2, 3, 4]
    assert core.store.subscriptions == {}
