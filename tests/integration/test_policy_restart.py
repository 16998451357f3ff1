"""Rules and what they decided, when parts of the system die: nothing is forgotten, no change of rules is missed."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from . import rules
from .conftest import Agents, over_udp, running
from .household import Household
from .killer import Killer
from .lamps import DIALOG_TYPE, dialog, dialog_info, lit, shown
from .privacy import LATE, ended, parts
from .publication import Publication
from .system import System
from .xcap_table import XcapTable

pytestmark = [over_udp, pytest.mark.faults]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run a system that takes its rules from the table, and whose parts are killed."""
    yield from running(System(arguments=("--policy", "rules", "--xcap", "integrated")))


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table, which tells of its changes itself."""
    async with XcapTable.open(system.dsn) as table:
        yield table


@pytest.fixture
async def household(system: System, agents: Agents, table: XcapTable) -> Household:
    """Return Alice with a watcher of each kind."""
    return await Household.of(system, agents, table)


@pytest.fixture
def kill(system: System, table: XcapTable) -> Killer:
    """Return what kills parts of the system."""
    return Killer(system, table)


async def test_core_killed_knows_what_was_decided_about_everybody(kill: Killer, household: Household) -> None:
    before = await household.known()

    await kill("core-1")

    assert await household.known() == before
    await household.is_as_it_was()


async def test_rules_that_change_while_the_core_is_dead_take_effect(kill: Killer, household: Household) -> None:
    alice = household.scene.alice.aor
    changed = rules.ruleset(
        rules.rule(rules.one(household.less.party.aor), "block", id_="l"),
        rules.rule(rules.one(household.polite.party.aor), "allow", provides=rules.NOTES, id_="p"),
        rules.rule(rules.one(household.pending.party.aor), "allow", provides=rules.EVERYTHING, id_="q"),
        rules.rule(rules.one(household.waiting), "allow", id_="w"),
    )

    await kill("core-1", meanwhile=lambda: household.scene.rules.put(alice, changed))

    await household.less.state(ended("rejected"))
    step = household.scene.step
    await household.polite.state(lambda one: one.step == step and parts(one.body) == ["tuple"])
    await household.pending.state(lambda one: one.step == step and one.state.state == "active")
    await household.scene.watchers.until(
        (household.polite.party.aor, "active"), (household.pending.party.aor, "active")
    )


@pytest.mark.parametrize("names", [("xcap-1",), ("core-1", "xcap-1")])
async def test_rules_that_go_while_xcap_sync_is_dead_take_access_with_them(
    kill: Killer, household: Household, names: tuple[str, ...]
) -> None:
    await kill(*names, meanwhile=lambda: household.scene.rules.remove(household.scene.alice.aor))

    await household.less.state(ended("deactivated"))
    await household.polite.state(ended("deactivated"))
    await household.scene.publish()
    await household.pending.nothing_more(LATE)
    await household.scene.watchers.until((household.pending.party.aor, "pending"), (household.waiting, "waiting"))


async def test_validity_that_ended_while_the_core_was_dead_has_ended(kill: Killer, household: Household) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    condition = rules.one(household.pending.party.aor) + rules.validity("2020-01-01T00:00:00Z", end.isoformat())
    await household.scene.put(rules.ruleset(rules.rule(condition, "allow", provides=rules.EVERYTHING)))
    await household.pending.state(lambda one: one.state.state == "active")

    await kill("core-1")

    await household.pending.state(ended("deactivated"))
    assert datetime.now(UTC) >= end


async def test_dialog_that_has_ended_stays_dark_when_the_core_was_killed(kill: Killer, agents: Agents) -> None:
    alice = await agents("alice")
    watch = await alice.watch(alice.aor, event="dialog").active()
    call = Publication(alice, alice.aor, event="dialog")
    for state in ("confirmed", "terminated"):
        await call.send(dialog_info(alice.aor, dialog("d1", state, call_id="c1")), content_type=DIALOG_TYPE)
        await lit(watch, state)
    await call.remove()

    await kill("core-1")
    count = len(watch.notifications)
    late = Publication(alice, alice.aor, event="dialog")
    early = dialog_info(alice.aor, dialog("d1", "early", call_id="c1"), dialog("d2", "early", call_id="c2"))
    assert (await late.send(early, content_type=DIALOG_TYPE)).status == 200
    told = await watch.state(lambda one: b'"c2"' in one.body, after=count)

    assert [state for state in shown(told.body).states if state != "terminated"] == ["early"]
    assert b'"c1"' not in told.body or b"terminated" in told.body


async def test_rules_for_one_who_waits_that_come_while_the_core_is_dead_take_effect(
    kill: Killer, household: Household
) -> None:
    scene = household.scene
    everybody = household.rules(rules.rule(rules.one(household.waiting), "allow", id_="w"))

    await kill("core-1", meanwhile=lambda: scene.rules.put(scene.alice.aor, everybody))

    await scene.watchers.until(*household.statuses[:3])
    await household.is_as_it_was(*household.statuses[:3])
