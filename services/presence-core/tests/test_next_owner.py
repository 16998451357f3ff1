"""What the next owner of a shard makes of decisions, rules and views (design §3 "Ownership")."""

import pytest
from msgspec.structs import replace

from event_packages.registry import Registry
from event_packages.rules.testing import validity
from lamplighter_runtime import clock
from presence_core.testing import Core, FakeDirectory, etag, gate, gated, successor, tick, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    SERVICES,
    StartCore,
    change_rules,
    dialog_info,
    handled,
    pidf,
    put_rules,
    settle,
    shard,
    states,
    stored_watchers,
    told,
    watching,
)

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    # Elsewhere a look decides at once.
    "test_watcher_about_whom_rules_change_back_is_told_its_state_by_the_next_owner",
    "test_change_that_was_not_committed_is_made_again_by_the_next_owner",
}

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"))
HANDLINGS = ["allow", "polite-block", "confirm", "block", None]
ENDS = {"allow": ("active", ""), "polite-block": ("active", ""), "block": ("terminated", "rejected")}


async def saved(core: Core) -> None:
    """Save how far every watcher has come."""
    await core.save_progress()


async def ticked(core: Core) -> None:
    await core.quiet()
    await settle(core)
    tick(core, clock.wall() + 1)
    await core.quiet()
    await settle(core)


def rules(handling: str | None) -> list[str]:
    return [] if handling is None else [handled(handling)]


@pytest.mark.parametrize("handling", ["allow", "polite-block", "confirm"])
async def test_next_owner_tells_nobody_what_they_have(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory, handling: str
) -> None:
    put_rules(ruled, handled(handling))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    await saved(ruled)
    rows = stored_watchers(ruled)

    following = await successor(ruled, packages, directory)
    await ticked(following)

    assert following.targets == []
    assert stored_watchers(following) == rows
    (one,) = shard(following).subscriptions.values()
    assert one.local_tag == to_tag(reply)
    assert (one.view is None) == (handling == "confirm")
    await following.die()


@pytest.mark.parametrize("before", ["allow", "polite-block", "confirm"])
@pytest.mark.parametrize("after", HANDLINGS)
@pytest.mark.parametrize("progress", [True, False])
async def test_rules_that_changed_while_nobody_served_are_applied(
    ruled: Core,
    commands: Commands,
    packages: Registry,
    directory: FakeDirectory,
    before: str,
    after: str | None,
    progress: bool,
) -> None:
    put_rules(ruled, handled(before))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    if progress:
        await saved(ruled)

    put_rules(ruled, *rules(after))
    following = await successor(ruled, packages, directory)
    await following.ask(commands.pidf(pidf(("t1", "lunch")), if_match=etag(published)))
    await ticked(following)

    known_before = "pending" if before == "confirm" else "active"
    expected = ENDS.get(after or "", ("pending", "") if known_before == "pending" else ("terminated", "deactivated"))
    if following.targets or (known_before, "") != expected:
        assert states(following, reply)[-1] == expected
    shown = "".join(one.document for one in told(following, reply))
    assert ("lunch" in shown) == (after == "allow")
    assert after == "allow" or "meeting" not in shown
    assert bool(following.store.subscriptions) == (expected[0] != "terminated")
    await following.die()


