"""What an operator grants, and what is counted."""

from collections.abc import Callable

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Answer, Binding, FrameCodec, Notify, Publish, Register, Subscribe, subjects
from presence_core.deliver import TARGETS_PER_NOTIFY
from presence_core.shard import document_hash
from presence_core.testing import Core, FakeDirectory, GatedStore, etag, gate, gated, statuses, to_tag

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]
RegisterBuilder = Callable[..., Register]
CAROL = "sip:carol@example.com"
PHONE, DESK = "sip:alice@192.0.2.5", "sip:alice@192.0.2.6"


def allow(core: Core, **settings: object) -> None:
    """Set what the operator grants."""
    after = core.settings.model_copy(update=settings)
    handlers = core.handlers
    for part in (handlers, handlers._subscribing, handlers._answers, core.shards):
        part._settings = after


async def test_subscriptions_over_the_limit_of_a_watcher_are_refused_until_one_ends(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    allow(core, subscriptions_per_watcher=2)
    replies = await core.ask(*[subscribe(call_id=f"c{number}") for number in range(3)], subscribe(watcher=CAROL))
    assert sorted(statuses(replies)) == [200, 200, 200, 403]

    await core.confirm(481, targets=core.targets[:1])

    assert statuses(await core.ask(subscribe(), subscribe())) == [403, 200]


async def test_subscriptions_over_the_limit_of_a_presentity_are_refused_and_refreshes_are_not(
    core: Core, subscribe: SubscribeBuilder
) -> None:
    allow(core, subscriptions_per_presentity=1)
    (first,) = await core.ask(subscribe(call_id="c"))

    replies = await core.ask(subscribe(watcher=CAROL), subscribe(call_id="c", cseq=2, to_tag=to_tag(first)))

    assert statuses(replies) == [403, 200]


async def test_address_of_a_domain_that_is_not_ours_is_refused_404(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder, register: RegisterBuilder
) -> None:
    allow(core, domains=("example.org",))

    assert statuses(await core.ask(publish(), subscribe(), register())) == [404, 404, 404]
    assert statuses(await core.ask(publish(presentity="sip:alice@example.org"))) == [200]


async def test_commands_over_the_limit_that_wait_for_a_shard_are_refused_503(
    core: Core, publish: PublishBuilder
) -> None:
    allow(core, waiting_commands=2)
    command = publish()
    core.store.away = True
    core.shards.drop([command.shard])
    await core.until(lambda: command.shard in core.shards._coming)
    core.shards.store_away = False

    core.shards.on_commands([publish() for _ in range(3)])
    await core.quiet()
    refused = statuses(core.replies)
    core.store.away = False
    await core.until(lambda: len(core.replies) == 3)

    assert refused == [503]
    assert statuses(core.replies) == [503, 200, 200]


async def test_unknown_events_are_counted_as_one(core: Core, publish: PublishBuilder) -> None:
    await core.ask(publish(event="one"), publish(event="two"), publish())

    count = core.metrics.registry.value
    assert count("presence_core_commands_total", {"method": "PUBLISH", "event": "", "status": "489"}) == 2
    assert count("presence_core_commands_total", {"method": "PUBLISH", "event": "presence", "status": "200"}) == 1


async def test_state_for_many_watchers_is_shared_among_notifiers(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    heard: list[Notify] = []
    await core.ask(*[subscribe() for _ in range(TARGETS_PER_NOTIFY + 1)])
    await core.confirm(targets=list(core.targets))
    await core.bus.subscribe(subjects.NOTIFY, FrameCodec[Notify](Notify), heard.extend)

    await core.ask(publish(b"open"))

    assert [len(notify.targets) for notify in heard] == [TARGETS_PER_NOTIFY, 1]
    assert {notify.content_type for notify in heard} == {"text/test"}


async def test_notify_without_a_document_has_no_type(core: Core, subscribe: SubscribeBuilder) -> None:
    heard: list[Notify] = []
    await core.bus.subscribe(subjects.NOTIFY, FrameCodec[Notify](Notify), heard.extend)

    await core.ask(subscribe())

    assert [(notify.content_type, notify.document) for notify in heard] == [("", b"")]


async def test_register_is_answered_with_all_bindings_and_the_longest_time(
    core: Core, register: RegisterBuilder
) -> None:
    both = register(Binding(contact=PHONE, expires=60, q="0.5", instance="<urn:x>"), Binding(contact=DESK, expires=90))

    (first,) = await core.ask(both)
    (asked,) = await core.ask(register(cseq=2))

    assert isinstance(first, Answer)
    assert isinstance(asked, Answer)
    contacts = [value for name, value in first.headers if name == "Contact"]
    seconds = {int(value.rpartition("=")[2]) for value in contacts}
    assert [value.rpartition(";")[0] for value in contacts] == [
        f'<{PHONE}>;q=0.5;+sip.instance="<urn:x>"',
        f"<{DESK}>",
    ]
    assert seconds <= {60, 61, 90, 91}
    assert int(dict(first.headers)["Expires"]) in (90, 91)
    assert len([value for name, value in asked.headers if name == "Contact"]) == 2


async def test_answer_of_a_register_waits_for_the_commit(core: Core, register: RegisterBuilder) -> None:
    gate(core).clear()
    core.shards.on_commands([register(Binding(contact=PHONE, expires=60))])
    await core.quiet()

    assert core.replies == []
    gate(core).set()
    await core.until(lambda: statuses(core.replies) == [200])
    assert len(core.store.contacts) == 1


async def test_answer_that_was_pending_goes_with_its_shard(core: Core, publish: PublishBuilder) -> None:
    gate(core).clear()
    core.shards.on_commands([publish(b"1")])
    await core.quiet()
    core.shards.on_commands([publish(b"2")])
    gated(core).failures = 1

    gate(core).set()
    await core.until(lambda: not core.shards.served)
    await core.until(lambda: len(core.shards.served) == 64)
    await core.quiet()

    assert core.replies == []


@pytest.mark.parametrize("confirmed", [True, False])
async def test_only_the_state_that_was_confirmed_is_saved_as_such(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder, confirmed: bool
) -> None:
    (first,) = await core.ask(publish(b"1"))
    await core.ask(subscribe())
    await core.confirm()
    if not confirmed:
        await core.ask(publish(b"2", if_match=etag(first)))

    await core.shards.release(list(core.shards.served))

    (row,) = core.store.subscriptions.values()
    assert row.notified == (document_hash(b"1") if confirmed else None)


async def test_core_that_is_not_seen_alive_keeps_what_it_has(
    core: Core, publish: PublishBuilder, directory: FakeDirectory, package: EventPackage
) -> None:
    directory.view.cores = {"core-2"}
    directory.members_changed()
    await core.quiet()

    assert len(core.shards.served) == 64
    assert statuses(await core.ask(publish())) == [200]


async def test_document_too_large_for_the_bus_is_a_notify_without_a_body(
    package: EventPackage, directory: FakeDirectory, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    store = GatedStore()
    await store.open(64)
    core = Core("core-1", package, store, directory, document_limit_bytes="4")
    await core.start()
    await core.ask(subscribe())
    await core.confirm()

    await core.ask(publish(b"12345"))
    await core.confirm()
    await core.ask(publish(b"1234", if_match=next(iter(store.publications.values())).publication.etag))
    await core.die()

    assert core.documents == [b"", b"", b"1234"]
