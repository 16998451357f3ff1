"""Many servers, any of which dies, stands still, is told to stop, in turn, under load: nobody notices (design §1)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from lamplighter_proto.ownership import chosen

from .conftest import Presload, running
from .cores import Core, owners
from .steady import Crowd
from .system import System
from .test_faults_services import nothing_lost
from .test_faults_stores import standing_still

pytestmark = pytest.mark.faults
SERVICES = ("edge-1", "edge-2", "core-1", "core-2", "core-3", "notifier-1", "notifier-2")
CORES = ("core-1", "core-2", "core-3")
STORES = ("postgres", "nats")
REPLICAS = ("--edges", "2", "--cores", "3", "--notifiers", "2")
SHARDS = 64
LEASE_SECONDS = 2.0
CALM = 1.0


@pytest.fixture(scope="module", params=["write-through", "database"])
def many(request: pytest.FixtureRequest) -> Iterator[System]:
    """Run several of each service."""
    yield from running(System(arguments=("--store", str(request.param), *REPLICAS)))


@pytest.fixture
async def crowd(many: System) -> AsyncIterator[Crowd]:
    """Return a crowd of steady clients."""
    crowd = await Crowd.gather(many, pairs=2)
    yield crowd
    await crowd.close()


def load(seconds: int) -> tuple[str, ...]:
    """Return the load to be served meanwhile."""
    return ("mixed", "-P", "60", "-W", "2", "--rate", "50", "--seconds", str(seconds), "--grace", "25")


async def test_each_process_killed_in_turn_under_load_loses_nothing(
    many: System, crowd: Crowd, presload: Presload
) -> None:
    run = presload(many, *load(40))
    crowd.begin()
    await asyncio.sleep(CALM)

    for name in (*SERVICES, *STORES):
        await _again(many, name, signal.SIGKILL)
    await crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))


async def test_rolling_restart_under_load_gets_no_unexpected_response(many: System, presload: Presload) -> None:
    run = presload(many, *load(40))
    await asyncio.sleep(CALM)

    for name in SERVICES:
        await _again(many, name, signal.SIGTERM)

    verdict = await asyncio.to_thread(run.verdict)
    nothing_lost(verdict)
    assert verdict.status == 0, verdict.text


async def test_core_that_stands_still_beyond_its_lease_under_load_costs_nothing(
    many: System, crowd: Crowd, presload: Presload
) -> None:
    run = presload(many, *load(20))
    crowd.begin()
    await asyncio.sleep(CALM)

    for name in CORES[1:]:
        with standing_still(many.pids()[name]):
            await asyncio.sleep(3 * LEASE_SECONDS)
        await asyncio.to_thread(many.until, many.ready, "not ready again", 30.0)
    await crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))


async def test_core_that_comes_or_goes_moves_only_its_share_of_shards(many: System) -> None:
    if not owners(many):
        pytest.skip("nobody owns anything with this store")
    core = Core(many, "core-4")
    before = await _settled(many, CORES)

    core.start()
    four = await _settled(many, (*CORES, "core-4"))
    core.stop()
    after = await _settled(many, CORES)

    moved = {number for number, owner in four.items() if owner != before[number]}
    assert moved == {number for number, owner in four.items() if owner == "core-4"}
    assert 0 < len(moved) < SHARDS / 2
    assert after == before


async def _again(system: System, name: str, number: signal.Signals) -> None:
    """Send a process a signal, wait until it is back and everything is ready."""
    pid = system.pids()[name]
    os.kill(pid, number)
    await asyncio.to_thread(system.back, name, pid)
    await asyncio.sleep(CALM)


async def _settled(system: System, cores: tuple[str, ...]) -> dict[int, str]:
    """Wait until every shard is at the core that shall have it; return the owners."""
    wanted = {number: chosen(number, cores) for number in range(SHARDS)}
    await asyncio.to_thread(system.until, lambda: owners(system) == wanted, "not where they shall be", 30.0)
    return owners(system)
