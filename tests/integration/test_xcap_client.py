"""Rules that are fetched over HTTP and HTTPS (design §5.3)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest

from xcap_sync.testing import Fault, Origin, certificate, serving

from . import rules
from .conftest import Agents, over_udp, running
from .documents import pidf
from .privacy import LATE, Scene, ended, full, live, tells_nothing
from .publication import Publication
from .system import QUICK, System
from .xcap_table import XcapTable

pytestmark = over_udp
PERIOD = 1.0


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Origin, Origin]]:
    """Run two XCAP servers: one over HTTP, one over HTTPS."""
    with ExitStack() as stack:
        plain = stack.enter_context(serving())
        yield plain, stack.enter_context(serving(tls=certificate(tmp_path_factory.mktemp("tls"))))


@pytest.fixture(scope="module")
def system(origins: tuple[Origin, Origin]) -> Iterator[System]:
    """Run a system that fetches rules from both."""
    plain, secure = origins
    settings = {
        "XCAP_SYNC_QUERY_PERIOD_SECONDS": str(PERIOD),
        "XCAP_SYNC_BACKOFF_SECONDS": "0.2",
        "XCAP_SYNC_BACKOFF_MAX_SECONDS": "0.5",
        "XCAP_SYNC_FETCH_TIMEOUT_SECONDS": "1",
        "XCAP_SYNC_CA_FILE": str(secure.ca_file),
    }
    arguments = ("--policy", "rules", "--xcap", "client", "--xcap-root", plain.root, "--xcap-root", secure.root)
    yield from running(System(QUICK | settings, arguments))


@pytest.fixture
def origin(origins: tuple[Origin, Origin]) -> Iterator[Origin]:
    """Return the HTTP server."""
    yield origins[0]
    origins[0].mend()


class Polled:
    """Rules at a server that says nothing: they are found by looking at it again and again."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    async def put(self, aor: str, body: bytes) -> None:
        self.origin.put(aor, body)

    async def remove(self, aor: str) -> None:
        self.origin.delete(aor)


class Told(Polled):
    """Rules at a server whose changes somebody tells with refreshXcapDoc."""

    def __init__(self, origin: Origin, system: System) -> None:
        super().__init__(origin)
        self._system = system

    async def put(self, aor: str, body: bytes) -> None:
        await super().put(aor, body)
        await self._tell(aor)

    async def remove(self, aor: str) -> None:
        await super().remove(aor)
        await self._tell(aor)

    async def _tell(self, aor: str) -> None:
        params = {"doc_uri": self.origin.uri(aor), "port": self.origin.port}
        call = {"jsonrpc": "2.0", "id": 1, "method": "xcap_client:refreshXcapDoc", "params": params}
        async with httpx.AsyncClient() as client:
            answer = (await client.post(self._system.url("xcap-sync", "/mi"), json=call, timeout=10)).json()
        assert answer == {"jsonrpc": "2.0", "id": 1, "result": "OK"}


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table that fetched documents are in."""
    async with XcapTable.open(system.dsn) as table:
        yield table


async def test_rules_that_are_fetched_take_effect_when_they_are_looked_at_again(
    system: System, agents: Agents, origin: Origin
) -> None:
    await live(await Scene.of(system, agents, Polled(origin)))


async def test_rules_of_an_https_server_take_effect_at_once_when_it_is_said(
    system: System, agents: Agents, origins: tuple[Origin, Origin]
) -> None:
    await live(await Scene.of(system, agents, Told(origins[1], system)))


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
