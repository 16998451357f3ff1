"""Answers before anything is saved, which is then saved at leisure (design §4), with rules that are fetched over HTTPS.

Nothing is looked at by the clock here: a change of rules is heard of by refreshXcapDoc alone.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from xcap_sync.testing import Origin, certificate, serving

from .conftest import Agents, over_udp, running
from .documents import numbered
from .household import Household
from .lamps import DIALOG_TYPE, dialog, dialog_info, lit, shown
from .privacy import Scene, live
from .publication import Publication
from .system import QUICK, System
from .xcap_server import Told
from .xcap_table import XcapTable

pytestmark = over_udp
PERIOD = 3.0


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Origin, Origin]]:
    """Run two XCAP servers: one over HTTP, one over HTTPS."""
    with serving() as plain, serving(tls=certificate(tmp_path_factory.mktemp("tls"))) as secure:
        yield plain, secure


@pytest.fixture(scope="module")
def system(origins: tuple[Origin, Origin]) -> Iterator[System]:
    """Run a system that saves at leisure, with both servers' rules."""
    plain, secure = origins
    settings = {
        "PRESENCE_CORE_WRITE_BEHIND_SECONDS": str(PERIOD),
        "XCAP_SYNC_QUERY_PERIOD_SECONDS": "0",
        "XCAP_SYNC_CA_FILE": str(secure.ca_file),
    }
    roots = ("--xcap-root", plain.root, "--xcap-root", secure.root)
    arguments = ("--store", "write-behind", "--policy", "rules", "--xcap", "client", *roots)
    yield from running(System(QUICK | settings, arguments))


@pytest.fixture
def told(system: System, origins: tuple[Origin, Origin]) -> Told:
    """Return where rules are: at the HTTPS server."""
    return Told(origins[1], system)


async def test_rules_of_an_https_server_take_effect_at_once_when_it_is_said(
    system: System, agents: Agents, told: Told
) -> None:
    await live(await Scene.of(system, agents, told))


async def test_publish_is_answered_and_told_before_it_is_saved(system: System, agents: Agents) -> None:
    alice, count = await agents("alice"), 20
    watch = await alice.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)

    before, begun = commits(system), time.monotonic()
    for step in range(count):
        await publication.accepted(numbered(alice.aor, step))
    await watch.ends_with(count - 1)
    assert time.monotonic() - begun < PERIOD
    assert commits(system) - before <= 2

    async with XcapTable.open(system.dsn) as table, asyncio.timeout(2 * PERIOD):
        while await etags(table, alice.aor) != [publication.etag]:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.05)


def commits(system: System) -> float:
    """Return how often the core has saved anything."""
    metrics = system.get("presence-core", "/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in metrics if line.startswith("presence_core_commits_total "))


async def etags(table: XcapTable, aor: str) -> list[object]:
    """Return the entity-tags that are saved of a user."""
    rows = await table.fetch("SELECT etag FROM presentity WHERE username = $1", user(aor))
    return [etag for (etag,) in rows]


def user(aor: str) -> str:
    """Return the user of an AOR."""
    return aor.removeprefix("sip:").partition("@")[0]


@pytest.mark.faults
async def test_core_that_stops_in_order_loses_nothing(system: System, agents: Agents, told: Told) -> None:
    household = await Household.of(system, agents, told)
    before = await household.known()
    pid = system.pids()["core-1"]

    os.kill(pid, signal.SIGTERM)
    await asyncio.to_thread(system.back, "core-1", pid)

    assert await household.known() == before
    await household.is_as_it_was()


@pytest.mark.faults
async def test_system_stopped_and_started_loses_nothing(system: System, agents: Agents, told: Told) -> None:
    household = await Household.of(system, agents, told)
    alice = household.scene.alice
    lamp = await alice.watch(alice.aor, event="dialog").active()
    call = Publication(alice, alice.aor, event="dialog")
    for state in ("confirmed", "terminated"):
        await call.send(dialog_info(alice.aor, dialog("d1", state, call_id="c1")), content_type=DIALOG_TYPE)
        await lit(lamp, state)
    await call.remove()
    before = await household.known()

    assert await asyncio.to_thread(system.stop) == 0
    await asyncio.to_thread(system.start)

    assert await household.known() == before
    await household.is_as_it_was()
    count = len(lamp.notifications)
    late = dialog_info(alice.aor, dialog("d1", "early", call_id="c1"), dialog("d2", "early", call_id="c2"))
    await Publication(alice, alice.aor, event="dialog").send(late, content_type=DIALOG_TYPE)
    told_late = await lamp.state(lambda one: b'"c2"' in one.body, after=count)
    assert [state for state in shown(told_late.body).states if state != "terminated"] == ["early"]
