"""Rules that are fetched over HTTP: looked at every second (design §5.3)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from xcap_sync.testing import Fault, Origin, serving

from . import rules
from .conftest import Agents, over_udp, running
from .documents import pidf
from .household import Household
from .killer import Killer
from .privacy import LATE, Scene, ended, full, live, tells_nothing
from .publication import Publication
from .system import QUICK, System
from .xcap_server import Polled
from .xcap_table import XcapTable

pytestmark = over_udp
PERIOD = 1.0


@pytest.fixture(scope="module")
def running_origin() -> Iterator[Origin]:
    """Run an XCAP server."""
    with serving() as origin:
        yield origin


@pytest.fixture(scope="module")
def system(running_origin: Origin) -> Iterator[System]:
    """Run a system that fetches rules from it."""
    settings = {
        "XCAP_SYNC_QUERY_PERIOD_SECONDS": str(PERIOD),
        "XCAP_SYNC_BACKOFF_SECONDS": "0.2",
        "XCAP_SYNC_BACKOFF_MAX_SECONDS": "0.5",
        "XCAP_SYNC_FETCH_TIMEOUT_SECONDS": "1",
    }
    arguments = ("--policy", "rules", "--xcap", "client", "--xcap-root", running_origin.root)
    yield from running(System(QUICK | settings, arguments))


@pytest.fixture
def origin(running_origin: Origin) -> Iterator[Origin]:
    """Return the XCAP server, which works again after the test."""
    yield running_origin
    running_origin.mend()


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table that fetched documents are in."""
    async with XcapTable.open(system.dsn) as table:
        yield table


async def test_rules_that_are_fetched_take_effect_when_they_are_looked_at_again(
    system: System, agents: Agents, origin: Origin
) -> None:
    await live(await Scene.of(system, agents, Polled(origin)))


async def test_first_subscribe_is_decided_by_rules_that_are_fetched_for_it(agents: Agents, origin: Origin) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    await Publication(alice, alice.aor).accepted(full(alice.aor, 1))
    origin.put(alice.aor, rules.allow(bob.aor))

    watch = await bob.watch(alice.aor).active()

    assert [(one.state.state, one.step) for one in watch.notifications] == [("active", 1)]


async def test_fetched_document_is_stored_as_others_store_it(
    system: System, agents: Agents, origin: Origin, table: XcapTable
) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    etag = origin.put(alice.aor, rules.allow(bob.aor))

    await bob.watch(alice.aor).active()

    query = "SELECT doc_type, doc_uri, etag, source, port, doc FROM xcap WHERE username = $1"
    rows = await table.fetch(query, alice.aor.removeprefix("sip:").partition("@")[0])
    assert rows == [(2, origin.uri(alice.aor), etag, 1, origin.port, rules.allow(bob.aor))]


async def test_unchanged_document_is_not_sent_again(agents: Agents, origin: Origin) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    origin.put(alice.aor, rules.allow(bob.aor))

    watch = await bob.watch(alice.aor).active()
    async with asyncio.timeout(5 * PERIOD):
        while 304 not in origin.statuses(origin.path(alice.aor)):  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.05)

    assert origin.statuses(origin.path(alice.aor)).count(200) == 1
    await watch.nothing_more(LATE)


@pytest.mark.parametrize("fault", ["500", "cut", "html", "huge", "redirect"])
async def test_server_that_is_broken_changes_nothing(agents: Agents, origin: Origin, fault: Fault) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    origin.put(alice.aor, rules.allow(bob.aor))
    watch = await bob.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)

    origin.break_(fault, origin.path(alice.aor))
    failing = len(origin.statuses(origin.path(alice.aor)))
    async with asyncio.timeout(5 * PERIOD):
        while len(origin.statuses(origin.path(alice.aor))) < failing + 2:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.05)
    await publication.accepted(full(alice.aor, 1))
    await watch.ends_with(1)
    origin.put(alice.aor, rules.handle("block", bob.aor))
    origin.mend()

    await watch.state(ended("rejected"))


async def test_first_subscribe_while_the_server_is_slow_is_pending_and_active_later(
    agents: Agents, origin: Origin
) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    await Publication(alice, alice.aor).accepted(full(alice.aor, 1))
    origin.put(alice.aor, rules.allow(bob.aor))
    origin.break_("slow", origin.path(alice.aor))

    watch = await bob.watch(alice.aor).subscribed("pending")
    assert tells_nothing(watch)
    origin.mend()

    await watch.state(lambda one: one.step == 1)


async def test_document_that_is_gone_takes_access_with_it(agents: Agents, origin: Origin) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    origin.put(alice.aor, rules.allow(bob.aor))
    watch = await bob.watch(alice.aor).active()

    origin.delete(alice.aor, gone=True)

    await watch.state(ended("deactivated"))
    await bob.watch(alice.aor).subscribed("pending")


async def test_hard_state_is_fetched_too(agents: Agents, origin: Origin) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    origin.put(alice.aor, rules.allow(bob.aor))
    hard = pidf(alice.aor, basic="closed", tuple_id="hard", note="on leave")
    origin.put(alice.aor, hard, "pidf-manipulation", content_type="application/pidf+xml")

    watch = await bob.watch(alice.aor).active()

    assert [one.notes for one in watch.notifications] == [["on leave"]]


@pytest.mark.faults
async def test_rules_that_change_while_all_are_dead_are_fetched(
    system: System, agents: Agents, origin: Origin, table: XcapTable
) -> None:
    server = Polled(origin)
    household = await Household.of(system, agents, server)
    changed = rules.handle("block", household.less.party.aor)

    kill = Killer(system, table)
    await kill("core-1", "xcap-1", meanwhile=lambda: server.put(household.scene.alice.aor, changed))

    await household.less.state(ended("rejected"))
    await household.polite.state(ended("deactivated"))
    assert tells_nothing(household.pending)
