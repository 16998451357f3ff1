"""Changes of rules that meet a commit, a NOTIFY or an end: nobody sees more than the newest allow."""

import pytest

from lamplighter_runtime import clock
from presence_core.testing import Core, etag, gate, tick, to_tag
from presence_core.testing_commands import BOB, Commands
from presence_core.testing_rules import (
    SERVICES,
    change_rules,
    handled,
    pidf,
    put_rules,
    settle,
    shard,
    states,
    told,
    watching,
)

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    "test_rules_that_change_while_a_subscribe_is_committed_count",
    "test_changes_of_rules_before_the_first_is_committed_end_with_what_is_final",
    "test_narrower_rules_count_before_the_wider_ones_are_committed",
    "test_rules_that_change_while_a_refresh_is_committed_count",
    "test_watcher_that_goes_while_numbers_are_reserved_is_told_no_more",
    "test_outcome_of_a_notify_does_not_tell_a_decision_before_it_is_committed",
}

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"))
HANDLINGS = {
    "allow": ("active", ""),
    "polite-block": ("active", ""),
    "confirm": ("pending", ""),
    "block": ("terminated", "rejected"),
}


@pytest.mark.parametrize(("after", "state"), HANDLINGS.items())
async def test_rules_that_change_while_a_subscribe_is_committed_count(
    ruled: Core, commands: Commands, after: str, state: tuple[str, str]
) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.pidf(MEETING), commands.subscribe(watcher=CAROL))
    await settle(ruled)
    gate(ruled).clear()
    ruled.shards.on_commands([commands.subscribe()])
    await ruled.quiet()
    put_rules(ruled, handled(after))

    await change_rules(ruled, handled(after))
    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    (reply,) = ruled.replies[-1:]
    expected = ("terminated", "deactivated") if after == "confirm" else state
    assert states(ruled, reply)[-1] == expected
    assert any("meeting" in one.document for one in told(ruled, reply)) == (after == "allow")


@pytest.mark.parametrize(
    ("afters", "told_last"),
    [
        (["block"], ("terminated", "rejected")),
        (["block", "allow"], ("terminated", "rejected")),
        (["confirm", "allow", "allow"], ("terminated", "deactivated")),
    ],
)
async def test_changes_of_rules_before_the_first_is_committed_end_with_what_is_final(
    ruled: Core,
    commands: Commands,
    afters: list[str],
    told_last: tuple[str, str],
) -> None:
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    gate(ruled).clear()
    await change_rules(ruled, handled("allow"))
    for after in afters:
        await change_rules(ruled, handled(after))

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    assert states(ruled, reply) == [("pending", ""), told_last]
    assert not any("meeting" in one.document for one in told(ruled, reply))
    assert ruled.store.subscriptions == {}


async def test_narrower_rules_count_before_the_wider_ones_are_committed(ruled: Core, commands: Commands) -> None:
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    gate(ruled).clear()
    await change_rules(ruled, handled("allow"))
    await change_rules(ruled, handled("allow", provides=SERVICES))

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    assert states(ruled, reply) == [("pending", ""), ("active", "")]
    assert not any("meeting" in one.document for one in told(ruled, reply))


async def test_rules_that_change_while_a_notify_is_in_flight_are_told_next(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    (reply,) = await ruled.ask(commands.subscribe())
    await change_rules(ruled, handled("allow", provides=SERVICES))
    await ruled.ask(commands.pidf(pidf(("t1", "lunch")), if_match=etag(published)))
    assert len(told(ruled, reply)) == 1

    await settle(ruled)

    assert len(told(ruled, reply)) == 2
    assert "lunch" not in told(ruled, reply)[1].document


@pytest.mark.parametrize("expires", [3600, 0])
@pytest.mark.parametrize("handling", ["allow", "polite-block", "block"])
async def test_rules_that_change_while_a_refresh_is_committed_count(
    ruled: Core, commands: Commands, handling: str, expires: int
) -> None:
    put_rules(ruled, handled("allow"))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe(call_id="c"))
    gate(ruled).clear()
    ruled.shards.on_commands([commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(reply), expires=expires)])
    await ruled.quiet()
    await change_rules(ruled, handled(handling, provides=SERVICES))

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)
    await ruled.ask(commands.pidf(pidf(("t1", "lunch")), if_match=etag(published)))
    await settle(ruled)

    after = told(ruled, reply)[1:]
    assert not any("meeting" in one.document or "lunch" in one.document for one in after)
    ended = ("terminated", "timeout") if not expires else HANDLINGS[handling]
    assert states(ruled, reply)[-1] == ended


