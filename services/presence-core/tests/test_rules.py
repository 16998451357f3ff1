"""What rules make of watchers, at a SUBSCRIBE and when rules change (RFC 5025 §3.2)."""

import pytest

from event_packages.rules.testing import rule
from lamplighter_proto import Answer
from presence_core.testing import Core, statuses, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    EVERYTHING,
    SERVICES,
    StartCore,
    change_rules,
    dialog_info,
    handled,
    pidf,
    put_rules,
    settle,
    states,
    stored_watchers,
    told,
    watching,
)

STORES = ["write-through", "database"]

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"))
HANDLINGS = {
    "allow": ("active", ""),
    "polite-block": ("active", ""),
    "confirm": ("pending", ""),
    "block": ("terminated", "rejected"),
}


# --- at a SUBSCRIBE


@pytest.mark.parametrize(("handling", "state"), HANDLINGS.items())
async def test_new_watcher_is_what_the_rules_say(
    ruled: Core, commands: Commands, handling: str, state: tuple[str, str]
) -> None:
    put_rules(ruled, handled(handling))
    await ruled.ask(commands.pidf(MEETING))

    (reply,) = await ruled.ask(commands.subscribe(expires=600))

    assert states(ruled, reply) == [state]
    assert ("meeting" in ruled.documents[0].decode()) == (handling == "allow")
    assert isinstance(reply, Answer)
    assert (reply.status, dict(reply.headers)["Expires"]) == (200, "600")


@pytest.mark.parametrize("handling", HANDLINGS)
async def test_repeated_subscribe_gets_the_same_answer(ruled: Core, commands: Commands, handling: str) -> None:
    put_rules(ruled, handled(handling))
    command = commands.subscribe(expires=600)
    (first,) = await ruled.ask(command)

    (second,) = await ruled.ask(command)

    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert second.to_tag == first.to_tag
    assert 599 <= int(dict(second.headers)["Expires"]) <= 600


@pytest.mark.parametrize("rules", [(), (handled("allow", CAROL),)])
async def test_watcher_that_no_rule_knows_is_pending_and_sees_nothing(
    ruled: Core, commands: Commands, rules: tuple[str, ...]
) -> None:
    put_rules(ruled, *rules)
    await ruled.ask(commands.pidf(MEETING))

    reply = await watching(ruled, commands.subscribe())
    await ruled.ask(commands.pidf(pidf(("t2", "lunch"))))

    assert states(ruled, reply) == [("pending", "")]
    assert ruled.documents == [b""]


