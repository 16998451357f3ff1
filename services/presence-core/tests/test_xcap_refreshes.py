"""Word of changed XCAP documents takes effect and is confirmed then (design §5)."""

import pytest

from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from presence_core import xcap
from presence_core.testing import Core, gate, tick, to_tag
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
    refresh,
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
