"""What watchers see: politeness, spheres, the time, packages with bugs, documents of other sources."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from event_packages.base import Body, EventPackage, State, View
from event_packages.documents.dialog_info import bury
from event_packages.documents.pidf import sphere
from event_packages.registry import Registry
from event_packages.rules.identity import Identity, identity_of
from event_packages.rules.testing import rule, validity
from lamplighter_runtime import clock
from presence_core.shard import Due
from presence_core.testing import Core, FakeDirectory, etag, gate, successor, tick, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    EVERYTHING,
    StartCore,
    change_rules,
    dialog_info,
    document,
    handled,
    pidf,
    put_rules,
    settle,
    shard,
    states,
    told,
    watching,
)

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


# --- packages with bugs


def buggy(package: EventPackage, part: str) -> EventPackage:
    """Return a package that cannot show its state to watchers without a complete view."""

    def see(state: State, view: View) -> State:
        if view.permissions is not None:
            raise RuntimeError("a bug")
        return state

    def write(state: State, base: State | None, now: int) -> Body:
        if state == b"part":
            raise RuntimeError("a bug")
        assert isinstance(state, bytes)
        return Body(content_type="text/plain", document=state)

    def halve(state: State, view: View) -> State:
        return state if view.permissions is None else b"part"

    return replace(package, see=see if part == "see" else halve, write=write)


@pytest.mark.parametrize("part", ["see", "write"])
async def test_watcher_whose_view_finds_a_bug_gets_nothing_and_the_others_all(
    directory: FakeDirectory, packages: Registry, commands: Commands, part: str, start: StartCore
) -> None:
    core = await start()
    await core.die()
    presence = packages.get("presence")
    assert presence is not None
    core = Core("core-1", buggy(presence, part), core.store, directory, policy="rules", xcap="integrated")
    await core.start()
    put_rules(core, handled("allow", provides=""), handled("allow", CAROL))
    bob = await watching(core, commands.subscribe())
    carol = await watching(core, commands.subscribe(watcher=CAROL))

    await core.ask(commands.pidf(MEETING))
    await settle(core)

    assert {one.document for one in told(core, bob)} == {""}
    assert "meeting" in told(core, carol)[-1].document
    await core.die()


@pytest.mark.parametrize("restarted", [False, True])
async def test_watcher_about_whom_rules_find_a_bug_is_shown_nothing_and_the_others_all(
    ruled: Core,
    commands: Commands,
    packages: Registry,
    directory: FakeDirectory,
    monkeypatch: pytest.MonkeyPatch,
    restarted: bool,
) -> None:
    put_rules(ruled, handled("allow"), handled("allow", CAROL))
    (published,) = await ruled.ask(commands.pidf(MEETING))
    bob = await watching(ruled, commands.subscribe())
    carol = await watching(ruled, commands.subscribe(watcher=CAROL))

    def broken(uri: str) -> Identity:
        if uri == BOB:
            raise RuntimeError("a bug")
        return identity_of(uri)

    monkeypatch.setattr("presence_core.domain.authorization.identity_of", broken)
    core = await successor(ruled, packages, directory) if restarted else ruled
    if not restarted:
        await change_rules(core, handled("allow"), handled("allow", CAROL), handled("block", ALICE))
    tick(core, clock.wall() + 1)
    await core.quiet()
    await core.ask(commands.pidf(pidf(("t1", "lunch")), if_match=etag(published)))
    await settle(core)

    assert states(core, bob)[-1] == ("terminated", "deactivated")
    assert "lunch" not in "".join(one.document for one in told(core, bob))
    assert "lunch" in told(core, carol)[-1].document
    await core.die()


async def test_sphere_that_a_bug_hides_allows_nobody(
    ruled: Core, commands: Commands, packages: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_rules(ruled, handled("allow", conditions=AT_WORK))
    (first,) = await ruled.ask(commands.pidf(pidf(("t1", "meeting"), sphere="work")))
    reply = await watching(ruled, commands.subscribe())
    presence = packages.get("presence")

    def broken(documents: Sequence[object]) -> str:
        raise RuntimeError("a bug")

    object.__setattr__(presence, "sphere", broken)
    await ruled.ask(commands.pidf(pidf(("t1", "lunch"), sphere="work"), if_match=etag(first)))
    await settle(ruled)
    object.__setattr__(presence, "sphere", sphere)

    assert states(ruled, reply)[-1] == ("terminated", "deactivated")


async def test_ending_that_finds_a_bug_costs_no_other_presentity(
    ruled: Core, commands: Commands, packages: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_rules(ruled, handled("allow"), usage=DIALOG_RULES)
    put_rules(ruled, handled("allow"), usage=DIALOG_RULES, aor=CAROL)
    (first,) = await ruled.ask(commands.dialogs(dialog_info(("c1", "terminated"))))
    await watching(ruled, commands.subscribe(event="dialog"))
    reply = await watching(ruled, commands.subscribe(event="dialog", presentity=CAROL))
    dialog = packages.get("dialog")

    def broken(document: object, names: Collection[str]) -> object:
        raise RuntimeError("a bug")

    object.__setattr__(dialog, "bury", broken)
    await ruled.ask(commands.dialogs(dialog_info(("c1", "early")), if_match=etag(first)))
    entry = shard(ruled).entries[(ALICE, "dialog")]
    entry.decided = replace(entry.decided, endings=dict.fromkeys(entry.decided.endings, 1))
    shard(ruled).wheel.set((Due.PRESENTITY, (ALICE, "dialog")), 1)
    tick(ruled, clock.wall() + 1)
    await ruled.ask(commands.dialogs(dialog_info(("c7", "early"), entity=CAROL), presentity=CAROL))
    await settle(ruled)
    object.__setattr__(dialog, "bury", bury)

    assert "c7" in told(ruled, reply)[-1].document


# --- hard state, and what follows from dialogs


@pytest.mark.parametrize("policy", ["rules", "open"])
async def test_hard_state_is_told_alone_and_below_what_is_published(
    start: StartCore, commands: Commands, policy: str
) -> None:
    core = await start(policy=policy)
    put_rules(core, handled("allow"))
    core.store.documents[ALICE] += (document(pidf(("h", "on holiday")), "pidf-manipulation", "h"),)
    reply = await watching(core, commands.subscribe())

    await core.ask(commands.pidf(MEETING))
    await settle(core)

    first, second = (one.document for one in told(core, reply))
    assert ("on holiday" in first, "meeting" in first) == (True, False)
    assert ("on holiday" in second, "meeting" in second) == (True, True)


async def test_hard_state_is_older_than_what_is_published(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    ruled.store.documents[ALICE] += (document(pidf(("t1", "on holiday")), "pidf-manipulation", "h"),)
    await ruled.ask(commands.pidf(pidf(("t1", "meeting"))))

    reply = await watching(ruled, commands.subscribe())

    shown = told(ruled, reply)[0].document
    assert ("meeting" in shown, "on holiday" in shown) == (True, False), shown


async def test_hard_state_that_changes_is_told(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    reply = await watching(ruled, commands.subscribe())

    ruled.store.documents[ALICE] += (document(pidf(("h", "on holiday")), "pidf-manipulation", "h"),)
    await change_rules(ruled, handled("allow"))
    await settle(ruled)
    ruled.store.documents[ALICE] = ()
    await change_rules(ruled, handled("allow"))
    await settle(ruled)

    assert ["on holiday" in one.document for one in told(ruled, reply)] == [False, True, False]


async def test_hard_state_that_cannot_be_read_is_not_there(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    ruled.store.documents[ALICE] += (document(b"<presence", "pidf-manipulation", "h"),)

    reply = await watching(ruled, commands.subscribe())

    assert states(ruled, reply) == [("active", "")]


@pytest.mark.parametrize(
    ("domains", "derived"), [("example.com", True), ("*", True), ("example.org", False), ("", False)]
)
async def test_dialogs_make_presence_where_the_operator_wants_it(
    start: StartCore, commands: Commands, domains: str, derived: bool
) -> None:
    core = await start(policy="open", presence_from_dialog_domains=domains)
    reply = await watching(core, commands.subscribe())
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    await settle(core)
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), if_match=etag(first)))
    await settle(core)

    assert ["on-the-phone" in one.document for one in told(core, reply)] == (
        [False, True, False] if derived else [False]
    )


async def test_presence_from_dialogs_is_there_for_who_comes_later(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", presence_from_dialog_domains="*")
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), expires=60))
    reply = await watching(core, commands.subscribe())

    tick(core, clock.wall() + 62)
    await core.quiet()
    await settle(core)

    assert ["on-the-phone" in one.document for one in told(core, reply)] == [True, False]


async def test_presence_from_dialogs_is_seen_by_the_rules_of_presence(start: StartCore, commands: Commands) -> None:
    core = await start(presence_from_dialog_domains="*")
    put_rules(core, handled("allow", provides=""), handled("allow", CAROL))
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))

    bob = await watching(core, commands.subscribe())
    carol = await watching(core, commands.subscribe(watcher=CAROL))

    assert "on-the-phone" not in told(core, bob)[0].document
    assert "on-the-phone" in told(core, carol)[0].document


# --- the Event header


async def test_event_with_a_parameter_is_a_package_of_its_own(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open")
    shared = await watching(core, commands.subscribe(event="dialog", event_params=[("sla", ""), ("id", "7")]))
    plain = await watching(core, commands.subscribe(event="dialog"))

    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), event_params=[("sla", "")]))
    await settle(core)

    assert "c1" in told(core, shared)[-1].document
    assert len(told(core, plain)) == 1
    assert core.targets[0].dialog.event == "dialog;sla;id=7"
    assert {event for _, event, _ in core.store.publications} == {"dialog;sla"}
    assert {row.subscription.event for row in core.store.subscriptions.values()} == {"dialog", "dialog;sla"}


async def test_event_with_a_parameter_is_refreshed_as_such(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open")
    given = {"event": "dialog", "event_params": [("sla", "")], "call_id": "c"}
    reply = await watching(core, commands.subscribe(**given))  # type: ignore[arg-type]

    again = await watching(core, commands.subscribe(cseq=2, to_tag=to_tag(reply), **given))  # type: ignore[arg-type]

    assert to_tag(again) == to_tag(reply)
    assert len(told(core, reply)) == 2


async def test_event_header_says_which_dialogs_a_watcher_sees(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, rule("", handling="allow"), usage=DIALOG_RULES)
    await ruled.ask(commands.dialogs(dialog_info(("c1", "confirmed"), ("c2", "early"))))

    reply = await watching(ruled, commands.subscribe(event="dialog", event_params=[("call-id", "c2")]))

    assert ("c1" in told(ruled, reply)[0].document, "c2" in told(ruled, reply)[0].document) == (False, True)


async def test_single_events_show_one_dialog(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", single_state_events="dialog")
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"), ("c2", "early"))))

    reply = await watching(core, commands.subscribe(event="dialog"))

    assert ("c1" in told(core, reply)[0].document, "c2" in told(core, reply)[0].document) == (False, True)


async def test_watchers_with_one_view_share_one_document(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", provides=EVERYTHING), handled("allow", CAROL, provides=EVERYTHING))
    await ruled.ask(commands.subscribe(), commands.subscribe(watcher=CAROL), commands.subscribe(watcher=BOB))
    await settle(ruled)
    before = len(set(map(id, ruled.notifies)))

    await ruled.ask(commands.pidf(MEETING))

    assert len(set(map(id, ruled.notifies))) == before + 1
