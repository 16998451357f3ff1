"""Members and shards in the bucket of a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import pytest
from nats.js.errors import KeyNotFoundError

from lamplighter_proto.ownership import BUCKET, Member, ShardTable, member_key
from lamplighter_runtime.membership import Directory, claimed
from lamplighter_runtime.nats_bus import NatsBus

from .conftest import OpenNatsBus
from .servers import Broker, eventually

pytestmark = pytest.mark.integration
SHARDS = 64
CORE_1 = Member(service="presence-core", instance="core-1", http="http://127.0.0.1:8001")
EDGE_1 = Member(service="sip-edge", instance="edge-1", sip="192.0.2.1:5060")
KEY = member_key(CORE_1.service, CORE_1.instance)


@dataclass
class Peer:
    """A directory with a connection of its own, and what it told."""

    bus: NatsBus
    directory: Directory
    shards: list[int] = field(default_factory=list)
    replaced: int = 0

    @property
    def names(self) -> list[str]:
        return [member.instance for member in self.directory.members()]

    def token(self, key: str = KEY) -> str:
        member = self.directory.view.members.get(key)
        return member.token if member else ""

    def hear_replaced(self) -> None:
        self.replaced += 1

    async def claim(self, shard: int, owner: str) -> ShardTable | None:
        return await self.directory.change_table(lambda table: claimed(table, shard, owner), SHARDS)

    async def revision(self, key: str = KEY) -> int:
        """Return the revision of a member's key in the bucket, 0 when there is none."""
        with suppress(KeyNotFoundError):
            entry = await (await self.bus.nc.jetstream().key_value(BUCKET)).get(key)
            return entry.revision or 0
        return 0


class OpenPeer(Protocol):
    async def __call__(self, *, lease_seconds: float = 30.0) -> Peer: ...


@pytest.fixture
async def open_peer(open_nats_bus: OpenNatsBus) -> AsyncIterator[OpenPeer]:
    """Return a maker of started directories."""
    peers: list[Peer] = []

    async def make(*, lease_seconds: float = 30.0) -> Peer:
        bus = await open_nats_bus()
        peer = Peer(bus, Directory(bus.nc, lease_seconds=lease_seconds))
        peers.append(peer)
        peer.directory.on_change(peer.shards.append)
        peer.directory.on_replaced(peer.hear_replaced)
        await asyncio.wait_for(peer.directory.start(), 10)
        return peer

    yield make
    for peer in peers:
        await peer.directory.close()


async def renewed(peer: Peer, times: int) -> None:
    """Wait until the key of core-1 has been put so many times more."""
    revisions = {await peer.revision()}
    async with asyncio.timeout(10):
        while len(revisions) <= times:
            await asyncio.sleep(0.02)
            revisions.add(await peer.revision())


async def test_directory_of_an_empty_bucket_is_synced_and_knows_nothing(open_peer: OpenPeer) -> None:
    peer = await open_peer()

    assert peer.directory.synced
    assert peer.directory.members() == []
    assert peer.directory.owner_of(0) is None


async def test_directories_with_different_leases_share_the_bucket(open_peer: OpenPeer) -> None:
    first, second = await open_peer(lease_seconds=5.0), await open_peer(lease_seconds=7.0)

    await first.directory.announce(CORE_1)
    await eventually(lambda: second.names == ["core-1"])

    assert second.directory.synced


async def test_announced_members_are_seen_by_those_who_watch_and_those_who_come_later(open_peer: OpenPeer) -> None:
    first, second = await open_peer(), await open_peer()
    told: list[None] = []
    second.directory.on_members(lambda: told.append(None))

    await first.directory.announce(EDGE_1)
    await first.directory.announce(CORE_1)
    await eventually(lambda: len(second.names) == 2)
    late = await open_peer()

    assert second.names == late.names == ["core-1", "edge-1"]
    assert second.directory.members()[0].http == CORE_1.http
    assert second.directory.members()[1].sip == EDGE_1.sip
    assert all(member.token for member in second.directory.members())
    assert len(told) == 2


async def test_member_that_fell_silent_is_gone_after_its_lease_and_others_are_not(open_peer: OpenPeer) -> None:
    silent, alive, watcher = await open_peer(lease_seconds=1.0), await open_peer(lease_seconds=1.0), await open_peer()
    await silent.directory.announce(EDGE_1)
    await alive.directory.announce(CORE_1)
    await eventually(lambda: len(watcher.names) == 2)

    await silent.bus.close()
    await eventually(lambda: "edge-1" not in watcher.names)
    await renewed(watcher, 3)

    assert watcher.names == ["core-1"]
    assert (await open_peer()).names == ["core-1"]


async def test_closed_directory_has_withdrawn_its_member(open_peer: OpenPeer) -> None:
    leaving, watcher = await open_peer(), await open_peer()
    await leaving.directory.announce(CORE_1)
    await eventually(lambda: bool(watcher.names))

    await leaving.directory.close()
    await eventually(lambda: not watcher.names)

    assert (await open_peer()).names == []


