"""What containers suffer under load costs nothing that was accepted, and takes no watcher back (design §1)."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from ..conftest import Presload
from ..relay import Relay, Weather
from ..steady import Crowd
from ..system import free_port
from . import engine
from .conftest import raised
from .engine import Container
from .field import Field, nothing_lost, nothing_noticed
from .stack import ComposeSystem, Stack

pytestmark = pytest.mark.timeout(180)
STORES = ("nats", "postgres")
SERVICES = ("notifier", "presence-core", "sip-edge")
REPLICAS = {"sip-edge": 1, "presence-core": 2, "notifier": 2}
LEASE_SECONDS = 2.0
AWAY_SECONDS = 1.5 * LEASE_SECONDS
SEED = 5
BAD = Weather(loss=0.03, twice=0.05, delay=0.01, jitter=0.06)
LOST = 0.2
BAD_SECONDS = 4.0


@pytest.fixture(scope="module")
def scaled() -> Iterator[Stack]:
    """Run two cores and two notifiers."""
    yield from raised(Stack("scale.yaml", scale=REPLICAS, front=free_port()))


@pytest.fixture
async def field(scaled: Stack, presload: Presload) -> AsyncIterator[Field]:
    """Return the stack with clients that go on whatever happens."""
    system = ComposeSystem(scaled, "network")
    relay = await Relay.open(system.sip, Weather(), SEED, scaled.advertised[1])
    crowd = await Crowd.gather(system, pairs=2)
    crowd.begin()
    yield Field(scaled, crowd, relay, presload)
    await crowd.close()
    relay.close()
    await asyncio.sleep(0)


# --- something happens to one container


def killed(container: Container) -> None:
    """Kill it, and start it again."""
    engine.kill(container)
    engine.start(container)


def stood_still(container: Container) -> None:
    """Let it stand still for longer than its lease."""
    with engine.paused(container):
        engine.wait(AWAY_SECONDS)


def cut_off(container: Container) -> None:
    """Keep it from the network for longer than its lease."""
    with engine.cut_off(container):
        engine.wait(AWAY_SECONDS)


FAULTS = {"killed": killed, "crashed": engine.crash, "paused": stood_still, "cut off": cut_off}


@pytest.mark.parametrize(
    ("service", "fault"),
    # A start by hand and one by the engine are the same to all services but the one that shall come back by itself.
    [(one, fault) for one in SERVICES for fault in ("crashed", "paused", "cut off")]
    + [(one, fault) for one in STORES for fault in ("killed", "paused", "cut off")],
)
async def test_container_that_suffers_under_load_loses_nothing(field: Field, service: str, fault: str) -> None:
    run = await field.load()

    await field.suffers(service, FAULTS[fault])
    await field.crowd.finish()

    await nothing_lost(run)


# --- containers are replaced


@pytest.mark.parametrize("service", [*SERVICES, *STORES])
async def test_service_recreated_at_once_under_load_loses_nothing(field: Field, service: str) -> None:
    run = await field.load()

    await field.do(lambda: field.stack.recreate(service))
    await field.crowd.finish()

    await nothing_lost(run)


async def test_containers_replaced_in_turn_under_load_are_not_noticed(field: Field) -> None:
    run = await field.load()

    for service in SERVICES:
        for container in await asyncio.to_thread(field.stack.containers, service):
            await field.do(partial(field.stack.replace, container))
    await field.crowd.finish()

    await nothing_noticed(run)


async def test_services_scaled_up_and_down_under_load_are_not_noticed(field: Field) -> None:
    run = await field.load()

    await field.do(lambda: field.stack.scale(sip_edge=2, presence_core=3, notifier=3))
    edges = await asyncio.to_thread(field.stack.containers, "sip-edge")
    await field.do(lambda: field.stack.scale(sip_edge=1, presence_core=1, notifier=1))
    await field.do(lambda: field.stack.scale(presence_core=2, notifier=2))
    await field.crowd.finish()

    assert len(edges) == 2
    await nothing_noticed(run)


# --- the network is bad


async def test_datagrams_lost_doubled_late_and_overtaken_lose_nothing(field: Field) -> None:
    field.relay.weather = BAD
    crowd = await Crowd.gather(field.relay, pairs=3, transports=("udp",))
    crowd.begin()

    run = await field.load()
    await asyncio.sleep(BAD_SECONDS)
    await crowd.finish()

    await nothing_lost(run)
    fates = field.relay.fates
    assert min(fates.lost, fates.doubled, fates.overtaken) > 10, fates
    await crowd.close()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="packets can be lost by root alone")
async def test_packets_lost_before_containers_lose_nothing(field: Field) -> None:
    run = await field.load()

    with ExitStack() as losses:
        for service, protocol in {"sip-edge": "udp", "presence-core": "tcp", "notifier": "tcp"}.items():
            container = await asyncio.to_thread(field.stack.one, service)
            losses.enter_context(engine.losing(container, LOST, "-p", protocol))
        await asyncio.sleep(BAD_SECONDS)
    await field.crowd.finish()

    await nothing_lost(run)
