"""Datagrams are lost both ways, and yet no state is (RFC 3261 §17.1.2, §17.2.2; RFC 6665 §4.2.2)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from .agent import Agent
from .conftest import close_all, unique
from .documents import numbered
from .publication import Publication
from .relay import Relay, Weather
from .served import Served
from .watch import Watch
from .wires import UdpWire

LOSS = 0.05
SEED = 20
PRESENTITIES = 8
WATCHERS = 4
STEPS = 25
PATIENCE = 32.0
"""Seconds: Timer F."""


@pytest.fixture
async def relay(system: Served) -> AsyncIterator[Relay]:
    """Run a bad network before the edge."""
    relay = await Relay.open(system.sip, Weather(loss=LOSS), SEED)
    yield relay
    relay.close()
    await asyncio.sleep(0)


async def test_loss_of_datagrams_loses_no_state(relay: Relay) -> None:
    publishers = [Agent(await UdpWire.open(relay.sip), unique(f"p{number}")) for number in range(PRESENTITIES)]
    watchers = [Agent(await UdpWire.open(relay.sip), unique(f"w{number}")) for number in range(WATCHERS)]
    watches = [watcher.watch(publisher.aor) for watcher in watchers for publisher in publishers]
    await asyncio.gather(*(watch.subscribe(timeout=PATIENCE) for watch in watches))

    await asyncio.gather(*(_publish(publisher) for publisher in publishers))
    await asyncio.gather(*(watch.ends_with(STEPS - 1, PATIENCE) for watch in watches))

    for watch in watches:
        assert watch.steps == sorted(watch.steps), watch
    assert relay.fates.lost > LOSS * relay.fates.passed / 2, "the relay lost nothing"
    assert sum(watch.repeats for watch in watches) > 0, "no answer of a watcher was lost"
    await asyncio.gather(*(_end(watch) for watch in watches))
    await close_all([*publishers, *watchers])


async def _publish(agent: Agent) -> None:
    publication = Publication(agent, agent.aor)
    for step in range(STEPS):
        response = await publication.send(numbered(agent.aor, step), timeout=PATIENCE)
        assert response.status == 200, f"{response.status} {response.reason}\n{agent.report()}"


async def _end(watch: Watch) -> None:
    response = await watch.subscribe(0, timeout=PATIENCE)
    assert response.status == 200
    await watch.state(lambda one: one.state.state == "terminated", PATIENCE)
