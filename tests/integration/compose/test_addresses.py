"""What the edge says of itself to clients is its advertised address, and never a container's (RFC 3261 §8.1.1.8)."""

from collections.abc import AsyncIterator

import pytest

from sip.fields import Via, parse_name_addr

from ..agent import Agent
from ..conftest import close_all, unique
from ..documents import numbered
from ..publication import Publication
from ..wires import open_wire
from . import engine
from .stack import ComposeSystem, Stack, Way

OURS = ("Via", "Contact", "Record-Route")


@pytest.fixture(scope="module", params=["published", "network"])
def system(request: pytest.FixtureRequest, stack: Stack) -> ComposeSystem:
    """Return the stack by one way."""
    way: Way = request.param
    return ComposeSystem(stack, way)


@pytest.fixture
async def alice(system: ComposeSystem, transport: str) -> AsyncIterator[Agent]:
    """Return an agent that watches herself and has seen a state."""
    alice = Agent(await open_wire(transport, system.sip), unique("alice"))
    watch = await alice.watch(alice.aor).active()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    yield alice
    await close_all([alice])


async def test_notify_comes_from_the_advertised_address(system: ComposeSystem, alice: Agent) -> None:
    host, port = system.advertised

    (watch,) = alice.watches

    for one in watch.notifications:
        vias = [Via.parse(value).sent_by for value in one.request.headers.values("Via")]
        contacts = [parse_name_addr(value).uri for value in one.request.headers.values("Contact")]
        assert vias == [f"{host}:{port}"]
        assert [uri.partition(";")[0] for uri in contacts] == [f"sip:{host}:{port}"]


async def test_dialog_goes_on_at_the_advertised_address(system: ComposeSystem, alice: Agent) -> None:
    host, port = system.advertised

    (watch,) = alice.watches

    assert watch.target.partition(";")[0] == f"sip:{host}:{port}"
    assert watch.routes == []


async def test_no_container_address_is_told_to_clients(stack: Stack, alice: Agent) -> None:
    addresses = [one.address for one in engine.containers(stack.project) if one.running]

    requests = [one.request.headers for watch in alice.watches for one in watch.notifications]
    told = [
        value
        for headers in [*requests, *(one.headers for one in alice.responses)]
        for name in OURS
        for value in headers.all(name)
    ]

    assert len(told) > 6
    assert not [value for value in told for address in addresses if address in value]
