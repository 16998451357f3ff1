"""XCAP documents: commands wait for them, word of changes takes effect and is confirmed (design §5)."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from lamplighter_proto import FrameCodec, Hint, Refreshed, Wanted, XcapCommand, subjects
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from presence_core import xcap
from presence_core.domain.documents import XcapDocument
from presence_core.storage.memory import MemoryStore
from presence_core.testing import Core, gate, statuses, tick, to_tag
from presence_core.testing_commands import ALICE, Commands
from presence_core.testing_rules import (
    StartCore,
    change_rules,
    document,
    handled,
    pidf,
    put_rules,
    refresh,
    settle,
    shard,
    states,
    told,
    watching,
)

CAROL = "sip:carol@example.com"
DAVE = "sip:dave@example.com"
DIFF = (
    b'<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="http://xcap.example.com/root/">'
    b'<document sel="pres-rules/users/sip:alice@example.com/index"/></xcap-diff>'
)


@dataclass
class Reading:
    """Reads of documents, which wait at a gate."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[set[str]] = field(default_factory=list)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    reading = Reading()
    reading.gate.set()
    load = MemoryStore.load_documents

    async def gated(self: MemoryStore, aors: Collection[str]) -> dict[str, tuple[XcapDocument, ...]]:
        reading.asked.append(set(aors))
        found = await load(self, aors)
        await reading.gate.wait()
        return found

    monkeypatch.setattr(MemoryStore, "load_documents", gated)
    return reading


async def sent_to_xcap_sync(core: Core) -> list[Wanted | Hint]:
    """Return a list that fills with what the core says to all xcap-syncs."""
    heard: list[Wanted | Hint] = []
    await core.bus.subscribe(subjects.XCAP, FrameCodec[Wanted | Hint](XcapCommand), heard.extend)
    return heard


async def confirmations(core: Core) -> list[int]:
    """Return a list that fills with the refreshes that are confirmed."""
    heard: list[int] = []

    def take(messages: list[Refreshed]) -> None:
        heard.extend(message.id for message in messages)

    await core.bus.subscribe(subjects.xcap_replies("xcap-sync-1"), FrameCodec[Refreshed](Refreshed), take)
    return heard


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
    read = ruled.core.documents.read
    for aor in (ALICE, DAVE):
        put_rules(ruled, handled("allow"), aor=aor)
    ruled.store.documents[ALICE] += (document(b"", uri="broken"),)

    def broken(aor: str, stored: tuple[XcapDocument, ...]) -> object:
        if any(one.uri == "broken" for one in stored):
            raise RuntimeError("a bug")
        return read(aor, stored)

    monkeypatch.setattr(ruled.core.documents, "read", broken)

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


# --- word of changes


async def test_refresh_is_confirmed_when_it_has_taken_effect(ruled: Core, commands: Commands, reading: Reading) -> None:
    confirmed = await confirmations(ruled)
    reply = await watching(ruled, commands.subscribe())
    put_rules(ruled, handled("allow"))
    reading.gate.clear()

    await refresh(ruled, id=7)
    assert (confirmed, states(ruled, reply)) == ([], [("pending", "")])
    reading.gate.set()
    await ruled.quiet()

    assert (confirmed, states(ruled, reply)) == ([7], [("pending", ""), ("active", "")])


