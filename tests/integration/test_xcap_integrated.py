"""Rules in the table `xcap`, as XCAP servers write them, and the ways in which we hear of a change (design §5.2)."""

import xmlrpc.client
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from .agent import Agent
from .conftest import Agents, close_all, over_udp, running
from .privacy import Scene, live
from .system import System
from .wires import open_wire
from .xcap_table import XcapTable

DIFF = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="http://xcap.example.test/xcap-root/">'
    '<document new-etag="n" previous-etag="p" sel="http://xcap.example.test/xcap-root/pres-rules/users/{0}/index.xml"/>'
    "</xcap-diff>"
)


@pytest.fixture(scope="module", params=["write-through", "write-behind"])
def system(request: pytest.FixtureRequest, integrated: System) -> Iterator[System]:
    """Run a system whose rules are in its table, with either store."""
    if request.param == "write-through":
        yield integrated
    else:
        arguments = ("--store", request.param, "--policy", "rules", "--xcap", "integrated")
        yield from running(System(arguments=arguments))


class Announced:
    """A table that says nothing by itself; who changes it tells the server, too."""

    def __init__(self, table: XcapTable, system: System) -> None:
        self._table = table
        self._system = system

    async def put(self, aor: str, body: bytes) -> None:
        await self._table.put(aor, body)
        await self.announce(aor)

    async def remove(self, aor: str) -> None:
        await self._table.remove(aor)
        await self.announce(aor)

    async def announce(self, aor: str) -> None:
        """Say that the rules of a user have changed."""


class ByJsonRpc(Announced):
    """As OpenSIPS is told."""

    async def announce(self, aor: str) -> None:
        params = {"presentity_uri": aor, "event": "presence", "refresh_type": 0}
        call = {"jsonrpc": "2.0", "id": 1, "method": "presence:refresh_watchers", "params": params}
        async with httpx.AsyncClient() as client:
            answer = (await client.post(self._system.url("xcap-sync", "/mi"), json=call)).json()
        assert answer == {"jsonrpc": "2.0", "id": 1, "result": "OK"}


class ByXmlRpc(Announced):
    """As OpenXCAP up to 2.3 tells."""

    async def announce(self, aor: str) -> None:
        with xmlrpc.client.ServerProxy(self._system.url("xcap-sync", "/RPC2")) as server:
            assert server.refreshWatchers(aor, "presence", 0) == "200 OK"


class ByPublish(Announced):
    """As OpenXCAP from 2.4 on tells."""

    async def announce(self, aor: str) -> None:
        agent = Agent(await open_wire("tcp", self._system.sip), aor)
        headers = [
            ("Event", "xcap-diff"),
            ("Expires", "0"),
            ("Content-Type", "application/xcap-diff+xml"),
            ("Thor-Scope", "publish-xcap"),
        ]
        response = await agent.out_of_dialog("PUBLISH", aor, headers, DIFF.format(aor).encode())
        await close_all([agent])
        assert response.status == 200


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table, which tells of its changes itself."""
    async with XcapTable.open(system.dsn) as table:
        yield table


async def test_rules_in_the_table_take_effect_by_its_trigger_alone(
    system: System, agents: Agents, table: XcapTable
) -> None:
    await live(await Scene.of(system, agents, table))


@over_udp
async def test_rules_of_kamailio_take_effect_by_the_trigger(agents: Agents, system: System) -> None:
    async with XcapTable.open(system.dsn, "kamailio") as table:
        await live(await Scene.of(system, agents, table))


@over_udp
@pytest.mark.parametrize("way", [ByJsonRpc, ByXmlRpc, ByPublish])
async def test_rules_in_a_silent_table_take_effect_when_it_is_said(
    agents: Agents, table: XcapTable, system: System, way: type[Announced]
) -> None:
    async with table.silent():
        await live(await Scene.of(system, agents, way(table, system)))
