"""Deadlines: kept, moved, and found again by the next owner."""

from collections.abc import Callable

from msgspec.structs import replace

from event_packages.base import EventPackage
from lamplighter_proto import Binding, Publish, Register, Subscribe
from lamplighter_runtime import clock
from presence_core.domain.publication import TOMBSTONE_SECONDS
from presence_core.shard import Shard
from presence_core.testing import Core, FakeDirectory, etag, gate, outcome, successor, tick, to_tag

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    "test_publication_whose_refresh_is_on_its_way_to_the_store_does_not_end",
    "test_publication_whose_removal_is_on_its_way_to_the_store_ends",
    "test_what_nobody_watches_is_forgotten_when_it_ended",
    "test_bindings_are_forgotten_some_time_after_they_ended",
    "test_word_of_one_notify_does_not_hide_the_silence_of_another",
}

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]
RegisterBuilder = Callable[..., Register]
BINDING = Binding(contact="sip:alice@192.0.2.5", expires=60)


async def later(core: Core, seconds: float) -> None:
    """Let the clock say that so many seconds have passed."""
    tick(core, clock.wall() + seconds)
    await core.quiet()


def holding(core: Core) -> list[Shard]:
    return [one for one in core.shards.memory() if one.entries or one.registrations or one.deliveries]


async def test_refreshed_subscription_ends_at_its_new_time_and_not_before(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(subscribe(call_id="c", expires=60))
    await core.confirm()
    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=600))
    await core.confirm()

    await later(core, 62)
    assert core.targets[-1].state == "active"
    await later(core, 602)

    assert core.targets[-1].state == "terminated"


async def test_subscription_refreshed_for_a_shorter_time_ends_then(core: Core, subscribe: SubscribeBuilder) -> None:
    (first,) = await core.ask(subscribe(call_id="c", expires=3600))
    await core.confirm()
    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=60))
    await core.confirm()

    await later(core, 62)

    assert core.targets[-1].state == "terminated"


async def test_subscription_that_was_ended_is_not_told_again_at_its_time(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    await core.confirm()
    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=0))

    await later(core, 1.5)
    await core.confirm()

    assert [target.state for target in core.targets] == ["active", "terminated"]
    assert core.store.subscriptions == {}


