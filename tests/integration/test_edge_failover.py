"""An edge that dies: UDP subscriptions move to another if the operator allows, connections end or wait (ADR 0009)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from .agent import Agent
from .conftest import close_all, running, unique
from .documents import numbered
from .publication import Publication
from .system import QUICK, System
from .test_faults_stores import standing_still
from .test_replicas import PORT_STEP
from .wires import Address, UdpWire, open_wire

pytestmark = pytest.mark.faults

LEASE_SECONDS = 2.0
DEAD_SECONDS = 15.0
"""A lease, half a lease of grace, the spacing of repeats, and time for a busy machine."""
SETTINGS = {
    "NOTIFIER_EDGE_FAILOVER": "true",
    "NOTIFIER_LEASE_SECONDS": str(LEASE_SECONDS),
    "SIP_EDGE_LEASE_SECONDS": str(LEASE_SECONDS),
    "PRESENCE_CORE_NOTIFY_TRIES": "2",
    "PRESENCE_CORE_NOTIFY_SPACING_SECONDS": "1",
}


class FollowingWire(UdpWire):
    """A client without NAT: it speaks to whichever server spoke to it last."""

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.server = addr
        super().datagram_received(data, addr)


@pytest.fixture(scope="module")
def allowed() -> Iterator[System]:
    """Run two edges, of which one may stand in for the other."""
    yield from running(System(QUICK | SETTINGS, ("--edges", "2")))


@pytest.fixture
def servers(allowed: System) -> tuple[Address, Address]:
    """Return where both edges listen."""
    host, port = allowed.sip
    return (host, port), (host, port + PORT_STEP)


@pytest.fixture
async def publisher(servers: tuple[Address, Address]) -> AsyncIterator[Agent]:
    """Return a publisher at the second edge, which lives."""
    agent = Agent(await open_wire("udp", servers[1]), unique("alice"))
    yield agent
    await close_all([agent])


async def follow(server: Address) -> tuple[Agent, FollowingWire]:
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_datagram_endpoint(lambda: FollowingWire(server), local_addr=("127.0.0.1", 0))
    return Agent(wire, unique("bob")), wire


async def test_udp_watcher_of_a_dead_edge_is_told_by_another_and_by_its_own_when_that_is_back(
    allowed: System, servers: tuple[Address, Address], publisher: Agent
) -> None:
    bob, wire = await follow(servers[0])
    watch = await bob.watch(publisher.aor).active()
    publication = Publication(publisher, publisher.aor)

    with standing_still(allowed.pids()["edge-1"]):
        await publication.accepted(numbered(publisher.aor, 1))
        await watch.ends_with(1, timeout=DEAD_SECONDS)
        meanwhile = wire.server
    await asyncio.to_thread(allowed.until, allowed.ready, "not ready again", DEAD_SECONDS)
    await publication.accepted(numbered(publisher.aor, 2))
    await watch.ends_with(2, timeout=DEAD_SECONDS)

    assert (meanwhile, wire.server) == (servers[1], servers[0])
    await close_all([bob])


async def test_udp_watcher_that_refreshes_at_the_other_edge_stays_there(
    allowed: System, servers: tuple[Address, Address], publisher: Agent
) -> None:
    bob, wire = await follow(servers[0])
    watch = await bob.watch(publisher.aor).active()
    publication = Publication(publisher, publisher.aor)

    with standing_still(allowed.pids()["edge-1"]):
        await publication.accepted(numbered(publisher.aor, 1))
        await watch.ends_with(1, timeout=DEAD_SECONDS)
        refreshed = await watch.subscribe()
    await asyncio.to_thread(allowed.until, allowed.ready, "not ready again", DEAD_SECONDS)
    await publication.accepted(numbered(publisher.aor, 2))
    await watch.ends_with(2, timeout=DEAD_SECONDS)

    assert refreshed.status == 200
    assert wire.server == servers[1]
    assert len(allowed.subscriptions(publisher.aor)) == 1
    await close_all([bob])


async def test_watcher_over_a_connection_of_a_dead_edge_is_given_up(
    allowed: System, servers: tuple[Address, Address], publisher: Agent
) -> None:
    carol = Agent(await open_wire("tcp", servers[0]), unique("carol"))
    await carol.watch(publisher.aor).active()

    with standing_still(allowed.pids()["edge-1"]):
        await asyncio.sleep(2.5 * LEASE_SECONDS)
        await Publication(publisher, publisher.aor).accepted(numbered(publisher.aor, 1))
        await asyncio.to_thread(
            allowed.until, lambda: allowed.subscriptions(publisher.aor) == [], "told for ever", DEAD_SECONDS
        )
    await asyncio.to_thread(allowed.until, allowed.ready, "not ready again", DEAD_SECONDS)
    carol.close()


async def test_watcher_that_comes_back_by_another_edge_before_it_is_given_up_goes_on(
    allowed: System, servers: tuple[Address, Address], publisher: Agent
) -> None:
    carol = Agent(await open_wire("tcp", servers[0]), unique("carol"))
    watch = await carol.watch(publisher.aor).active()
    publication = Publication(publisher, publisher.aor)

    with standing_still(allowed.pids()["edge-1"]):
        carol.wire.close()
        carol.wire = await open_wire("tcp", servers[1])
        carol.wire.on_message = carol._take
        watch.contact = carol.contact
        refreshed = await watch.subscribe()
        await publication.accepted(numbered(publisher.aor, 1))
        await watch.ends_with(1, timeout=DEAD_SECONDS)
    await asyncio.to_thread(allowed.until, allowed.ready, "not ready again", DEAD_SECONDS)

    assert refreshed.status == 200
    assert len(allowed.subscriptions(publisher.aor)) == 1
    await close_all([carol])
