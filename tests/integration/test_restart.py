"""The whole system stopped and started again on its data: nothing that was accepted is gone."""

from collections.abc import AsyncIterator, Iterator

import pytest

from .agent import Agent
from .conftest import close_all, running, unique
from .documents import numbered
from .publication import Publication
from .system import System
from .wires import open_wire

pytestmark = pytest.mark.faults


@pytest.fixture
def kept() -> Iterator[System]:
    """Run a system of this test's own."""
    yield from running(System())


@pytest.fixture
async def pair(kept: System) -> AsyncIterator[tuple[Agent, Agent]]:
    """Return two agents."""
    agents = Agent(await open_wire("udp", kept.sip), unique("a")), Agent(await open_wire("udp", kept.sip), unique("b"))
    yield agents
    await close_all([*agents])


async def test_system_stopped_and_started_knows_what_it_accepted(kept: System, pair: tuple[Agent, Agent]) -> None:
    alice, bob = pair
    publication = Publication(alice, alice.aor)
    watch = await bob.watch(alice.aor).active()
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    contact = ("Contact", f"<{alice.contact}>")
    await alice.out_of_dialog("REGISTER", "sip:example.test", [contact], to=alice.aor)

    assert kept.stop() == 0
    kept.start()
    await watch.nothing_more()
    await publication.accepted(numbered(alice.aor, 2))
    await watch.ends_with(2)
    refreshed = await watch.subscribe()
    registered = await alice.out_of_dialog("REGISTER", "sip:example.test", to=alice.aor)

    assert refreshed.status == 200
    assert len(registered.headers.values("Contact")) == 1
    assert watch.steps == [1, 2]


async def test_publication_that_ended_while_all_was_off_is_told(kept: System, pair: tuple[Agent, Agent]) -> None:
    alice, bob = pair
    watch = await bob.watch(alice.aor).active()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1), expires=2)
    await watch.ends_with(1)

    kept.stop()
    kept.start()
    over = await watch.state(lambda one: one is watch.last and one.step == -1, timeout=8)

    assert over.state.state == "active"
