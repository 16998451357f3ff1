"""Each configuration of deploy/compose starts by its file and does what it is for (design §5)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from xcap_sync.testing import Origin, serving

from ..agent import Agent
from ..conftest import Agents, close_all, over_udp, unique
from ..documents import numbered
from ..privacy import Scene, live
from ..publication import Publication
from ..system import QUICK
from ..wires import open_wire
from ..xcap_server import Polled
from ..xcap_table import XcapTable
from . import engine
from .conftest import raised
from .stack import ComposeSystem, Stack

pytestmark = over_udp
DIALECT = {"LAMPLIGHTER_XCAP_DIALECT": "openxcap"}
SAVED_SECONDS = 1
STORES = {"open": [], "database": ["store-database.yaml"], "write-behind": ["store-write-behind.yaml"]}


# --- who may watch whom


@pytest.fixture(scope="module")
def integrated() -> Iterator[ComposeSystem]:
    """Run a stack whose rules are in its table."""
    for stack in raised(Stack("rules-integrated.yaml", environment=DIALECT)):
        yield ComposeSystem(stack, "network")


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """Run an XCAP server that containers reach."""
    engine.demand()
    with serving(host=engine.host_address()) as origin:
        yield origin


@pytest.fixture(scope="module")
def client(origin: Origin) -> Iterator[ComposeSystem]:
    """Run a stack that fetches its rules every second."""
    environment = {"LAMPLIGHTER_XCAP_ROOTS": origin.root, "LAMPLIGHTER_XCAP_QUERY_PERIOD_SECONDS": "1"}
    for stack in raised(Stack("rules-client.yaml", environment=DIALECT | environment)):
        yield ComposeSystem(stack, "network")


class TestIntegrated:
    """Rules that an XCAP server writes into the database."""

    @pytest.fixture
    def system(self, integrated: ComposeSystem) -> ComposeSystem:
        """Take that stack."""
        return integrated

    async def test_rules_in_the_table_take_effect(self, system: ComposeSystem, agents: Agents) -> None:
        async with XcapTable.open(system.stack.dsn) as table:
            await live(await Scene.of(system, agents, table))


class TestClient:
    """Rules that are fetched."""

    @pytest.fixture
    def system(self, client: ComposeSystem) -> ComposeSystem:
        """Take that stack."""
        return client

    async def test_rules_that_are_fetched_take_effect(
        self, system: ComposeSystem, agents: Agents, origin: Origin
    ) -> None:
        await live(await Scene.of(system, agents, Polled(origin)))


# --- how safe a 2xx is


@pytest.fixture(scope="module", params=STORES)
def stored(request: pytest.FixtureRequest) -> Iterator[ComposeSystem]:
    """Run a stack with each store, and everybody allowed to watch."""
    environment = {"LAMPLIGHTER_WRITE_BEHIND_SECONDS": str(SAVED_SECONDS)}
    for stack in raised(Stack(*STORES[request.param], settings=QUICK, environment=environment)):
        yield ComposeSystem(stack, "network")


@pytest.fixture
async def alice(stored: ComposeSystem) -> AsyncIterator[Agent]:
    """Return an agent of it."""
    agent = Agent(await open_wire("udp", stored.sip), unique("alice"))
    yield agent
    await close_all([agent])


async def test_state_is_told_and_lives_through_the_death_of_the_core(stored: ComposeSystem, alice: Agent) -> None:
    publication, watch = Publication(alice, alice.aor), await alice.watch(alice.aor).active()
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await asyncio.sleep(2 * SAVED_SECONDS)

    engine.crash(stored.stack.one("presence-core"))
    await asyncio.to_thread(stored.stack.until_ready)
    late = await alice.watch(alice.aor).active()
    await publication.accepted(numbered(alice.aor, 2))

    assert late.last.step == 1
    for one in (watch, late):
        await one.ends_with(2)


async def test_state_lives_through_the_end_of_all_containers(stored: ComposeSystem, alice: Agent) -> None:
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1))

    await asyncio.to_thread(stored.stack.again)
    alice.wire.server = ComposeSystem(stored.stack, "network").sip
    watch = await alice.watch(alice.aor).active()

    assert watch.last.step == 1
