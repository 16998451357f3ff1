"""What containers suffer under load costs nothing that was accepted, and takes no watcher back (design §1)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from ..conftest import Presload
from ..relay import Relay, Weather
from ..steady import Crowd
from ..test_faults_services import nothing_lost
from . import engine
from .conftest import raised
from .engine import Container
from .stack import SIP_PORT, ComposeSystem, Stack

pytestmark = pytest.mark.timeout(150)
STORES = ("nats", "postgres")
SERVICES = ("notifier", "presence-core", "sip-edge")
REPLICAS = {"presence-core": 2, "notifier": 2}
CALM = 1.0
LEASE_SECONDS = 2.0
AWAY_SECONDS = 2.5 * LEASE_SECONDS
SEED = 5
LOAD = ("mixed", "-P", "50", "-W", "2", "--rate", "40", "--grace", "25")


@pytest.fixture(scope="module")
def scaled() -> Iterator[Stack]:
    """Run two cores and two notifiers."""
    yield from raised(Stack("scale.yaml", scale=REPLICAS))


class Field:
    """A stack with a crowd of steady clients at its first edge, and a relay for the load."""

    def __init__(self, stack: Stack, crowd: Crowd, relay: Relay) -> None:
        self.stack = stack
        self.crowd = crowd
        self.relay = relay

    async def settle(self) -> None:
        """Wait until all containers are ready, follow the edge to where it is, and give clients a moment."""
        await asyncio.to_thread(self.stack.until_ready)
        edge = await asyncio.to_thread(self.stack.one, "sip-edge")
        self.relay.server = (edge.address, SIP_PORT)
        self.crowd.move((edge.address, SIP_PORT))
        await asyncio.sleep(CALM)

    async def each(self, service: str, suffer: Callable[[Container], None]) -> None:
        """Let the first container of a service suffer."""
        await asyncio.to_thread(suffer, await asyncio.to_thread(self.stack.one, service))
        await self.settle()


@pytest.fixture
async def field(scaled: Stack) -> AsyncIterator[Field]:
    """Return the stack with clients that go on whatever happens."""
    system = ComposeSystem(scaled, "network")
    relay = await Relay.open(system.sip, Weather(), SEED)
    crowd = await Crowd.gather(system, pairs=2)
    crowd.begin()
    yield Field(scaled, crowd, relay)
    await crowd.close()
    relay.close()
    await asyncio.sleep(0)


def _killed(container: Container) -> None:
    engine.kill(container)
    engine.start(container)


def _stood_still(container: Container) -> None:
    with engine.paused(container):
        engine.wait(AWAY_SECONDS)


def _cut_off(container: Container) -> None:
    with engine.cut_off(container):
        engine.wait(AWAY_SECONDS)


FAULTS = {"killed": _killed, "crashed": engine.crash, "paused": _stood_still, "cut off": _cut_off}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", [*SERVICES, *STORES])
async def test_container_that_suffers_under_load_loses_nothing(
    field: Field, presload: Presload, service: str, fault: str
) -> None:
    run = presload(field.relay, *LOAD, "--seconds", "8")
    await asyncio.sleep(CALM)

    await field.each(service, FAULTS[fault])
    await field.crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))
