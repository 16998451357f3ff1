"""Commands wait for the XCAP documents of their presentity (design §5)."""

import pytest

from lamplighter_proto import Hint, Wanted
from lamplighter_runtime import clock
from presence_core import xcap
from presence_core.domain.documents import XcapDocument
from presence_core.testing import Core, statuses, tick, to_tag
from presence_core.testing_commands import ALICE, Commands
from presence_core.testing_rules import (
    Reading,
    StartCore,
    change_rules,
    confirmations,
    document,
    handled,
    pidf,
    put_rules,
    sent_to_xcap_sync,
    settle,
    shard,
    states,
    watching,
)

CAROL = "sip:carol@example.com"
DAVE = "sip:dave@example.com"
DIFF = (
    b'<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="http://xcap.example.com/root/">'
    b'<document sel="pres-rules/users/sip:alice@example.com/index"/></xcap-diff>'
)


# --- commands wait


async def test_subscribe_waits_for_the_documents_of_its_presentity(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    put_rules(ruled, handled("allow"))
    reading.gate.clear()

    ruled.shards.on_commands([commands.subscribe(), commands.subscribe(watcher=CAROL)])
    await ruled.quiet()

    assert (ruled.replies, ruled.targets) == ([], [])
    reading.gate.set()
    await ruled.until(lambda: len(ruled.replies) == 2)
    await ruled.quiet()
    assert [states(ruled, reply) for reply in ruled.replies] == [[("active", "")], [("pending", "")]]
    assert reading.asked == [{ALICE}]


async def test_documents_are_read_once_for_all_subscribes(ruled: Core, commands: Commands, reading: Reading) -> None:
    await watching(ruled, commands.subscribe())

    await watching(ruled, commands.subscribe(watcher=CAROL))
    await watching(ruled, commands.subscribe(event="dialog"))

    assert reading.asked == [{ALICE}]


async def test_subscribe_that_is_repeated_while_it_waits_is_one(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    reading.gate.clear()
    command = commands.subscribe()
    ruled.shards.on_commands([command])
    ruled.shards.on_commands([command])
    await ruled.quiet()

    reading.gate.set()
    await ruled.until(lambda: bool(ruled.replies))
    await ruled.quiet()

    assert len({to_tag(reply) for reply in ruled.replies}) == 1
    assert len(ruled.store.subscriptions) == 1


async def test_fetch_that_is_repeated_while_it_waits_is_told_once(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    reading.gate.clear()
    command = commands.subscribe(expires=0)
    ruled.shards.on_commands([command])
    ruled.shards.on_commands([command])
    await ruled.quiet()

    reading.gate.set()
    await ruled.until(lambda: len(ruled.replies) == 1)
    await ruled.quiet()

    assert len(ruled.targets) == 1


async def test_publish_waits_for_no_documents(ruled: Core, commands: Commands, reading: Reading) -> None:
    reading.gate.clear()

    replies = await ruled.ask(commands.pidf(pidf(("t", "meeting"))))

    assert statuses(replies) == [200]
    assert reading.asked == []


@pytest.mark.parametrize("event", ["dialog.winfo", "message-summary"])
async def test_subscribe_that_no_rules_govern_waits_for_no_documents(
    ruled: Core, commands: Commands, reading: Reading, event: str
) -> None:
    reading.gate.clear()

    replies = await ruled.ask(commands.subscribe(event=event, watcher=ALICE))

    assert statuses(replies) == [200]


async def test_subscribe_is_refused_for_now_while_documents_cannot_be_read(
    ruled: Core, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xcap, "RETRY_SECONDS", 0.0)
    ruled.store.away = True

    replies = await ruled.ask(commands.subscribe())

    assert statuses(replies) == [503]
    assert shard(ruled).parked == {}
    ruled.store.away = False
    assert statuses(await ruled.ask(commands.subscribe())) == [200]


async def test_documents_that_find_a_bug_cost_their_watchers_alone(
    ruled: Core, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ruled.core.parts.documents.read
    for aor in (ALICE, DAVE):
        put_rules(ruled, handled("allow"), aor=aor)
    ruled.store.documents[ALICE] += (document(b"", uri="broken"),)

    def broken(aor: str, stored: tuple[XcapDocument, ...]) -> object:
        if any(one.uri == "broken" for one in stored):
            raise RuntimeError("a bug")
        return read(aor, stored)

    monkeypatch.setattr(ruled.core.parts.documents, "read", broken)

    replies = await ruled.ask(commands.subscribe(), commands.subscribe(presentity=DAVE))

    assert sorted(statuses(replies)) == [200, 503]
    assert [target.presentity for target in ruled.targets] == [DAVE]


# --- xcap=client


async def test_wanted_documents_are_asked_for_and_waited_for(
    start: StartCore, commands: Commands, reading: Reading
) -> None:
    core = await start(xcap="client")
    heard = await sent_to_xcap_sync(core)
    confirmed = await confirmations(core)
    core.shards.on_commands([commands.subscribe(), commands.subscribe(watcher=CAROL)])
    await core.quiet()
    assert (heard, core.replies, reading.asked) == ([Wanted(presentity=ALICE)], [], [])

    await change_rules(core, handled("allow"))

    assert statuses(core.replies) == [200, 200]
    assert states(core, core.replies[0]) == [("active", "")]
    assert confirmed == [1]


async def test_documents_that_do_not_come_in_time_are_those_of_the_table(start: StartCore, commands: Commands) -> None:
    core = await start(xcap="client", fetch_wait_seconds="2")
    put_rules(core, handled("allow"))
    core.shards.on_commands([commands.subscribe()])
    now = clock.wall()
    tick(core, now + 1)
    await core.quiet()
    assert core.replies == []

    tick(core, now + 3)
    await core.quiet()

    assert statuses(core.replies) == [200]
    assert states(core, core.replies[0]) == [("active", "")]


async def test_documents_that_come_late_are_taken(start: StartCore, commands: Commands) -> None:
    core = await start(xcap="client")
    core.shards.on_commands([commands.subscribe()])
    tick(core, clock.wall() + 3)
    await core.quiet()
    await settle(core)

    await change_rules(core, handled("allow"))

    assert states(core, core.replies[0]) == [("pending", ""), ("active", "")]


async def test_documents_stay_wanted(start: StartCore, commands: Commands) -> None:
    core = await start(xcap="client", fetch_wait_seconds="0")
    heard = await sent_to_xcap_sync(core)
    now = clock.wall()
    tick(core, now)
    core.shards.on_commands([commands.subscribe()])
    tick(core, now + 1)
    await core.quiet()

    for later in (3602, 3603, 7203):
        tick(core, now + later)
    await core.quiet()

    assert heard == [Wanted(presentity=ALICE)] * 3


@pytest.mark.parametrize("xcap", ["client", "integrated", "none"])
async def test_published_xcap_diff_is_passed_on_as_a_hint(start: StartCore, commands: Commands, xcap: str) -> None:
    core = await start(policy="open", xcap=xcap)
    heard = await sent_to_xcap_sync(core)

    replies = await core.ask(commands.publish(DIFF, event="xcap-diff", content_type="application/xcap-diff+xml"))

    selector = "http://xcap.example.com/root/pres-rules/users/sip:alice@example.com/index"
    assert statuses(replies) == ([489] if xcap == "none" else [200])
    assert heard == ([] if xcap == "none" else [Hint(presentity=ALICE, selectors=(selector,))])
    assert core.store.publications == {}


async def test_xcap_diff_that_cannot_be_read_is_refused(ruled: Core, commands: Commands) -> None:
    heard = await sent_to_xcap_sync(ruled)

    replies = await ruled.ask(commands.publish(b"<", event="xcap-diff", content_type="application/xcap-diff+xml"))

    assert statuses(replies) == [400]
    assert heard == []
