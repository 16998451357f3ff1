"""What is kept of watchers, and how long (RFC 3857 §4.7.1)."""

import pytest

from event_packages.registry import Registry
from lamplighter_runtime import clock
from presence_core.testing import Core, FakeDirectory, gate, statuses, successor, tick, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    StartCore,
    attributes,
    change_rules,
    handled,
    kind,
    known,
    put_rules,
    rows,
    settle,
    shard,
    states,
    stored_watchers,
    told,
    watching,
)

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    "test_pending_watcher_waits_after_its_end_and_is_given_up",
}

CAROL = "sip:carol@example.com"
DAYS = 86_400.0

# --- what is kept


STORED = {
    "allow": [(BOB, "presence", 1, "")],
    "polite-block": [(BOB, "presence", 1, "polite-block")],
    "confirm": [(BOB, "presence", 2, "")],
    "block": [(BOB, "presence", 3, "rejected")],
}


@pytest.mark.parametrize(("handling", "row"), STORED.items())
async def test_watchers_are_stored_in_the_encodings_of_the_field(
    ruled: Core, commands: Commands, handling: str, row: list[tuple[str, str, int, str]]
) -> None:
    put_rules(ruled, handled(handling))

    await watching(ruled, commands.subscribe())

    assert stored_watchers(ruled) == row


@pytest.mark.parametrize(("handling", "row"), STORED.items())
async def test_changed_decisions_are_stored(
    ruled: Core, commands: Commands, handling: str, row: list[tuple[str, str, int, str]]
) -> None:
    await watching(ruled, commands.subscribe())

    await change_rules(ruled, handled(handling))
    await settle(ruled)

    assert stored_watchers(ruled) == row


async def test_rule_that_vanished_is_stored_as_deactivated(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    await watching(ruled, commands.subscribe())

    await change_rules(ruled)
    await settle(ruled)

    assert stored_watchers(ruled) == [(BOB, "presence", 3, "deactivated")]


async def test_pending_watcher_waits_after_its_end_and_is_given_up(start: StartCore, commands: Commands) -> None:
    core = await start(waiting_days="2")
    alice = await watching(core, commands.subscribe(event="presence.winfo", watcher=ALICE))
    bob = await watching(core, commands.subscribe(call_id="c"))
    await watching(core, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(bob), expires=0))
    assert stored_watchers(core) == [(BOB, "presence", 4, "timeout")]
    (given,) = attributes(told(core, alice)[-1])
    assert 2 * DAYS - 5 <= int(given["expiration"]) <= 2 * DAYS
    now = clock.wall()

    tick(core, now + 60)
    await core.quiet()
    assert stored_watchers(core) == [(BOB, "presence", 4, "timeout")]
    await watching(core, commands.subscribe(event="presence.winfo", watcher=ALICE))
    key = (ALICE, BOB, "presence")
    core.core.parts.watchers.due(shard(core), key, now + 2 * DAYS + 2)
    await core.quiet()
    await settle(core)

    assert stored_watchers(core) == []
    assert rows(told(core, alice)[-1]) == [(BOB, "terminated", "giveup")]


async def test_given_up_by_the_clock_alone(start: StartCore, commands: Commands) -> None:
    core = await start(waiting_days="1")
    await watching(core, commands.subscribe(expires=0))

    tick(core, clock.wall() + DAYS - 60)
    await core.quiet()
    assert stored_watchers(core) == [(BOB, "presence", 4, "timeout")]
    tick(core, clock.wall() + DAYS + 2)
    await core.quiet()

    assert stored_watchers(core) == []
    assert known(core) == []


@pytest.mark.parametrize(
    ("handling", "event"), [("allow", "approved"), ("polite-block", "approved"), ("block", "rejected")]
)
async def test_waiting_watcher_that_is_decided_about_is_told_of_and_forgotten(
    ruled: Core, commands: Commands, handling: str, event: str
) -> None:
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))
    await watching(ruled, commands.subscribe(expires=0))
    assert rows(told(ruled, alice)[-1]) == [(BOB, "waiting", "timeout")]

    await change_rules(ruled, handled(handling))
    await settle(ruled)

    assert rows(told(ruled, alice)[-1]) == [(BOB, "terminated", event)]
    assert stored_watchers(ruled) == []


