"""Word to cores over a bus in memory that comes and goes."""

import asyncio
from collections.abc import Collection

import pytest

from lamplighter_proto import FrameCodec, Refresh, Refreshed, subjects
from lamplighter_runtime.bus import MemoryBus
from lamplighter_runtime.metrics import Registry
from xcap_sync.domain.refreshes import Refreshes
from xcap_sync.metrics import Metrics
from xcap_sync.refreshing import Refresher

ALICE = "sip:alice@example.com"


class OneCore:
    """A directory with one core that owns everything."""

    def owner_of(self, shard: int) -> str | None:
        return "core-1"

    def all(self) -> Collection[str]:
        return ["core-1"]


class Rig:
    """A refresher, its clock, and what reached the core."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.bus = MemoryBus()
        self.registry = Registry()
        self.received: list[Refresh] = []
        refreshes = Refreshes("xcap-sync-1", 4, patience=60.0)
        self.refresher = Refresher(self.bus, OneCore(), refreshes, Metrics(self.registry), lambda: self.now)

    async def listen(self) -> None:
        codec = FrameCodec[Refresh](Refresh)
        await self.bus.subscribe(subjects.core_refreshes("core-1"), codec, self.received.extend)

    async def after(self, seconds: float) -> list[str]:
        """Let time pass and timers run; return of whom word came meanwhile."""
        self.received.clear()
        self.now += seconds
        self.refresher.on_tick()
        for _ in range(5):
            await asyncio.sleep(0)
        return [refresh.presentity for refresh in self.received]


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    await rig.listen()
    return rig


async def test_refresh_leaves_without_waiting_for_a_timer(rig: Rig) -> None:
    rig.refresher.refresh(ALICE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [refresh.presentity for refresh in rig.received] == [ALICE]


async def test_refresh_that_is_confirmed_is_not_sent_again(rig: Rig) -> None:
    rig.refresher.refresh(ALICE)
    assert await rig.after(0.0) == [ALICE]

    rig.refresher.on_refreshed([Refreshed(id=rig.received[0].id), Refreshed(id=999)])

    assert await rig.after(5.0) == []
    assert rig.registry.value("presence_xcap_sync_refreshes_total", {"step": "confirmed"}) == 1


async def test_refresh_while_the_bus_is_away_is_sent_when_it_is_back(rig: Rig) -> None:
    rig.bus.connected = False
    rig.refresher.refresh(ALICE)
    assert await rig.after(30.0) == []

    rig.bus.connected = True

    assert await rig.after(1.0) == [ALICE]


async def test_refresh_given_up_while_the_bus_is_away_has_everything_decided_anew(rig: Rig) -> None:
    rig.bus.connected = False
    rig.refresher.refresh(ALICE)
    assert await rig.after(61.0) == []

    rig.bus.connected = True

    assert await rig.after(1.0) == [""]
    rig.refresher.on_refreshed([Refreshed(id=rig.received[0].id)])
    assert await rig.after(1.0) == []


async def test_refresh_given_up_by_a_core_that_hears_is_not_made_more(rig: Rig) -> None:
    rig.refresher.refresh(ALICE)

    assert await rig.after(61.0) == []
    assert rig.registry.value("presence_xcap_sync_refreshes_total", {"step": "given_up"}) == 1
