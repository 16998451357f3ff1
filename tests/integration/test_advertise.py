"""An edge and its phones behind NATs: nobody outside ever hears of an inside address.

      edge ──── router ═══════════ nat ──── phone
  10.47.1.2   203.0.113.1     203.0.113.9   192.168.47.2

The router forwards port 5070 to the edge's 5060; the NAT of the phones hides them behind its own address.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sip.fields import Via, parse_name_addr
from sip.message import Request, Response

from .agent import Agent
from .conftest import close_all, unique
from .documents import numbered
from .networks import Networks
from .publication import Publication
from .system import QUICK, System
from .wires import TcpWire, open_wire

EDGE, ROUTER_INSIDE = "10.47.1.2", "10.47.1.1"
ROUTER, NAT = "203.0.113.1", "203.0.113.9"
PHONE, NAT_INSIDE = "192.168.47.2", "192.168.47.1"
OUTSIDE_PORT = 5070


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    """Lay the network of the picture."""
    networks = Networks()
    try:
        for name in ("edge", "router", "nat", "phone"):
            networks.add(name)
        networks.link("edge", f"{EDGE}/24", "router", f"{ROUTER_INSIDE}/24")
        networks.link("router", f"{ROUTER}/24", "nat", f"{NAT}/24")
        networks.link("nat", f"{NAT_INSIDE}/24", "phone", f"{PHONE}/24")
        networks.route("edge", ROUTER_INSIDE)
        networks.route("phone", NAT_INSIDE)
        for router in ("router", "nat"):
            networks.forward(router)
        for protocol in ("udp", "tcp"):
            port = ("-p", protocol, "--dport", f"{OUTSIDE_PORT}")
            networks.nat("router", "PREROUTING", "-i", "nat", *port, "-j", "DNAT", "--to", f"{EDGE}:5060")
        networks.nat("router", "POSTROUTING", "-o", "nat", "-j", "MASQUERADE")
        networks.nat("nat", "POSTROUTING", "-o", "router", "-j", "MASQUERADE", "--random")
        yield networks
    finally:
        networks.remove()


@pytest.fixture(scope="module", params=[f"{ROUTER}:{OUTSIDE_PORT}", f"sip.example.test:{OUTSIDE_PORT}"])
def advertised(request: pytest.FixtureRequest) -> str:
    """Return what the edge says is its address: the router's, or a name of it."""
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def hidden(networks: Networks, advertised: str) -> Iterator[System]:
    """Run a system where only the router gets to."""
    with networks.inside("edge"):
        system = System(QUICK | {"SIP_EDGE_ADVERTISE": advertised})
        system.sip = (EDGE, 5060)
    try:
        with networks.inside("edge"):
            system.start()
        yield system
        assert system.stop() == 0, system.tail()
    finally:
        system.stop()
        system.remove()


@pytest.fixture
def phone(networks: Networks) -> Iterator[None]:
    """Have the test open its sockets where the phones are."""
    with networks.inside("phone"):
        yield


@pytest.fixture
async def agents(phone: None, transport: str) -> AsyncIterator[list[Agent]]:
    """Return two phones behind the NAT."""
    server = (ROUTER, OUTSIDE_PORT)
    agents = [Agent(await open_wire(transport, server), unique(name)) for name in ("alice", "bob")]
    yield agents
    await close_all(agents)


def sent_by(request: Request) -> str:
    return str(request.headers.values("Via")[0]).split()[1].partition(";")[0]


def contact(message: Request | Response) -> str:
    return parse_name_addr(message.headers.get("Contact") or "").uri


def seen_at(response: Response) -> str:
    """Return the address that the edge saw a request come from."""
    return dict(Via.parse(response.headers.values("Via")[0]).params).get("received") or ""


async def test_advertised_address_is_all_that_a_phone_behind_another_nat_sees(
    agents: list[Agent], transport: str, advertised: str
) -> None:
    alice, bob = agents
    ours = f"sip:{advertised}" + (";transport=tcp" if transport == "tcp" else "")
    publication = Publication(alice, alice.aor)

    watch = await bob.watch(alice.aor).active()
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    refreshed = await watch.subscribe()
    await publication.accepted(numbered(alice.aor, 2))
    await watch.ends_with(2)
    ended = await watch.end()

    assert (watch.target, refreshed.status, ended.state.state) == (ours, 200, "terminated")
    assert {contact(one) for one in bob.responses} == {ours}
    assert {contact(one.request) for one in watch.notifications} == {ours}
    assert {sent_by(one.request) for one in watch.notifications} == {advertised}
    assert {seen_at(one) for one in (*alice.responses, *bob.responses)} == {NAT}, "the phones are not behind a NAT"
    assert EDGE not in alice.report() + bob.report()


async def test_advertised_contact_takes_a_refresh_by_another_flow_and_notifies_go_there(
    agents: list[Agent], transport: str
) -> None:
    alice, bob = agents
    publication = Publication(alice, alice.aor)
    watch = await bob.watch(alice.aor).active()

    # A restart of the phone or of its NAT: the next request comes from another port.
    if isinstance(bob.wire, TcpWire):
        bob.wire.drop()
    else:
        bob.wire.close()
        bob.wire = await open_wire("udp", bob.wire.server)
        bob.wire.on_message = bob._take
    await asyncio.sleep(0.1)
    refreshed = await watch.subscribe()
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)

    assert refreshed.status == 200
