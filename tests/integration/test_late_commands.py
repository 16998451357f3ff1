"""A PUBLISH that was answered 503 because something stood still takes no effect when it goes on (ADR 0010)."""

import asyncio

import pytest

from .agent import Agent
from .conftest import close_all, unique
from .documents import numbered
from .publication import Publication
from .system import System
from .test_faults_stores import standing_still
from .wires import open_wire

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("name", ["core-1", "nats"])
async def test_publish_that_was_refused_while_a_process_stood_still_takes_no_effect(faulty: System, name: str) -> None:
    agent = Agent(await open_wire("udp", faulty.sip), unique("alice"))

    with standing_still(faulty.pids()[name]):
        response = await Publication(agent, agent.aor).send(numbered(agent.aor, 1))
        # The frames that wait are older than what a core may be late by.
        await asyncio.sleep(1)
    await asyncio.to_thread(faulty.until, faulty.ready, "not ready again", 30.0)
    await asyncio.sleep(1)
    watch = await agent.watch(agent.aor).active()

    assert response.status == 503
    assert [one.step for one in watch.notifications] == [-1]
    await close_all([agent])
