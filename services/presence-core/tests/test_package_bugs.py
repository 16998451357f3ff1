"""A bug in a package, a document or a rule costs one watcher or presentity, and shows nobody more."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from event_packages.base import Body, EventPackage, State, View
from event_packages.documents.dialog_info import bury
from event_packages.documents.pidf import sphere
from event_packages.registry import Registry
from event_packages.rules.identity import Identity, identity_of
from lamplighter_runtime import clock
from presence_core.shard import Due
from presence_core.testing import Core, FakeDirectory, etag, successor, tick
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    StartCore,
    change_rules,
    dialog_info,
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

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"))
AT_WORK = '<cp:sphere value="work"/>'


def zulu(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
    entry.decided = msgspec.structs.replace(entry.decided, endings=dict.fromkeys(entry.decided.endings, 1))
    shard(ruled).wheel.set((Due.PRESENTITY, (ALICE, "dialog")), 1)
    tick(ruled, clock.wall() + 1)
    await ruled.ask(commands.dialogs(dialog_info(("c7", "early"), entity=CAROL), presentity=CAROL))
    await settle(ruled)
    object.__setattr__(dialog, "bury", bury)

    assert "c7" in told(ruled, reply)[-1].document
