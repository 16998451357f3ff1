"""A bucket that is empty when its server comes back, as without a volume that lasts."""

import asyncio
import shutil
from pathlib import Path

import pytest

from lamplighter_proto.ownership import Member
from lamplighter_runtime.membership import Directory, claimed

from .conftest import OpenNatsBus
from .servers import Broker, eventually

pytestmark = pytest.mark.integration


async def test_owners_of_a_table_that_is_lost_are_told_and_can_claim_anew(
    broker: Broker, open_nats_bus: OpenNatsBus, tmp_path: Path
) -> None:
    bus = await open_nats_bus()
    directory = Directory(bus.nc, lease_seconds=1.0)
    await asyncio.wait_for(directory.start(), 10)
    await directory.announce(Member(service="presence-core", instance="core-1"))
    for _ in range(3):
        await directory.change_table(lambda table: claimed(table, 5, "core-1"), 64)
    told: list[str | None] = []
    directory.on_change(lambda shard: told.append(directory.owner_of(shard)))

    await broker.end()
    shutil.rmtree(tmp_path / "nats" / "jetstream")
    await broker.start()
    await eventually(lambda: told == [None])
    await directory.change_table(lambda table: claimed(table, 5, "core-1"), 64)
    await eventually(lambda: bool(directory.members()))

    assert told == [None, "core-1"]
    await directory.close()
