"""A watcher that is gone without a word: tried a bounded number of times, then forgotten (RFC 6665 §4.2.2)."""

import asyncio
from collections.abc import Iterator

import pytest

from .agent import Agent
from .conftest import close_all, running, unique
from .documents import numbered
from .publication import Publication
from .system import System
from .wires import open_wire

TRIES = 2
IMPATIENT = {
    "PRESENCE_CORE_NOTIFY_TRIES": str(TRIES),
    "PRESENCE_CORE_NOTIFY_SPACING_SECONDS": "0.5",
    "PRESENCE_CORE_NOTIFIER_SILENCE_SECONDS": "2.1",
    "NOTIFIER_STILL_TRYING_SECONDS": "0.5",
    # Timer F is 64 T1: longer than four silences, as with the defaults.
    "NOTIFIER_TIMER_T1_SECONDS": "0.15",
}
GIVEN_UP_SECONDS = TRIES * 64 * 0.15 + 6


@pytest.fixture
def impatient() -> Iterator[System]:
    """Run a system whose timers are short, in the proportions of the defaults."""
    yield from running(System(IMPATIENT))


async def test_watcher_that_never_answers_is_given_up(impatient: System) -> None:
    alice = Agent(await open_wire("udp", impatient.sip), unique("alice"))
    dead = [Agent(await open_wire(transport, impatient.sip), unique("dead")) for transport in ("udp", "tcp")]
    watches = [await agent.watch(alice.aor).active() for agent in dead]
    for watch in watches:
        watch.script.extend([None] * 1000)

    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await asyncio.to_thread(
        impatient.until,
        lambda: impatient.subscriptions(alice.aor) == [],
        "the dead are told for ever",
        GIVEN_UP_SECONDS,
    )

    assert [[one.step for one in watch.notifications] for watch in watches] == [[-1, *[1] * TRIES]] * 2
    await close_all([alice, *dead])
