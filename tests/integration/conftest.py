"""Fixtures of the integration tests: a running system, agents that speak to it, programs from elsewhere."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from .agent import Agent, new_token
from .load import Run
from .programs import program
from .served import Door, Served
from .system import QUICK, System
from .wires import open_wire

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
Agents: TypeAlias = Callable[[str], Awaitable[Agent]]
Presload: TypeAlias = Callable[..., Run]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here; what disturbs a system comes last."""
    for item in items:
        if HERE in item.path.parents and HERE / "compose" not in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Run the system that tests share as long as they do not disturb it."""
    yield from running(System())


@pytest.fixture(scope="module")
def faulty() -> Iterator[System]:
    """Run a system whose parts may be killed."""
    yield from running(System())


@pytest.fixture(scope="session")
def integrated() -> Iterator[System]:
    """Run a system that takes its rules from the table `xcap`, which OpenXCAP writes."""
    settings = {
        "PRESENCE_CORE_XCAP_DIALECT": "openxcap",
        "PRESENCE_CORE_OPEN_EVENTS": "message-summary",
        "PRESENCE_CORE_PARTIAL_STATE_EVENTS": "dialog",
    }
    yield from running(System(QUICK | settings, ("--policy", "rules", "--xcap", "integrated")))


def running(system: System) -> Iterator[System]:
    """Start a system, lend it, stop it."""
    try:
        yield system.start()
        assert system.stop() == 0, system.tail()
    finally:
        system.stop()
        system.remove()


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    """Return the transport of this test's agents."""
    return str(request.param)


@pytest.fixture
async def agents(system: Served, transport: str) -> AsyncIterator[Agents]:
    """Return a maker of agents, each with an AOR that no other test has."""
    made: list[Agent] = []

    async def make(name: str) -> Agent:
        agent = Agent(await open_wire(transport, system.sip), unique(name))
        made.append(agent)
        return agent

    yield make
    await close_all(made)


async def close_all(agents: list[Agent]) -> None:
    """Close their sockets and raise what they did not like."""
    for agent in agents:
        agent.close()
    await asyncio.sleep(0)
    for agent in agents:
        agent.check()


over_udp = pytest.mark.parametrize("transport", ["udp"])
over_tcp = pytest.mark.parametrize("transport", ["tcp"])
"""Marks of tests that are about one transport."""


def unique(name: str) -> str:
    """Return an AOR that nobody else uses."""
    return f"sip:{name}-{new_token()}@example.test"


@pytest.fixture(scope="session")
def presload_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return presload, compiled for this machine."""
    compiler = shutil.which("gcc") or shutil.which("clang") or program("cc", "gcc", "libc6-dev")
    built = tmp_path_factory.mktemp("presload") / "presload"
    source = REPOSITORY / "bench" / "presload" / "presload.c"
    subprocess.run([compiler, "-O2", "-o", built, source, "-lm"], check=True)
    return built


@pytest.fixture
def presload(presload_program: Path, tmp_path: Path) -> Iterator[Presload]:
    """Return a starter of presload runs."""
    runs: list[Run] = []

    def start(door: Door, *arguments: str) -> Run:
        runs.append(Run(presload_program, door, list(arguments), tmp_path / f"presload-{len(runs)}.json"))
        return runs[-1]

    yield start
    for run in runs:
        run.stop()
