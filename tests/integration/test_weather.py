"""Datagrams come twice, late and in another order, both ways, and watchers are told what they should be."""

import asyncio

from .relay import Relay, Weather
from .steady import Crowd
from .system import System

WEATHER = Weather(loss=0.02, twice=0.1, delay=0.005, jitter=0.05)
SEED = 3903
SECONDS = 4.0


async def test_datagrams_doubled_late_and_overtaken_take_no_watcher_back(system: System) -> None:
    relay = await Relay.open(system.sip, WEATHER, SEED)
    crowd = await Crowd.gather(relay, pairs=4, transports=("udp",))

    crowd.begin()
    await asyncio.sleep(SECONDS)
    await crowd.finish()

    assert min(relay.fates.doubled, relay.fates.overtaken) > 10, relay.fates
    assert sum(watcher.watch.repeats for watcher in crowd.watchers) > 0
    await crowd.close()
    relay.close()
    await asyncio.sleep(0)
