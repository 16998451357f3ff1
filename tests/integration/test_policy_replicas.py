"""Rules where several cores share the presentities: the right one hears of changes, and another takes over."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from lamplighter_proto.ownership import shard_of

from . import rules
from .agent import Agent
from .conftest import Agents, close_all, running, unique
from .household import Household
from .privacy import LATE, Scene, ended, live
from .system import System
from .test_faults_stores import standing_still
from .wires import open_wire
from .xcap_table import XcapTable

pytestmark = pytest.mark.faults
SHARDS = 64
PORT_STEP = 10


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run two of each service, with rules in the table."""
    replicas = ("--edges", "2", "--cores", "2", "--notifiers", "2")
    yield from running(System(arguments=("--policy", "rules", "--xcap", "integrated", *replicas)))


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table, which tells of its changes itself."""
    async with XcapTable.open(system.dsn) as table:
        yield table


@pytest.fixture(params=["core-1", "core-2"])
def owner(request: pytest.FixtureRequest) -> str:
    """Return the core that Alice is at."""
    return str(request.param)


@pytest.fixture
async def agents(system: System, owner: str) -> AsyncIterator[Agents]:
    """Return a maker of agents at alternate edges; an alice is one of the presentities of the core `owner`."""
    made: list[Agent] = []

    async def make(name: str) -> Agent:
        aor = unique(name)
        while name == "alice" and owner_of(system, aor) != owner:
            aor = unique(name)
        host, port = system.sip
        made.append(Agent(await open_wire("udp", (host, port + PORT_STEP * (len(made) % 2))), aor))
        return made[-1]

    yield make
    await close_all(made)


def owner_of(system: System, aor: str) -> str:
    """Return the core that serves a presentity."""
    owners: dict[str, str] = system.get("presence-core", "/shards").json()
    return owners[str(shard_of(aor, SHARDS))]


async def test_rules_take_effect_at_either_core(system: System, agents: Agents, table: XcapTable) -> None:
    await live(await Scene.of(system, agents, table))


@pytest.mark.parametrize("owner", ["core-2"], indirect=True)
async def test_core_that_takes_over_knows_what_was_decided_and_the_rules_of_now(
    system: System, agents: Agents, table: XcapTable
) -> None:
    household = await Household.of(system, agents, table)
    scene, changed = household.scene, household.rules(rules.rule(rules.one(household.waiting), "block", id_="w"))
    before = await household.known()

    with standing_still(system.pids()["core-2"]):
        async with table.silent():
            await scene.put(changed)
        await asyncio.to_thread(system.until, lambda: owner_of(system, scene.alice.aor) == "core-1", "no take-over", 20)
        await scene.watchers.until(*household.statuses[:3])
        await household.is_as_it_was(*household.statuses[:3])
        assert await household.known() == {one for one in before if one[0] != household.waiting}
    await asyncio.to_thread(system.until, system.ready, "not ready again", 30)
    await scene.put(rules.handle("block", household.less.party.aor))

    await household.less.state(ended("rejected"))
    await household.polite.state(ended("deactivated"))
    await household.pending.nothing_more(LATE)
