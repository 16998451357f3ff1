"""The configurations with rules start by their files, and the rules take effect (design §5.2, §5.3)."""

from collections.abc import AsyncIterator, Iterator

import pytest

from xcap_sync.testing import Origin, serving

from ..conftest import Agents, over_udp
from ..privacy import RulesOf, Scene, live
from ..xcap_server import Polled
from ..xcap_table import XcapTable
from . import engine
from .conftest import raised
from .stack import ComposeSystem, Stack

pytestmark = over_udp


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """Run an XCAP server that containers reach."""
    engine.demand()
    with serving(host=engine.host_address()) as origin:
        yield origin


@pytest.fixture(scope="module", params=["integrated", "client"])
def way(request: pytest.FixtureRequest) -> str:
    """Return how rules come in."""
    return str(request.param)


@pytest.fixture(scope="module")
def system(way: str, origin: Origin) -> Iterator[ComposeSystem]:
    """Run a stack with rules, looked at every second where they have to be fetched."""
    environment = {
        "LAMPLIGHTER_XCAP_DIALECT": "openxcap",
        "LAMPLIGHTER_XCAP_ROOTS": origin.root,
        "LAMPLIGHTER_XCAP_QUERY_PERIOD_SECONDS": "1",
    }
    for stack in raised(Stack(f"rules-{way}.yaml", environment=environment)):
        yield ComposeSystem(stack, "network")


@pytest.fixture
async def rules_of(system: ComposeSystem, way: str, origin: Origin) -> AsyncIterator[RulesOf]:
    """Return where presentities keep their rules."""
    if way == "client":
        yield Polled(origin)
        return
    async with XcapTable.open(system.stack.dsn) as table:
        yield table


async def test_rules_take_effect(system: ComposeSystem, agents: Agents, rules_of: RulesOf) -> None:
    await live(await Scene.of(system, agents, rules_of))
