"""PostgreSQL and NATS away in the middle of load: 503 meanwhile, back by itself, nothing accepted is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from .agent import Agent
from .conftest import unique
from .documents import numbered, pidf
from .publication import Publication
from .steady import Crowd
from .system import System
from .wires import open_wire

pytestmark = pytest.mark.faults
STORES = ["postgres", "nats"]


@pytest.fixture
async def crowd(faulty: System) -> AsyncIterator[Crowd]:
    """Return a crowd of steady clients."""
    crowd = await Crowd.gather(faulty)
    yield crowd
    await crowd.close()


@pytest.fixture
async def agent(faulty: System) -> AsyncIterator[Agent]:
    """Return an agent without patience."""
    agent = Agent(await open_wire("udp", faulty.sip), unique("prober"))
    yield agent
    agent.close()
    await asyncio.sleep(0)
    agent.check()


@pytest.mark.parametrize("name", STORES)
async def test_store_that_stands_still_gives_503_and_loses_nothing(
    faulty: System, crowd: Crowd, agent: Agent, name: str
) -> None:
    watch = await agent.watch(agent.aor).active()
    publication = Publication(agent, agent.aor)
    tag = await publication.accepted(numbered(agent.aor, 1))
    crowd.begin()
    await asyncio.sleep(1)

    with standing_still(faulty.pids()[name]):
        response = await Publication(agent, unique("nobody")).send(pidf(agent.aor))
        await asyncio.to_thread(faulty.until, lambda: not faulty.ready(), "ready without its store", 20.0)
    await asyncio.to_thread(faulty.until, faulty.ready, "not ready again", 30.0)
    await crowd.finish()

    assert response.status == 503
    assert (response.headers.get("Retry-After") or "").isdigit()
    assert publication.etag == tag
    await publication.accepted(numbered(agent.aor, 2))
    await watch.ends_with(2, timeout=20)


class standing_still:
    """Stop a process and its children for a while; they notice nothing but the time."""

    def __init__(self, pid: int) -> None:
        self._pids = [pid, *descendants(pid)]

    def __enter__(self) -> None:
        self._signal(signal.SIGSTOP)

    def __exit__(self, *error: object) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def descendants(pid: int) -> Iterator[int]:
    """Return the processes that a process has started, and theirs."""
    parents = dict(_parents())
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    yield from found - {pid}


def _parents() -> Iterator[tuple[int, int]]:
    """Return each process with the one that started it."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(stat.parent.name), int(fields[1])