async def test_directory_closed_while_the_server_is_away_does_not_raise(broker: Broker, open_peer: OpenPeer) -> None:
    peer = await open_peer()
    await peer.directory.announce(CORE_1)

    await broker.end()
    await eventually(lambda: not peer.bus.connected)

    await asyncio.wait_for(peer.directory.close(), 5)


async def test_claims_of_two_directories_at_once_lose_none(open_peer: OpenPeer) -> None:
    first, second, watcher = await open_peer(), await open_peer(), await open_peer()

    async def claim_all(peer: Peer, owner: str, shards: range) -> None:
        for shard in shards:
            await peer.claim(shard, owner)
            await peer.claim(63, owner)

    await asyncio.gather(claim_all(first, "core-1", range(12)), claim_all(second, "core-2", range(12, 24)))
    await eventually(lambda: len(watcher.shards) == 48)

    table = watcher.directory.view.table
    assert table is not None
    assert table.shards == SHARDS
    assert table.owners[63].epoch == 24
    assert [watcher.directory.owner_of(shard) for shard in range(24)] == ["core-1"] * 12 + ["core-2"] * 12


async def test_change_of_the_table_is_known_at_once_to_who_made_it(open_peer: OpenPeer) -> None:
    peer = await open_peer()

    written = await peer.claim(3, "core-1")

    assert written == peer.directory.view.table
    assert peer.directory.owner_of(3) == "core-1"
    assert peer.shards == [3]


async def test_change_that_finds_nothing_to_do_writes_nothing(open_peer: OpenPeer) -> None:
    peer = await open_peer()
    await peer.claim(3, "core-1")
    before = await peer.revision("shards")

    written = await peer.directory.change_table(lambda table: None, SHARDS)

    assert written is None
    assert await peer.revision("shards") == before


async def test_listeners_hear_of_changed_shards_only(open_peer: OpenPeer) -> None:
    writer, watcher = await open_peer(), await open_peer()
    await writer.claim(1, "core-1")
    await writer.claim(2, "core-1")
    await eventually(lambda: watcher.shards == [1, 2])

    await writer.claim(2, "core-2")
    await eventually(lambda: watcher.directory.owner_of(2) == "core-2")
    await writer.claim(2, "core-2")
    await eventually(lambda: len(watcher.shards) > 3)

    assert watcher.shards == [1, 2, 2, 2]
    assert watcher.directory.owner_of(1) == "core-1"


async def test_directory_keeps_its_table_while_the_server_is_away_and_watches_on(
    broker: Broker, open_peer: OpenPeer
) -> None:
    first, second = await open_peer(lease_seconds=2.0), await open_peer()
    await first.claim(1, "core-1")
    await first.directory.announce(CORE_1)
    await eventually(lambda: second.directory.owner_of(1) == "core-1" and bool(second.names))

    await broker.end()
    await eventually(lambda: not first.bus.connected and not second.bus.connected)
    away = second.directory.owner_of(1)
    await broker.start()
    await eventually(lambda: first.bus.connected and second.bus.connected)
    await first.claim(2, "core-1")
    await eventually(lambda: second.directory.owner_of(2) == "core-1" and second.names == ["core-1"])

    assert away == second.directory.owner_of(1) == "core-1"
    assert second.shards == [1, 2]
    assert second.directory.synced
    assert first.replaced == 0


async def test_later_process_of_a_name_replaces_the_earlier_one(open_peer: OpenPeer) -> None:
    earlier, later, watcher = await open_peer(lease_seconds=1.0), await open_peer(lease_seconds=1.0), await open_peer()
    await earlier.directory.announce(CORE_1)
    await eventually(lambda: bool(watcher.names))
    first_token = watcher.token()

    await later.directory.announce(CORE_1)
    await eventually(lambda: earlier.replaced > 0 and watcher.token() > first_token)
    tokens = await tokens_of(watcher, renewals=4)
    await earlier.directory.close()
    tokens |= await tokens_of(watcher, renewals=2)

    assert tokens == {later.token()}
    assert watcher.names == ["core-1"]
    assert (earlier.replaced, later.replaced) == (1, 0)


async def test_late_renewal_of_the_earlier_process_does_not_replace_the_later_one(open_peer: OpenPeer) -> None:
    later, watcher = await open_peer(lease_seconds=1.0), await open_peer()
    await later.directory.announce(CORE_1)
    await eventually(lambda: bool(later.token() and watcher.token()))
    token = watcher.token()
    stale = CORE_1.model_copy(update={"token": "0" + token[:-1]})

    bucket = await watcher.bus.nc.jetstream().key_value(BUCKET)
    await bucket.put(KEY, stale.model_dump_json().encode())
    await eventually(lambda: later.token() == watcher.token() == stale.token)
    await eventually(lambda: watcher.token() == token)

    assert later.replaced == 0


async def tokens_of(peer: Peer, renewals: int) -> set[str]:
    """Return the tokens of core-1 that a peer sees while its key is renewed so many times."""
    tokens = {peer.token()}
    peer.directory.on_members(lambda: tokens.add(peer.token()))
    await renewed(peer, renewals)
    return tokens