async def test_malformed_rules_leave_watchers_pending(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow") + "<")

    reply = await watching(ruled, commands.subscribe())

    assert states(ruled, reply) == [("pending", "")]


async def test_unmatched_watchers_are_blocked_where_the_operator_wants_it(start: StartCore, commands: Commands) -> None:
    ruled = await start(unmatched_watchers="block")
    put_rules(ruled, handled("allow", CAROL))

    reply = await watching(ruled, commands.subscribe())

    assert states(ruled, reply) == [("terminated", "rejected")]
    assert ruled.store.subscriptions == {}


async def test_presentity_itself_is_always_allowed(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("block", ALICE))

    reply = await watching(ruled, commands.subscribe(watcher=ALICE))

    assert states(ruled, reply) == [("active", "")]


async def test_messages_of_others_may_not_be_watched(ruled: Core, commands: Commands) -> None:
    theirs, ours = await ruled.ask(
        commands.subscribe(event="message-summary"), commands.subscribe(event="message-summary", watcher=ALICE)
    )

    assert statuses([theirs, ours]) == [403, 200]
    assert ruled.store.watchers == {}


async def test_open_events_ask_no_rules(start: StartCore, commands: Commands) -> None:
    ruled = await start(open_events="dialog, message-summary")
    put_rules(ruled, handled("block"), usage=DIALOG_RULES)

    replies = [
        await watching(ruled, commands.subscribe(event=event)) for event in ("dialog", "message-summary", "presence")
    ]

    assert [states(ruled, reply)[-1][0] for reply in replies] == ["active", "active", "pending"]
    assert stored_watchers(ruled) == [(BOB, "presence", 2, "")]


async def test_open_policy_asks_no_rules(start: StartCore, commands: Commands) -> None:
    ruled = await start(policy="open")
    put_rules(ruled, handled("block"))
    await ruled.ask(commands.pidf(MEETING))

    reply = await watching(ruled, commands.subscribe())

    assert states(ruled, reply) == [("active", "")]
    assert b"meeting" in ruled.documents[0]
    assert ruled.store.watchers == {}


# --- fetches


@pytest.mark.parametrize(
    ("handling", "reason", "row"),
    [
        ("allow", "timeout", []),
        ("polite-block", "timeout", []),
        ("confirm", "timeout", [(BOB, "presence", 4, "timeout")]),
        ("block", "rejected", [(BOB, "presence", 3, "rejected")]),
    ],
)
async def test_fetch_shows_what_the_watcher_may_see(
    ruled: Core,
    commands: Commands,
    handling: str,
    reason: str,
    row: list[tuple[str, str, int, str]],
) -> None:
    put_rules(ruled, handled(handling))
    await ruled.ask(commands.pidf(MEETING))

    reply = await watching(ruled, commands.subscribe(expires=0))

    assert states(ruled, reply) == [("terminated", reason)]
    assert ("meeting" in ruled.documents[0].decode()) == (handling == "allow")
    assert ruled.store.subscriptions == {}
    assert stored_watchers(ruled) == row


# --- in a dialog


@pytest.mark.parametrize(("handling", "state"), list(HANDLINGS.items())[:3])
@pytest.mark.parametrize("expires", [600, 0])
async def test_refresh_and_unsubscribe_show_what_the_watcher_may_see(
    ruled: Core,
    commands: Commands,
    handling: str,
    state: tuple[str, str],
    expires: int,
) -> None:
    put_rules(ruled, handled(handling))
    await ruled.ask(commands.pidf(MEETING))
    first = await watching(ruled, commands.subscribe(call_id="c"))

    await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(first), expires=expires))

    assert states(ruled, first) == [state, state if expires else ("terminated", "timeout")]
    before, after = (one.document for one in told(ruled, first))
    assert before == after
    assert ("meeting" in after) == (handling == "allow")


# --- when rules change


@pytest.mark.parametrize("before", ["allow", "polite-block", "confirm", None])
@pytest.mark.parametrize("after", ["allow", "polite-block", "confirm", "block", None])
async def test_change_of_rules_decides_anew_at_once(
    ruled: Core, commands: Commands, before: str | None, after: str | None
) -> None:
    put_rules(ruled, *([handled(before)] if before else []))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    was = states(ruled, reply)[-1]

    await change_rules(ruled, *([handled(after)] if after else []))
    await settle(ruled)

    expected = HANDLINGS[after or "confirm"]
    if expected == ("pending", "") and was == ("active", ""):
        expected = ("terminated", "deactivated")
    assert states(ruled, reply)[-1] == expected
    assert ("meeting" in told(ruled, reply)[-1].document) == (after == "allow")
    if (before or "confirm") == (after or "confirm"):
        assert len(told(ruled, reply)) == 1
    assert bool(ruled.store.subscriptions) == (expected[0] != "terminated")


async def test_changed_transformation_shows_more_or_less_at_once(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", provides=SERVICES))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())

    for provides in (EVERYTHING, SERVICES):
        await change_rules(ruled, handled("allow", provides=provides))
        await settle(ruled)

    assert ["meeting" in one.document for one in told(ruled, reply)] == [False, True, False]
    assert {one.state for one in told(ruled, reply)} == {"active"}


async def test_rules_that_change_nothing_for_a_watcher_tell_it_nothing(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())

    await change_rules(ruled, handled("allow"), handled("block", CAROL))
    await settle(ruled)

    assert len(told(ruled, reply)) == 1


async def test_rules_of_dialogs_are_asked_for_dialogs(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    reply = await watching(ruled, commands.subscribe(event="dialog"))

    await change_rules(ruled, rule("", handling="allow"), usage=DIALOG_RULES)
    await settle(ruled)

    assert states(ruled, reply) == [("pending", ""), ("active", "")]
    assert ["c1" in one.document for one in told(ruled, reply)] == [False, True]
