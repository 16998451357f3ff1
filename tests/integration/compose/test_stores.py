"""Each store starts by its file, and keeps what was accepted (design §4)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from ..agent import Agent
from ..conftest import close_all, unique
from ..documents import numbered
from ..publication import Publication
from ..wires import open_wire
from . import engine
from .conftest import raised
from .stack import ComposeSystem, Stack

SAVED_SECONDS = 1


@pytest.fixture(scope="module", params=["database", "write-behind"])
def system(request: pytest.FixtureRequest) -> Iterator[ComposeSystem]:
    """Run a stack with each store that the other tests do not use."""
    environment = {"LAMPLIGHTER_WRITE_BEHIND_SECONDS": str(SAVED_SECONDS)}
    for stack in raised(Stack(f"store-{request.param}.yaml", environment=environment)):
        yield ComposeSystem(stack, "network")


@pytest.fixture
async def alice(system: ComposeSystem) -> AsyncIterator[Agent]:
    """Return an agent of it."""
    agent = Agent(await open_wire("udp", system.sip), unique("alice"))
    yield agent
    await close_all([agent])


async def test_state_lives_through_the_death_of_the_core(system: ComposeSystem, alice: Agent) -> None:
    publication, watch = Publication(alice, alice.aor), await alice.watch(alice.aor).active()
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await asyncio.sleep(2 * SAVED_SECONDS)

    engine.crash(system.stack.one("presence-core"))
    await asyncio.to_thread(system.stack.until_ready)
    late = await alice.watch(alice.aor).active()
    await publication.accepted(numbered(alice.aor, 2))

    assert late.notifications[0].step == 1
    for one in (watch, late):
        await one.ends_with(2)


async def test_state_lives_through_the_end_of_all_containers(system: ComposeSystem, alice: Agent) -> None:
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1))

    await asyncio.to_thread(system.stack.again)
    bob = Agent(await open_wire("udp", ComposeSystem(system.stack, "network").sip), unique("bob"))
    watch = await bob.watch(alice.aor).active()

    assert watch.last.step == 1
    await close_all([bob])