async def test_waiting_watcher_that_subscribes_again_is_pending_again(ruled: Core, commands: Commands) -> None:
    await watching(ruled, commands.subscribe(expires=0))

    await watching(ruled, commands.subscribe())
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))

    assert stored_watchers(ruled) == [(BOB, "presence", 2, "")]
    assert rows(told(ruled, alice)[0]) == [(BOB, "pending", "subscribe")]


async def test_two_devices_of_a_watcher_are_two_watchers_and_one_row(ruled: Core, commands: Commands) -> None:
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))
    first = await watching(ruled, commands.subscribe(call_id="1"))
    second = await watching(ruled, commands.subscribe(call_id="2"))
    assert stored_watchers(ruled) == [(BOB, "presence", 2, "")]

    await watching(ruled, commands.subscribe(call_id="1", cseq=2, to_tag=to_tag(first), expires=0))
    assert stored_watchers(ruled) == [(BOB, "presence", 2, "")]
    assert rows(told(ruled, alice)[-1]) == [(BOB, "terminated", "timeout")]
    await watching(ruled, commands.subscribe(call_id="2", cseq=2, to_tag=to_tag(second), expires=0))

    assert stored_watchers(ruled) == [(BOB, "presence", 4, "timeout")]
    assert rows(told(ruled, alice)[-1]) == [(BOB, "waiting", "timeout")]
    ids = [given["id"] for one in told(ruled, alice)[1:] for given in attributes(one)]
    assert ids == [ids[0], ids[1], ids[0], ids[1]]


async def test_decision_about_two_devices_is_told_of_both(ruled: Core, commands: Commands) -> None:
    first = await watching(ruled, commands.subscribe(call_id="1"))
    second = await watching(ruled, commands.subscribe(call_id="2"))

    await change_rules(ruled, handled("allow"))
    await settle(ruled)

    assert states(ruled, first)[-1] == states(ruled, second)[-1] == ("active", "")
    assert stored_watchers(ruled) == [(BOB, "presence", 1, "")]


async def test_watcher_is_known_by_the_device_that_lives_on(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    await watching(ruled, commands.subscribe(watcher=CAROL))
    gate(ruled).clear()
    ruled.shards.on_commands([commands.subscribe()])
    await change_rules(ruled)
    ruled.shards.on_commands([commands.subscribe(expires=0)])
    await change_rules(ruled, handled("allow"))

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    assert [row for row in stored_watchers(ruled) if row[0] == BOB] == [(BOB, "presence", 1, "")]


async def test_watcher_refused_for_a_limit_leaves_nothing(start: StartCore, commands: Commands) -> None:
    core = await start(subscriptions_per_presentity="1")
    await watching(core, commands.subscribe(watcher=CAROL))

    replies = await core.ask(commands.subscribe())

    assert statuses(replies) == [403]
    assert [row[0] for row in stored_watchers(core)] == [CAROL]
    assert [one.watcher for one in known(core)] == [CAROL]


async def test_active_watcher_leaves_no_row(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    bob = await watching(ruled, commands.subscribe(call_id="c"))

    await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(bob), expires=0))

    assert stored_watchers(ruled) == []
    assert known(ruled) == []


# --- failover


async def test_next_owner_tells_all_watchers(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    put_rules(ruled, handled("allow"))
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE, call_id="a"))
    await watching(ruled, commands.subscribe(display_name="Bob"))
    await watching(ruled, commands.subscribe(watcher=CAROL, expires=0))
    await watching(ruled, commands.subscribe(watcher="sip:dave@example.com"))

    following = await successor(ruled, packages, directory)
    await following.quiet()
    await settle(following)
    again = commands.subscribe(event="presence.winfo", watcher=ALICE, call_id="a", cseq=2, to_tag=to_tag(alice))
    await watching(following, again)

    for one in told(following, alice):
        assert kind(one) == "full"
        assert sorted(rows(one)) == [
            (BOB, "active", "subscribe"),
            (CAROL, "waiting", "timeout"),
            ("sip:dave@example.com", "pending", "subscribe"),
        ]
    assert told(following, alice)[-1].version > told(ruled, alice)[-1].version
    await following.die()


async def test_next_owner_gives_up_who_waits_for_too_long(
    start: StartCore, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    core = await start(waiting_days="1")
    await watching(core, commands.subscribe(expires=0))

    following = await successor(core, packages, directory)
    assert [int(one.status) for one in known(following)] == [4]
    tick(following, clock.wall() + DAYS + 2)
    await following.quiet()

    assert stored_watchers(following) == []
    await following.die()
