"""Several edges, cores and notifiers: whichever a client comes by, it is one system (design §3)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sip.message import build_request

from .agent import Agent, new_branch
from .conftest import Presload, close_all, running, unique
from .documents import PIDF_TYPE, numbered, pidf
from .publication import Publication
from .steady import Crowd
from .system import System
from .test_faults_services import AFTER, LOAD, nothing_lost
from .test_faults_stores import standing_still
from .wires import open_wire

pytestmark = pytest.mark.faults
PORT_STEP = 10
"""The second edge listens so many ports higher."""


@pytest.fixture(scope="module")
def wide() -> Iterator[System]:
    """Run two of each service."""
    yield from running(System(arguments=("--edges", "2", "--cores", "2", "--notifiers", "2")))


@pytest.fixture
async def pair(wide: System) -> AsyncIterator[tuple[Agent, Agent]]:
    """Return two agents, one at each edge."""
    host, port = wide.sip
    servers = [(host, port), (host, port + PORT_STEP)]
    agents = [Agent(await open_wire("udp", server), unique("agent")) for server in servers]
    yield agents[0], agents[1]
    await close_all(agents)


async def test_state_published_at_one_edge_is_seen_at_the_other(pair: tuple[Agent, Agent]) -> None:
    alice, bob = pair
    watches = [await bob.watch(alice.aor).active(), await alice.watch(alice.aor).active()]

    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))

    for watch in watches:
        await watch.ends_with(1)


async def test_publish_repeated_at_the_other_edge_gets_the_same_answer(pair: tuple[Agent, Agent]) -> None:
    alice, bob = pair
    own = alice.outline("PUBLISH", alice.aor)
    headers = [*own, ("Event", "presence"), ("Content-Type", PIDF_TYPE)]

    first = await alice.request("PUBLISH", alice.aor, headers, pidf(alice.aor))
    again = await bob.request("PUBLISH", alice.aor, headers, pidf(alice.aor))

    assert (first.status, again.status) == (200, 200)
    assert first.headers.get("SIP-ETag") == again.headers.get("SIP-ETag")


async def test_subscribe_repeated_at_the_other_edge_is_one_subscription(
    pair: tuple[Agent, Agent], wide: System
) -> None:
    alice, bob = pair
    watch = await alice.watch(alice.aor).active()
    initial = [(name, value) for name, value in watch.fields(3600) if name != "To"] + [("To", f"<{alice.aor}>")]
    branch = new_branch()

    again = await bob.exchange(build_request("SUBSCRIBE", alice.aor, [("Via", bob.via(branch)), *initial]), branch)
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await watch.nothing_more()

    assert again.status == 200
    assert watch.remote_tag in (again.headers.get("To") or "")
    assert [one.step for one in watch.notifications].count(1) == 1


async def test_subscription_goes_on_by_another_edge(pair: tuple[Agent, Agent]) -> None:
    alice, bob = pair
    watch = await alice.watch(alice.aor).active()

    watch.party, watch.contact = bob, bob.contact
    bob.aor, alice.watches, bob.watches = alice.aor, [], [watch]
    response = await watch.subscribe()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)

    assert response.status == 200


@pytest.mark.parametrize("name", ["core-1", "core-2", "edge-1", "notifier-2"])
async def test_one_of_two_killed_under_load_loses_nothing(wide: System, presload: Presload, name: str) -> None:
    crowd = await Crowd.gather(wide, pairs=2)
    run = presload(wide, *LOAD[:-4], "--seconds", "6", *LOAD[-2:])
    crowd.begin()
    await asyncio.sleep(1.5)

    pid = wide.kill(name)
    await asyncio.to_thread(wide.back, name, pid)
    await asyncio.sleep(AFTER)
    await crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))
    await crowd.close()


async def test_core_that_stood_still_beyond_its_lease_costs_nothing_when_it_goes_on(wide: System) -> None:
    """Another core owns its shards by then; that it could not write to them is for the tests of the store."""
    crowd = await Crowd.gather(wide, pairs=2)
    crowd.begin()
    await asyncio.sleep(1)

    with standing_still(wide.pids()["core-2"]):
        await asyncio.to_thread(wide.until, lambda: owners(wide) == {"core-1"}, "nobody took over", 20.0)
        await asyncio.sleep(1)
    await asyncio.to_thread(wide.until, wide.ready, "not ready again", 30.0)
    await asyncio.sleep(AFTER)

    await crowd.finish()
    await crowd.close()


def owners(system: System) -> set[str]:
    """Return who owns shards, as the first core sees it."""
    return set(system.get("presence-core", "/shards").json().values())


def test_every_process_is_listed(wide: System) -> None:
    listed = {one["instance"] for one in wide.get("presence-core", "/services").json()}

    assert {"core-1", "core-2", "edge-1", "edge-2", "notifier-1", "notifier-2"} <= listed
