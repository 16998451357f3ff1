"""Real servers, and buses that are closed when a test ends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus

from .servers import Broker

OpenNatsBus: TypeAlias = Callable[[], Awaitable[NatsBus]]


@asynccontextmanager
async def running_broker(folder: Path) -> AsyncIterator[Broker]:
    """Run a nats-server whose store is in `folder`."""
    broker = Broker(folder)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.end()


@asynccontextmanager
async def nats_buses(broker: Broker) -> AsyncIterator[OpenNatsBus]:
    """Lend a maker of buses, each with a connection of its own."""
    opened: list[NatsBus] = []

    async def make() -> NatsBus:
        bus = await NatsBus.connect(broker.url, name="test", service="sample", metrics=Registry())
        opened.append(bus)
        return bus

    yield make
    for bus in opened:
        await bus.close()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path) as broker:
        yield broker


@pytest.fixture
async def open_nats_bus(broker: Broker) -> AsyncIterator[OpenNatsBus]:
    async with nats_buses(broker) as make:
        yield make