async def test_watcher_about_whom_rules_change_back_is_told_its_state_by_the_next_owner(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    (reply,) = await ruled.ask(commands.subscribe())

    put_rules(ruled, handled("allow"))
    following = await successor(ruled, packages, directory)
    await change_rules(following)
    await ticked(following)

    assert states(following, reply) == [("pending", "")]
    await following.die()


async def test_next_owner_applies_a_validity_that_ended_meanwhile(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = clock.wall
    now = wall()
    period = ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z")
    put_rules(ruled, handled("allow", conditions=validity(period)))
    reply = await watching(ruled, commands.subscribe())
    await ruled.die()
    ((tag, row),) = ruled.store.subscriptions.items()
    assert tag == to_tag(reply)
    ruled.store.subscriptions[tag] = replace(row, subscription=replace(row.subscription, expires=2_000_000_000))

    monkeypatch.setattr(clock, "wall", lambda: 1_893_456_001.0 + wall() - now)
    following = await successor(ruled, packages, directory)
    await ticked(following)

    assert states(following, reply)[-1] == ("terminated", "deactivated")
    await following.die()


async def test_next_owner_acts_at_the_boundary_of_a_validity(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    put_rules(ruled, handled("allow", conditions=validity(("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"))))
    reply = await watching(ruled, commands.subscribe())

    following = await successor(ruled, packages, directory)

    assert shard(following).boundaries.keys() == {ALICE}
    assert states(ruled, reply) == [("active", "")]
    await following.die()


async def test_next_owner_knows_the_sphere(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    put_rules(ruled, handled("allow", conditions='<cp:sphere value="work"/>'))
    (published,) = await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    reply = await watching(ruled, commands.subscribe())
    await saved(ruled)

    following = await successor(ruled, packages, directory)
    await ticked(following)
    assert following.targets == []
    await following.ask(commands.pidf(pidf(("t1", "private")), if_match=etag(published)))
    await settle(following)

    assert states(following, reply)[-1] == ("terminated", "deactivated")
    assert "private" not in "".join(one.document for one in told(following, reply))
    await following.die()


async def test_subscription_that_was_ended_by_a_decision_is_told_so_by_the_next_owner(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    await change_rules(ruled, handled("block"))

    following = await successor(ruled, packages, directory)
    await ticked(following)

    assert states(following, reply) == [("terminated", "rejected")]
    assert "meeting" not in told(following, reply)[0].document
    assert following.store.subscriptions == {}
    assert stored_watchers(following) == [(BOB, "presence", 3, "rejected")]
    await following.die()


async def test_views_by_the_event_header_survive(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    put_rules(ruled, handled("allow"), usage=DIALOG_RULES)
    (first,) = await ruled.ask(commands.dialogs(dialog_info(("c1", "early"), ("c2", "early"))))
    reply = await watching(ruled, commands.subscribe(event="dialog", event_params=[("call-id", "c2")]))

    following = await successor(ruled, packages, directory)
    await following.quiet()
    await settle(following)
    await following.ask(commands.dialogs(dialog_info(("c1", "confirmed"), ("c2", "confirmed")), if_match=etag(first)))
    await settle(following)

    assert all("c1" not in one.document for one in told(following, reply))
    assert "c2" in told(following, reply)[-1].document
    await following.die()


async def test_pending_watcher_of_a_lost_subscription_waits(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    await watching(ruled, commands.subscribe())
    ruled.store.subscriptions.clear()

    following = await successor(ruled, packages, directory)
    await ticked(following)

    assert stored_watchers(following) == [(BOB, "presence", 4, "timeout")]
    await following.die()


async def test_change_that_was_not_committed_is_made_again_by_the_next_owner(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())
    gate(ruled).clear()
    await change_rules(ruled, handled("block"))
    assert states(ruled, reply) == [("active", "")]
    gated(ruled).failures = 1
    before = shard(ruled)
    gate(ruled).set()

    await ruled.until(lambda: ruled.shards.served.get(before.number, before) is not before)
    await ticked(ruled)

    assert states(ruled, reply) == [("active", ""), ("terminated", "rejected")]
    assert "meeting" not in told(ruled, reply)[1].document


# --- answers that go ahead of the save


async def test_decisions_are_told_before_they_are_saved_with_write_behind(
    start: StartCore, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    core = await start(store="write-behind", write_behind_seconds="3600")
    put_rules(core, handled("allow"))
    await core.ask(commands.pidf(MEETING))
    reply = await watching(core, commands.subscribe())
    carol = await watching(core, commands.subscribe(watcher=CAROL))
    assert core.store.subscriptions == {}

    await change_rules(core, handled("allow", provides=SERVICES), handled("block", CAROL))
    await settle(core)

    assert states(core, reply) == [("active", "")] * 2
    assert "meeting" not in told(core, reply)[1].document
    assert states(core, carol) == [("pending", ""), ("terminated", "rejected")]
    await core.committer.settled()
    assert stored_watchers(core) == [(BOB, "presence", 1, ""), (CAROL, "presence", 3, "rejected")]
    assert core.store.subscriptions.keys() == {to_tag(reply)}
    following = await successor(core, packages, directory)
    await ticked(following)
    assert all("meeting" not in one.document for one in told(following, reply))
    await following.die()


async def test_decision_that_a_crash_lost_is_made_again(
    start: StartCore, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    core = await start(store="write-behind", write_behind_seconds="3600")
    put_rules(core, handled("allow"))
    reply = await watching(core, commands.subscribe())
    await core.committer.settled()
    await change_rules(core, handled("block"))
    await settle(core)
    assert states(core, reply)[-1] == ("terminated", "rejected")

    following = await successor(core, packages, directory)
    await ticked(following)

    assert states(following, reply)[-1] == ("terminated", "rejected")
    await following.committer.settled()
    assert following.store.subscriptions == {}
    await following.die()
