"""Any of two cores serves any presentity from the database (design §4): loads, deaths, and rows of other programs."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from .conftest import Agents, Presload, over_udp, running
from .documents import numbered
from .publication import Publication
from .steady import Crowd
from .system import QUICK, System
from .test_faults_services import nothing_lost

pytestmark = pytest.mark.faults
RUNS = {
    "publish": ("publish", "-P", "100", "-W", "3", "--seconds", "5"),
    "overlapping publishes": ("publish", "-P", "4", "-W", "10", "-c", "16", "--hold", "response", "--seconds", "4"),
    "mixed": ("mixed", "-P", "60", "-W", "3", "--seconds", "6"),
    "fan-out": ("fanout", "-W", "100", "--seconds", "4"),
    "churn": ("churn", "-P", "50", "-W", "2", "--seconds", "4"),
}
LOAD = ("mixed", "-P", "50", "-W", "2", "--rate", "50", "--seconds", "16", "--grace", "25")


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run two cores over one database."""
    yield from running(System(QUICK, ("--store", "database", "--cores", "2")))


@pytest.fixture
async def table(system: System) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Return another program's connection to the database."""
    connection = await asyncpg.connect(system.dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def crowd(system: System) -> AsyncIterator[Crowd]:
    """Return a crowd of steady clients."""
    crowd = await Crowd.gather(system, pairs=2)
    yield crowd
    await crowd.close()


@pytest.mark.parametrize("name", RUNS)
def test_load_is_served_without_loss(system: System, presload: Presload, name: str) -> None:
    verdict = presload(system, *RUNS[name], "--strict").verdict()

    assert verdict.status == 0, verdict.text


@over_udp
async def test_publication_is_followed_refreshed_and_removed(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)

    for step in range(5):
        await publication.accepted(numbered(alice.aor, step))
    await publication.accepted()
    await watch.ends_with(4)
    await publication.remove()
    await watch.ends_with(-1)

    await watch.end()


@over_udp
async def test_publication_ends_in_time_without_anybody_asking(agents: Agents) -> None:
    alice = await agents("alice")
    watch = await alice.watch(alice.aor).active()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 3), expires=2)
    await watch.ends_with(3)
    begun = time.monotonic()

    await watch.ends_with(-1)

    assert time.monotonic() - begun < 4.0


@over_udp
async def test_row_that_another_program_removed_is_gone_at_the_next_refresh(
    agents: Agents, table: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A core may look at it before that, for reasons of its own."""
    alice = await agents("alice")
    watch = await alice.watch(alice.aor).active()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 7))
    await watch.ends_with(7)

    await table.execute("DELETE FROM presentity WHERE username = $1", _user(alice.aor))
    await watch.subscribe()

    await watch.ends_with(-1)


@over_udp
async def test_row_that_another_program_brought_is_seen_at_the_next_publish(
    agents: Agents, table: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    alice, domain = await agents("alice"), (await agents("bob")).aor.rpartition("@")[2]
    watch = await alice.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)

    await table.execute(
        "INSERT INTO presentity (username, domain, event, etag, expires, received_time, body) "
        "VALUES ($1, $2, 'presence', 'theirs', $3, $4, $5)",
        _user(alice.aor),
        domain,
        int(time.time()) + 600,
        int(time.time()),
        numbered(alice.aor, 42, tuple_id="theirs"),
    )
    await publication.accepted(numbered(alice.aor, 2))

    await watch.state(lambda told: {"step-2", "step-42"} <= set(told.notes))


@pytest.mark.parametrize("name", ["core-1", "core-2", "postgres", "nats", "notifier-1"])
async def test_process_killed_under_load_loses_nothing(
    system: System, crowd: Crowd, presload: Presload, name: str
) -> None:
    run = presload(system, *LOAD)
    crowd.begin()
    await asyncio.sleep(2.0)

    pid = system.kill(name)
    await asyncio.to_thread(system.back, name, pid)
    await asyncio.sleep(2.0)
    await crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))


def _user(aor: str) -> str:
    return aor.removeprefix("sip:").partition("@")[0]
