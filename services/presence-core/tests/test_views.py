"""What watchers see: politeness, time and spheres (RFC 5025 §3.2, RFC 4745 §7)."""

from datetime import UTC, datetime

from event_packages.rules.testing import validity
from lamplighter_runtime import clock
from presence_core.testing import Core, etag, gate, tick, to_tag
from presence_core.testing_commands import Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    change_rules,
    dialog_info,
    handled,
    pidf,
    put_rules,
    settle,
    states,
    told,
    watching,
)

STORES = ["write-through", "database"]

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"))
AT_WORK = '<cp:sphere value="work"/>'


def zulu(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- polite-block


async def test_politely_blocked_see_the_same_for_ever(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("polite-block"), handled("polite-block", CAROL))
    bob = await watching(ruled, commands.subscribe(call_id="c"))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    carol = await watching(ruled, commands.subscribe(watcher=CAROL))
    await ruled.ask(commands.pidf(b"", if_match=etag(published), expires=0))

    await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(bob)))

    assert states(ruled, bob) == [("active", "")] * 2
    assert len(told(ruled, carol)) == 1
    assert len({one.document for one in [*told(ruled, bob), *told(ruled, carol)]}) == 1
    assert "closed" in told(ruled, bob)[0].document


async def test_politely_blocked_cannot_tell_from_somebody_who_publishes_nothing(
    ruled: Core, commands: Commands
) -> None:
    put_rules(ruled, handled("polite-block"), handled("allow", CAROL))
    bob = await watching(ruled, commands.subscribe())
    carol = await watching(ruled, commands.subscribe(watcher=CAROL))

    assert told(ruled, bob) == told(ruled, carol)


async def test_politely_blocked_see_versions_of_dialogs_go_on(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("polite-block"), usage=DIALOG_RULES)
    await ruled.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    reply = await watching(ruled, commands.subscribe(call_id="c", event="dialog"))

    await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(reply), event="dialog"))

    assert [one.version for one in told(ruled, reply)] == [0, 1]
    assert {notify.version_at for notify in ruled.notifies} != {-1}
    assert not any("c1" in one.document for one in told(ruled, reply))


async def test_politely_blocked_who_unsubscribes_is_told_like_anybody(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("polite-block"))
    reply = await watching(ruled, commands.subscribe(call_id="c"))

    await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(reply), expires=0))

    assert states(ruled, reply)[-1] == ("terminated", "timeout")
    assert ruled.store.watchers == {}


# --- time


async def test_validity_acts_at_its_boundary(ruled: Core, commands: Commands) -> None:
    now = clock.wall()
    put_rules(ruled, handled("allow", conditions=validity((zulu(now + 100), zulu(now + 200)))))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())

    for later in (90, 102, 190, 202, 300):
        tick(ruled, now + later)
        await ruled.quiet()
        await settle(ruled)

    assert states(ruled, reply) == [("pending", ""), ("active", ""), ("terminated", "deactivated")]
    assert ["meeting" in one.document for one in told(ruled, reply)] == [False, True, False]


async def test_validity_that_has_changed_acts_at_the_new_boundary(ruled: Core, commands: Commands) -> None:
    now = clock.wall()
    put_rules(ruled, handled("allow", conditions=validity((zulu(now + 1000), zulu(now + 2000)))))
    reply = await watching(ruled, commands.subscribe())
    await change_rules(ruled, handled("allow", conditions=validity((zulu(now + 100), zulu(now + 2000)))))

    tick(ruled, now + 102)
    await ruled.quiet()

    assert states(ruled, reply)[-1] == ("active", "")


async def test_validity_acts_while_a_subscribe_is_committed(ruled: Core, commands: Commands) -> None:
    now = clock.wall()
    until = validity((zulu(now - 1000), zulu(now + 100)))
    put_rules(ruled, handled("allow", conditions=until), handled("allow", CAROL))
    await ruled.ask(commands.pidf(MEETING))
    await watching(ruled, commands.subscribe(watcher=CAROL))
    gate(ruled).clear()
    ruled.shards.on_commands([commands.subscribe()])
    await ruled.quiet()

    tick(ruled, now + 102)
    gate(ruled).set()
    await ruled.quiet()
    tick(ruled, now + 103)
    await ruled.quiet()
    await settle(ruled)

    assert states(ruled, ruled.replies[-1])[-1] == ("terminated", "deactivated")


# --- spheres


async def test_change_of_sphere_decides_before_it_is_told(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", conditions=AT_WORK))
    (first,) = await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    reply = await watching(ruled, commands.subscribe())

    await ruled.ask(commands.pidf(pidf(("t1", "private"), sphere="home"), if_match=etag(first)))
    await settle(ruled)

    assert states(ruled, reply) == [("active", ""), ("terminated", "deactivated")]
    assert ["meeting" in one.document for one in told(ruled, reply)] == [True, False]
    assert not any("private" in one.document for one in told(ruled, reply))


async def test_sphere_that_comes_activates_who_is_pending(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", conditions=AT_WORK))
    reply = await watching(ruled, commands.subscribe())

    await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    await settle(ruled)

    assert states(ruled, reply) == [("pending", ""), ("active", "")]
    assert "meeting" in told(ruled, reply)[-1].document


async def test_sphere_that_ends_with_its_publication_ends_what_it_allowed(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", conditions=AT_WORK))
    await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work"), expires=60))
    reply = await watching(ruled, commands.subscribe())

    tick(ruled, clock.wall() + 62)
    await ruled.quiet()
    await settle(ruled)

    assert states(ruled, reply)[-1] == ("terminated", "deactivated")


async def test_sphere_counts_that_was_there_before_rules_asked_for_it(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    (first,) = await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    reply = await watching(ruled, commands.subscribe())
    (second,) = await ruled.ask(commands.pidf(pidf(("t1", "lunch"), sphere="work"), if_match=etag(first)))
    await settle(ruled)
    await change_rules(ruled, handled("allow", conditions=AT_WORK))
    await settle(ruled)

    await ruled.ask(commands.pidf(pidf(("t1", "private")), if_match=etag(second)))
    await settle(ruled)

    assert states(ruled, reply)[-1] == ("terminated", "deactivated")
    assert not any("private" in one.document for one in told(ruled, reply))


async def test_sphere_that_changes_while_a_subscribe_is_committed_counts(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", conditions=AT_WORK), handled("allow", CAROL))
    (first,) = await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    await watching(ruled, commands.subscribe(watcher=CAROL))
    gate(ruled).clear()
    ruled.shards.on_commands([commands.subscribe(), commands.pidf(pidf(("t1", "private")), if_match=etag(first))])
    await ruled.quiet()

    gate(ruled).set()
    await ruled.quiet()
    await settle(ruled)

    (reply, _) = ruled.replies[-2:]
    assert states(ruled, reply)[-1] == ("terminated", "deactivated")
    assert not any("private" in one.document for one in told(ruled, reply))


async def test_sphere_of_another_rule_does_not_end_who_is_allowed_anyway(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", conditions=AT_WORK), handled("allow", CAROL))
    (first,) = await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    carol = await watching(ruled, commands.subscribe(watcher=CAROL))

    await ruled.ask(commands.pidf(pidf(("t1", "lunch")), if_match=etag(first)))
    await settle(ruled)

    assert states(ruled, carol) == [("active", "")] * 2
    assert "lunch" in told(ruled, carol)[-1].document
