"""Limits of an operator's choice, and settings that cannot be (design §7)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from .agent import Agent
from .conftest import close_all, running, unique
from .documents import pidf
from .publication import Publication
from .system import QUICK, System, free_block
from .wires import HOST, open_wire

LIMITS = {
    "PRESENCE_CORE_BODY_LIMIT_BYTES": "1000",
    "PRESENCE_CORE_PUBLICATIONS_PER_PRESENTITY": "2",
    "PRESENCE_CORE_SUBSCRIPTIONS_PER_PRESENTITY": "2",
    "PRESENCE_CORE_SUBSCRIPTIONS_PER_WATCHER": "4",
    "PRESENCE_CORE_BINDINGS_PER_USER": "1",
    "PRESENCE_CORE_NOTIFY_TRIES": "2",
    "PRESENCE_CORE_NOTIFY_SPACING_SECONDS": "0.3",
    "PRESENCE_CORE_SHARDS": "1",
    "SIP_EDGE_SHARDS": "1",
}


@pytest.fixture(scope="module")
def narrow() -> Iterator[System]:
    """Run a system that grants little; with one shard, so that a watcher's limit is one number."""
    yield from running(System(QUICK | LIMITS))


@pytest.fixture
async def alice(narrow: System) -> AsyncIterator[Agent]:
    """Return an agent of the narrow system."""
    agent = Agent(await open_wire("udp", narrow.sip), unique("alice"))
    yield agent
    await close_all([agent])


async def test_body_over_the_limit_gets_413(alice: Agent) -> None:
    small = await Publication(alice, alice.aor).send(pidf(alice.aor))
    large = await Publication(alice, alice.aor).send(pidf(alice.aor, note="x" * 1000))

    assert (small.status, large.status) == (200, 413)


async def test_publications_over_the_limit_get_403_until_one_is_gone(alice: Agent) -> None:
    first, second, third = (Publication(alice, alice.aor) for _ in range(3))
    await first.accepted(pidf(alice.aor))
    await second.accepted(pidf(alice.aor))

    refused = await third.send(pidf(alice.aor))
    await first.remove()
    taken = await third.send(pidf(alice.aor))

    assert (refused.status, taken.status) == (403, 200)


async def test_subscriptions_over_the_limit_of_a_presentity_get_403(alice: Agent) -> None:
    watches = [alice.watch(alice.aor) for _ in range(3)]

    statuses = [(await watch.subscribe()).status for watch in watches]
    await watches[0].end()
    await asyncio.sleep(0.3)
    again = await alice.watch(alice.aor).subscribe()

    assert statuses == [200, 200, 403]
    assert again.status == 200


async def test_subscriptions_over_the_limit_of_a_watcher_get_403(alice: Agent) -> None:
    statuses = [(await alice.watch(unique("somebody")).subscribe()).status for _ in range(5)]

    assert statuses == [200, 200, 200, 200, 403]


async def test_bindings_over_the_limit_get_403(alice: Agent) -> None:
    contacts = [("Contact", "<sip:a@127.0.0.1:7001>, <sip:a@127.0.0.1:7002>")]

    response = await alice.out_of_dialog("REGISTER", "sip:example.test", contacts, to=alice.aor)

    assert response.status == 403


async def test_watcher_that_refuses_for_now_too_often_is_given_up(alice: Agent) -> None:
    watch = await alice.watch(alice.aor).active()
    watch.script.extend([503, 503])

    await Publication(alice, alice.aor).accepted(pidf(alice.aor))
    await watch.state(lambda one: len(watch.notifications) == 3)
    await watch.nothing_more(1.0)

    assert (await watch.subscribe()).status == 481


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("presence_core", "PRESENCE_CORE_NONSENSE", "1"),
        ("sip_edge", "SIP_EDGE_MAX_HEADERS", "many"),
        ("notifier", "NOTIFIER_TIMER_T1_SECONDS", "-1"),
        ("xcap_sync", "XCAP_SYNC_NONSENSE", "1"),
    ],
)
def test_setting_that_cannot_be_stops_the_start_and_is_named(module: str, name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=dict(os.environ) | {name: value},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode != 0
    assert name in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_port_that_is_taken_is_named(narrow: System) -> None:
    command = [sys.executable, "-m", "lamplighter_cli", "up", "--sip", narrow.target]
    command += ["--http", f"{HOST}:{free_block(4)}", "--data", str(narrow.data / "other")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert done.returncode != 0
    assert str(narrow.sip[1]) in done.stdout + done.stderr