async def test_refresh_that_is_saved_after_the_watcher_refused_brings_nothing_back(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    target = core.targets[0]
    core.shards.on_commands([subscribe(call_id="c", cseq=2, to_tag=to_tag(first))])
    core.shards.on_outcomes([outcome(target, 481)])

    await core.until(lambda: len(core.replies) == 2)
    await core.quiet()

    assert len(core.targets) == 1
    assert core.store.subscriptions == {}
    assert holding(core) == []


async def test_subscription_that_ends_before_it_is_saved_is_told_of_its_end_afterwards(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    gate(core).clear()
    core.shards.on_commands([subscribe(call_id="c", expires=60)])
    await core.quiet()
    now = clock.wall()
    tick(core, now + 62)

    gate(core).set()
    await core.until(lambda: bool(core.replies))
    await core.quiet()
    await core.confirm()
    tick(core, now + 64)
    await core.quiet()
    await core.confirm()

    assert core.targets[-1].state == "terminated"
    assert core.store.subscriptions == {}
    assert not any(one.deliveries for one in core.shards.memory())


async def test_subscription_that_ends_before_its_refresh_is_saved_is_told_of_its_end_once(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(subscribe(call_id="c", expires=600))
    await core.confirm()
    gate(core).clear()
    core.shards.on_commands([subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=60)])
    await core.quiet()
    now = clock.wall()
    tick(core, now + 62)

    gate(core).set()
    await core.until(lambda: len(core.replies) == 2)
    await core.quiet()
    await core.confirm()
    tick(core, now + 64)
    await core.quiet()
    await core.confirm()

    assert [target.state for target in core.targets].count("terminated") == 1
    assert not any(one.deliveries for one in core.shards.memory())


async def test_publications_end_one_after_the_other(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"1", expires=60), publish(b"2", expires=120), subscribe())
    await core.confirm()

    await later(core, 62)
    await core.confirm()
    await later(core, 122)

    assert core.documents == [b"1+2", b"2", b""]


async def test_what_nobody_watches_is_forgotten_when_it_ended(core: Core, publish: PublishBuilder) -> None:
    (first,) = await core.ask(publish(b"1"))
    await core.ask(publish(b"", if_match=etag(first), expires=0), publish(b"2", expires=60))

    await later(core, 62)
    assert len(holding(core)) == 1
    await later(core, TOMBSTONE_SECONDS + 2)

    assert holding(core) == []


async def test_bindings_are_forgotten_some_time_after_they_ended(core: Core, register: RegisterBuilder) -> None:
    await core.ask(register(BINDING))

    await later(core, 62)
    assert len(holding(core)) == 1
    await later(core, 62 + TOMBSTONE_SECONDS)

    assert holding(core) == []


async def test_next_owner_finds_every_deadline(
    core: Core,
    publish: PublishBuilder,
    subscribe: SubscribeBuilder,
    register: RegisterBuilder,
    package: EventPackage,
    directory: FakeDirectory,
) -> None:
    await core.ask(publish(b"open", expires=60), subscribe(expires=120), register(BINDING))
    await core.confirm()

    following = await successor(core, package, directory)
    await following.until(lambda: len(following.targets) == 1)
    await following.confirm()
    await later(following, 62)
    assert following.documents == [b"open", b""]
    await following.confirm()
    await later(following, 128)
    assert following.targets[-1].state == "terminated"
    await following.confirm()

    assert holding(following) == []
    await following.die()


async def test_subscription_that_ended_while_nobody_served_it_is_told_so(
    core: Core, subscribe: SubscribeBuilder, package: EventPackage, directory: FakeDirectory
) -> None:
    (reply,) = await core.ask(subscribe())
    row = core.store.subscriptions[to_tag(reply)]
    past = replace(row, subscription=replace(row.subscription, expires=int(clock.wall()) - 5))
    core.store.subscriptions[to_tag(reply)] = past

    following = await successor(core, package, directory)
    await following.until(lambda: len(following.targets) == 1)

    assert (following.targets[0].state, following.targets[0].reason) == ("terminated", "timeout")
    await following.die()


async def test_refresh_of_a_failing_watcher_is_told_at_once(core: Core, subscribe: SubscribeBuilder) -> None:
    (first,) = await core.ask(subscribe(call_id="c"))
    await core.confirm(408)

    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(first)))

    assert [target.cseq for target in core.targets] == [1, 2]


async def test_outcome_that_comes_too_late_ends_no_other_wait(core: Core, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe())
    await later(core, 4)

    core.shards.on_outcomes([outcome(core.targets[0], 200)])
    await later(core, 8)

    assert [target.cseq for target in core.targets] == [1, 2, 3]


async def test_word_of_one_notify_does_not_hide_the_silence_of_another(core: Core, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe(), subscribe())
    spoken, silent = core.targets
    core.teller.on_outcome(core.shards.served[spoken.shard], outcome(spoken, 100), clock.wall() + 3)

    await later(core, 4)

    assert [target.dialog.call_id for target in core.targets[2:]] == [silent.dialog.call_id]


async def test_publication_whose_refresh_is_on_its_way_to_the_store_does_not_end(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(publish(b"open", expires=60))
    await core.ask(subscribe())
    await core.confirm()
    told = len(core.targets)
    gate(core).clear()
    core.shards.on_commands([publish(b"", if_match=etag(first), expires=3600)])
    await core.quiet()

    await later(core, 62)
    gate(core).set()
    await core.quiet()
    await later(core, 63)

    assert len(core.targets) == told
    assert core.documents[-1] == b"open"


async def test_publication_whose_removal_is_on_its_way_to_the_store_ends(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(publish(b"open", expires=60))
    await core.ask(subscribe())
    await core.confirm()
    gate(core).clear()
    core.shards.on_commands([publish(b"", if_match=etag(first), expires=0)])
    await core.quiet()

    await later(core, 62)

    assert core.documents[-1] != b"open"
    gate(core).set()
    await core.quiet()