async def test_refresh_that_comes_during_a_read_is_read_for_again(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    confirmed = await confirmations(ruled)
    reply = await watching(ruled, commands.subscribe())
    reading.gate.clear()
    await refresh(ruled, id=1)

    put_rules(ruled, handled("allow"))
    await refresh(ruled, id=2)
    reading.gate.set()
    await ruled.quiet()

    assert (confirmed, states(ruled, reply)[-1]) == ([1, 2], ("active", ""))


@pytest.mark.parametrize("presentity", [ALICE, ""])
async def test_refresh_that_cannot_be_read_is_confirmed_when_it_can(
    ruled: Core, commands: Commands, presentity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xcap, "RETRY_SECONDS", 0.0)
    confirmed = await confirmations(ruled)
    reply = await watching(ruled, commands.subscribe())
    put_rules(ruled, handled("allow"))
    ruled.store.away = True

    await refresh(ruled, presentity, shard=shard(ruled).number)
    assert (confirmed, states(ruled, reply)[-1]) == ([], ("pending", ""))
    ruled.store.away = False
    await ruled.quiet()

    assert (confirmed, states(ruled, reply)[-1]) == ([1], ("active", ""))


async def test_refresh_of_what_nobody_needs_is_confirmed_without_reading(ruled: Core, reading: Reading) -> None:
    confirmed = await confirmations(ruled)

    await refresh(ruled, CAROL, id=3)

    assert (confirmed, reading.asked) == ([3], [])


async def test_refresh_for_a_shard_that_is_not_served_is_not_confirmed(ruled: Core) -> None:
    confirmed = await confirmations(ruled)
    number = shard_of(ALICE, 64)
    served = ruled.shards.served.pop(number)

    await refresh(ruled)

    assert confirmed == []
    ruled.shards.served[number] = served


async def test_refresh_is_not_confirmed_while_a_shard_is_being_loaded(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    confirmed = await confirmations(ruled)
    await watching(ruled, commands.subscribe())
    number = shard_of(ALICE, 64)
    reading.gate.clear()
    ruled.shards.drop([number])
    await ruled.quiet()

    for presentity, where in ((ALICE, number), (ALICE, -1), ("", -1)):
        await refresh(ruled, presentity, shard=where)
    assert confirmed == []
    reading.gate.set()
    await ruled.until(lambda: number in ruled.shards.served)
    await refresh(ruled, ALICE, shard=-1)

    assert confirmed == [1]


async def test_refresh_of_all_shards_finds_the_presentity(ruled: Core, commands: Commands) -> None:
    confirmed = await confirmations(ruled)
    alices = await watching(ruled, commands.subscribe())
    daves = await watching(ruled, commands.subscribe(presentity=DAVE))
    for aor in (ALICE, DAVE):
        put_rules(ruled, handled("allow"), aor=aor)

    await refresh(ruled, ALICE, shard=-1)

    assert (states(ruled, alices)[-1], states(ruled, daves)[-1]) == (("active", ""), ("pending", ""))
    assert confirmed == [1]


async def test_refresh_of_everything_takes_effect_before_it_is_confirmed(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    confirmed = await confirmations(ruled)
    replies = [await watching(ruled, commands.subscribe(presentity=aor)) for aor in (ALICE, DAVE)]
    for aor in (ALICE, DAVE):
        put_rules(ruled, handled("allow"), aor=aor)
    reading.gate.clear()

    await refresh(ruled, "", shard=-1)
    assert confirmed == []
    reading.gate.set()
    await ruled.quiet()

    assert [states(ruled, reply)[-1] for reply in replies] == [("active", "")] * 2
    assert confirmed == [1]


async def test_refresh_of_a_shard_that_goes_meanwhile_is_not_confirmed(
    ruled: Core, commands: Commands, reading: Reading
) -> None:
    confirmed = await confirmations(ruled)
    await watching(ruled, commands.subscribe())
    number = shard_of(ALICE, 64)
    reading.gate.clear()
    await refresh(ruled)

    before = ruled.shards.served.pop(number)
    reading.gate.set()
    await ruled.quiet()

    assert confirmed == []
    ruled.shards.served[number] = before


async def test_refresh_decides_about_who_waits_without_a_subscription(ruled: Core, commands: Commands) -> None:
    await watching(ruled, commands.subscribe(expires=0))
    now = clock.wall()
    for later in (0, 61, 122, 183):
        tick(ruled, now + later)

    await change_rules(ruled, handled("allow"))

    assert ruled.store.watchers == {}


# --- how long documents are kept


async def test_documents_that_nobody_needs_are_forgotten(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    reply = await watching(ruled, commands.subscribe(call_id="c"))
    now = clock.wall()
    for later in (0, 61, 122, 183):
        tick(ruled, now + later)
    assert ALICE in shard(ruled).documents
    await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(reply), expires=0))

    for later in (244, 305, 366):
        tick(ruled, now + later)

    assert shard(ruled).documents == {}


async def test_documents_are_kept_for_a_subscribe_that_is_being_committed(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open")
    core.store.documents[ALICE] = (document(pidf(("h", "holiday")), "pidf-manipulation"),)
    now = clock.wall()
    tick(core, now)
    gate(core).clear()
    core.shards.on_commands([commands.subscribe()])
    await core.quiet()

    tick(core, now + 61)
    gate(core).set()
    await core.quiet()

    assert "holiday" in told(core, core.replies[0])[0].document
