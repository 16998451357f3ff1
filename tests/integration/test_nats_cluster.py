"""Three NATS servers, one of which dies in the middle of load: nobody notices (design §3 "Ownership")."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from lamplighter_runtime.membership import Directory
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus

from .brokers import Cluster, Server, cluster
from .conftest import Presload, running
from .cores import owners
from .served import until
from .steady import Crowd
from .system import System
from .test_faults_services import nothing_lost

pytestmark = pytest.mark.faults
LOAD = ("mixed", "-P", "60", "-W", "2", "--rate", "60", "--seconds", "14", "--grace", "25")
BEFORE = 3.0
REPLICAS = ("--edges", "2", "--cores", "3", "--notifiers", "2")


@pytest.fixture(scope="module")
def brokers() -> Iterator[Cluster]:
    """Run three servers."""
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def system(brokers: Cluster) -> Iterator[System]:
    """Run everything else on them."""
    yield from running(System(arguments=("--nats", brokers.url, *REPLICAS)))


async def test_directory_of_one_copy_is_copied_to_three_servers_by_who_opens_it_next(brokers: Cluster) -> None:
    async with directory(brokers.servers[0].url, replicas=1):
        single = brokers.copies()

    async with directory(brokers.servers[0].url, replicas=0):
        await asyncio.to_thread(until, lambda: brokers.copies() == 3, 20.0, lambda: "not copied")

    assert single == 1


async def test_leader_of_the_directory_killed_under_load_loses_nothing_and_moves_no_shard(
    system: System, brokers: Cluster, presload: Presload
) -> None:
    await asyncio.to_thread(system.until, system.ready, "not ready", 30.0)
    crowd = await Crowd.gather(system, pairs=2)
    before, leader = owners(system), brokers.leader()
    run = presload(system, *LOAD)
    crowd.begin()
    await asyncio.sleep(BEFORE)

    leader.kill()
    await asyncio.sleep(10)
    await asyncio.to_thread(system.until, system.ready, "not ready without one of three", 30.0)
    after = owners(system)
    await asyncio.to_thread(_start_again, system, brokers, leader)
    await crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))
    await crowd.close()
    assert after == before


def _start_again(system: System, brokers: Cluster, server: Server) -> None:
    server.start()
    system.until(brokers.healthy, "the server does not catch up", 40.0)


@asynccontextmanager
async def directory(url: str, *, replicas: int) -> AsyncIterator[Directory]:
    """Open the directory on a connection of its own."""
    bus = await NatsBus.connect(url, name="opener", service="opener", metrics=Registry())
    opened = Directory(bus.nc, replicas=replicas)
    try:
        await opened.start()
        yield opened
    finally:
        await opened.close()
        await bus.close()
