"""What a 2xx promises, tried at the worst moment: the process that gave it is killed as soon as it is seen."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from .agent import Agent
from .conftest import close_all, unique
from .documents import numbered
from .publication import Publication
from .steady import NO_ANSWER, attempt
from .system import System
from .watch import Watch
from .wires import open_wire

pytestmark = pytest.mark.faults
BURST = 30
ROUNDS = 3


@pytest.fixture
async def agent(faulty: System) -> AsyncIterator[Agent]:
    """Return an agent of the system that may be hurt."""
    agent = Agent(await open_wire("udp", faulty.sip), unique("agent"))
    yield agent
    await close_all([agent])


@pytest.mark.parametrize("name", ["core-1", "postgres", "edge-1", "nats"])
async def test_what_was_accepted_the_moment_before_is_known_afterwards(faulty: System, agent: Agent, name: str) -> None:
    for _ in range(ROUNDS):
        publications = [Publication(agent, unique("burst")) for _ in range(BURST)]
        watches = [agent.watch(one.presentity) for one in publications]
        first = asyncio.Event()
        burst = [asyncio.create_task(_publish(one, first)) for one in publications]
        burst += [asyncio.create_task(_subscribe(one, first)) for one in watches]

        async with asyncio.timeout(20):
            await first.wait()
        pid = faulty.kill(name)
        await asyncio.gather(*burst)
        await asyncio.to_thread(faulty.back, name, pid)

        await _serves(agent)
        accepted = [one for one in publications if one.etag]
        assert accepted
        await asyncio.gather(*(_is_known(one) for one in accepted))
        await asyncio.gather(*(_lives(watch) for watch in watches if watch.remote_tag))


async def _publish(publication: Publication, first: asyncio.Event) -> None:
    status = await attempt(lambda: publication.send(numbered(publication.presentity, 1)))
    assert status in (200, 503, NO_ANSWER)
    if status == 200:
        first.set()


async def _subscribe(watch: Watch, first: asyncio.Event) -> None:
    status = await attempt(watch.subscribe)
    assert status in (200, 503, NO_ANSWER)
    if status == 200:
        first.set()


async def _serves(agent: Agent) -> None:
    """Wait until a PUBLISH is accepted: readiness may still be that of before."""
    async with asyncio.timeout(20):
        # After a 503 an attempt lasts as long as the server asks for.
        while await attempt(lambda: Publication(agent, unique("probe")).send(numbered(agent.aor, 1))) != 200:
            pass


async def _is_known(publication: Publication) -> None:
    response = await publication.send()
    assert response.status == 200, f"{publication.presentity}: {response.status}\n{publication.agent.report()}"


async def _lives(watch: Watch) -> None:
    response = await watch.subscribe()
    assert response.status == 200, f"{watch}: {response.status}\n{watch.party.report()}"
    await watch.state(lambda one: one.step == 1 or not one.body, 12.0)
