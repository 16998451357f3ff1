"""A core that uses presentities one by one (store=database): what is read, said, waited for and forgotten."""

from collections.abc import Callable

import msgspec

from lamplighter_proto import Publish, Refresh, Subscribe, Wanted
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from presence_core.domain.delivery import CSEQ_BLOCK
from presence_core.testing import Core, etag, statuses, tick, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    StartCore,
    confirmations,
    dialog_info,
    handled,
    pidf,
    put_rules,
    refresh,
    sent_to_xcap_sync,
    settle,
    states,
    told,
    watching,
)

STORES = ["database"]
PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]
MEETING = pidf(("t1", "meeting"))


async def later(core: Core, now: float) -> None:
    """Let the clock say `now`."""
    tick(core, now)
    await core.quiet()


# --- rows


async def test_publication_that_another_program_removed_is_gone_at_the_next_use(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(publish(b"1"))
    (reply,) = await core.ask(subscribe(call_id="c"))
    await core.confirm()
    core.store.publications.clear()

    replies = await core.ask(publish(b"2", if_match=etag(first)))
    await core.ask(subscribe(call_id="c", cseq=2, to_tag=to_tag(reply)))

    assert statuses(replies) == [412]
    assert core.documents[-1] == b""


async def test_publication_that_another_program_brought_is_told_at_the_next_use(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(publish(b"1"))
    await core.ask(subscribe())
    await core.confirm()
    ((key, row),) = core.store.publications.items()
    theirs = msgspec.structs.replace(
        row.publication, pub="theirs", etag="theirs", body=b"theirs", modified=row.publication.modified - 1
    )
    core.store.publications[(*key[:2], "theirs")] = msgspec.structs.replace(row, publication=theirs)

    await core.ask(publish(b"2"))

    assert core.documents[-1] == b"theirs+1+2"


async def test_rules_that_changed_without_word_count_at_the_next_use(start: StartCore, commands: Commands) -> None:
    core = await start()
    put_rules(core, handled("allow"))
    reply = await watching(core, commands.subscribe())

    put_rules(core, handled("block"))
    await core.ask(commands.pidf(MEETING))
    await settle(core)

    assert states(core, reply) == [("active", ""), ("terminated", "rejected")]
    assert "meeting" not in told(core, reply)[-1].document


# --- time


async def test_numbers_are_reserved_with_the_change_that_needs_them(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    memory = core.memory()
    assert memory is not None
    (delivery,) = memory.deliveries.values()
    delivery.cseq = CSEQ_BLOCK
    before = core.turns.taken

    await core.ask(publish(b"1"))

    (row,) = core.store.subscriptions.values()
    assert core.turns.taken == before + 1
    assert (core.targets[-1].cseq, row.cseq_limit) == (CSEQ_BLOCK + 1, 2 * CSEQ_BLOCK)


async def test_watcher_that_fails_is_tried_again_in_time_whatever_is_done_meanwhile(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    (first,) = await core.ask(publish(b"1"))
    await core.ask(subscribe())
    now = clock.wall()
    await core.confirm(503)
    await core.ask(publish(b"", if_match=etag(first)))
    assert len(core.targets) == 1

    await later(core, now + 4)
    assert len(core.targets) == 1
    await later(core, now + 6)

    assert core.documents == [b"1", b"1"]


async def test_silent_notifier_is_not_waited_for(core: Core, subscribe: SubscribeBuilder) -> None:
    await core.ask(subscribe())
    now = clock.wall()

    await later(core, now + 2)
    assert len(core.targets) == 1
    await later(core, now + 4)

    assert len(core.targets) == 2


async def test_end_of_a_subscription_is_told_once_while_others_publish(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe(expires=60))
    await core.confirm()
    now = clock.wall()
    await later(core, now + 62)
    await core.ask(publish(b"1"))
    await core.ask(publish(b"2"))

    await core.confirm()
    await core.ask(publish(b"3"))

    assert [target.state for target in core.targets] == ["active", "terminated"]
    assert core.store.subscriptions == {}


async def test_presentity_at_rest_is_not_looked_at(start: StartCore, commands: Commands) -> None:
    core = await start()
    await watching(core, commands.subscribe())
    await watching(core, commands.subscribe(event="presence.winfo", watcher=ALICE))
    await core.ask(commands.pidf(MEETING))
    await settle(core)
    await core.save_progress()
    await settle(core)
    now, turns = clock.wall(), core.turns.taken

    for second in range(1, 50):
        await later(core, now + second)

    assert core.turns.taken == turns


# --- memory


async def test_what_nobody_watches_leaves_nothing_in_memory(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    for number in range(20):
        await core.ask(publish(b"1", presentity=f"sip:user-{number}@example.com"))
    await core.ask(subscribe(expires=0))
    assert core.targets[-1].state == "terminated"
    await core.confirm()

    assert core.presentities.uses == {}


async def test_endings_that_nothing_published_needs_are_cleaned(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", xcap="none")
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), if_match=etag(first)))
    (ending,) = core.store.endings.values()
    number = shard_of(ALICE, 64)

    await core.store.clean_all([number], ending.until + 1)
    kept = dict(core.store.endings)
    await core.store.clean_all([number], ending.until + 7200)
    await core.store.clean_all([number], ending.until + 7200)

    assert len(kept) in (0, 1)
    assert core.store.endings == {}


# --- documents


async def test_first_subscribe_waits_for_documents_and_holds_up_nobody(start: StartCore, commands: Commands) -> None:
    core = await start(xcap="client", fetch_wait_seconds="2", database_connections="1")
    heard = await sent_to_xcap_sync(core)
    core.shards.on_commands([commands.subscribe()])
    await core.until(lambda: bool(heard))
    assert (core.replies, heard) == ([], [Wanted(presentity=ALICE)])

    core.shards.on_commands([commands.publish(MEETING, presentity=BOB, content_type="application/pidf+xml")])
    await core.until(lambda: len(core.replies) == 1)
    put_rules(core, handled("allow"))
    await refresh(core)
    await core.until(lambda: len(core.replies) == 2)

    assert states(core, core.replies[1]) == [("active", "")]


async def test_word_for_a_shard_that_another_minds_is_not_confirmed(core: Core) -> None:
    confirmed = await confirmations(core)
    core.presentities._minding.taken.discard(7)

    for number in (7, 8):
        core.shards.on_refreshes([Refresh(id=number, xcap_sync="xcap-sync-1", shard=number, presentity=ALICE)])
    await core.quiet()

    assert confirmed == [8]