async def test_refresh_by_rules_of_a_while_shows_nothing_before_it_is_decided_anew(
    ruled: Core, commands: Commands
) -> None:
    put_rules(ruled, handled("polite-block"), handled("allow", CAROL))
    await ruled.ask(commands.pidf(MEETING))
    await watching(ruled, commands.subscribe(watcher=CAROL))
    gate(ruled).clear()
    ruled.shards.on_commands([commands.subscribe(call_id="c", expires=600)])
    await ruled.quiet()
    tag = next(tag for tag, one in shard(ruled).subscriptions.items() if one.watcher == BOB)
    await change_rules(ruled, handled("allow"), handled("allow", CAROL))
    ruled.shards.on_commands([commands.subscribe(call_id="c", cseq=2, to_tag=tag)])
    await change_rules(ruled, handled("polite-block"), handled("allow", CAROL))

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    bob = ruled.replies[-1]
    assert to_tag(bob) == tag
    assert not any("meeting" in one.document for one in told(ruled, bob))


async def test_watcher_that_goes_while_numbers_are_reserved_is_told_no_more(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    (reply,) = await ruled.ask(commands.subscribe())
    await ruled.ask(commands.pidf(pidf(("t1", "lunch")), if_match=etag(published)))
    gate(ruled).clear()
    (delivery,) = shard(ruled).deliveries.values()
    ruled.teller.save_progress(shard(ruled), to_tag(reply), delivery)
    await ruled.confirm(481)

    gate(ruled).set()
    await ruled.quiet()

    assert len(told(ruled, reply)) == 1
    assert shard(ruled).in_flight == {}


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize(("before", "after"), [("allow", "block"), ("confirm", "allow")])
async def test_outcome_of_a_notify_does_not_tell_a_decision_before_it_is_committed(
    ruled: Core, commands: Commands, before: str, after: str, status: int
) -> None:
    put_rules(ruled, handled(before))
    await ruled.ask(commands.pidf(MEETING))
    (reply,) = await ruled.ask(commands.subscribe())
    gate(ruled).clear()
    await change_rules(ruled, handled(after))

    await ruled.confirm(status)
    tick(ruled, clock.wall() + 10)
    await ruled.quiet()
    assert states(ruled, reply) == [HANDLINGS[before]]
    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    assert states(ruled, reply) == [HANDLINGS[before], HANDLINGS[after]]


@pytest.mark.parametrize("after", ["block", "confirm", "polite-block"])
async def test_last_notify_of_who_has_unsubscribed_shows_what_the_newest_rules_allow(
    ruled: Core, commands: Commands, after: str
) -> None:
    put_rules(ruled, handled("allow"))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    (reply,) = await ruled.ask(commands.subscribe(call_id="c"))
    await ruled.ask(commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(reply), expires=0))
    await change_rules(ruled, handled(after))
    await ruled.ask(commands.pidf(pidf(("t1", "secret")), if_match=etag(published)))

    await settle(ruled)

    assert states(ruled, reply) == [("active", ""), ("terminated", "timeout")]
    assert "secret" not in told(ruled, reply)[1].document


@pytest.mark.parametrize("changed", [False, True])
async def test_watcher_that_goes_while_a_change_is_committed_is_told_no_more(
    ruled: Core, commands: Commands, changed: bool
) -> None:
    await ruled.ask(commands.pidf(MEETING))
    (reply,) = await ruled.ask(commands.subscribe())
    gate(ruled).clear()
    if changed:
        await change_rules(ruled, handled("allow"))
    await ruled.confirm(481)

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    assert states(ruled, reply) == [("pending", "")]
    assert ruled.store.subscriptions == {}
