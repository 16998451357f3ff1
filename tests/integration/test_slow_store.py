"""A database that is slow, under more load than it can take: 503, bounded queues, and back by itself."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from sip.message import Response, parse

from .agent import Agent, new_branch, new_token
from .conftest import running, unique
from .documents import numbered, pidf
from .publication import Publication
from .system import QUICK, System
from .wires import Wire, open_wire

pytestmark = pytest.mark.faults

WAITING = 300
"""Changes that may wait in the core, and requests in the edge."""
SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON presentity FOR EACH ROW EXECUTE FUNCTION slow();
"""
QUICK_AGAIN = "DROP TRIGGER slow ON presentity; DROP FUNCTION slow"
GROWTH_KB = 60_000


@pytest.fixture
def small() -> Iterator[System]:
    """Run a system with short queues."""
    limits = {
        "PRESENCE_CORE_PENDING_CHANGES": str(WAITING),
        "SIP_EDGE_MAX_PENDING": str(3 * WAITING),
    }
    yield from running(System(QUICK | limits))


async def test_slow_store_is_shielded_by_503_and_queues_stay_bounded(small: System) -> None:
    agent = Agent(await open_wire("udp", small.sip), unique("alice"))
    publication = Publication(agent, agent.aor)
    await publication.accepted(numbered(agent.aor, 1))
    watch = await agent.watch(agent.aor).active()
    flood = Flood(await open_wire("udp", small.sip))
    await execute(small, SLOW)
    memory = resident(small)

    seen = await asyncio.gather(flood.run(seconds=12, rate=600), observe(small, seconds=12))
    grown = {name: after - memory[name] for name, after in resident(small).items()}
    await execute(small, QUICK_AGAIN)
    await asyncio.to_thread(small.until, small.ready, "not ready again", 30.0)
    await publication.accepted(numbered(agent.aor, 2))
    await watch.ends_with(2, timeout=20)
    agent.close()
    flood.wire.close()
    await asyncio.sleep(0)

    print(flood.statuses, seen[1], grown)
    assert set(flood.statuses) <= {200, 503}
    assert flood.statuses[503] > 0
    assert flood.statuses[200] > 100
    assert flood.without_retry_after == 0
    assert seen[1]["presence_core_pending_changes"] <= WAITING + 10
    assert seen[1]["presence_sip_edge_pending_requests"] <= 3 * WAITING
    assert max(grown.values()) < GROWTH_KB


class Flood:
    """New presentities that publish, whatever becomes of the others."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.statuses: Counter[int] = Counter()
        self.without_retry_after = 0
        wire.on_message = self._take

    def _take(self, data: bytes) -> None:
        response = parse(data)
        assert isinstance(response, Response)
        self.statuses[response.status] += 1
        self.without_retry_after += response.status == 503 and not response.headers.get("Retry-After")

    async def run(self, *, seconds: int, rate: int) -> None:
        """Send so many requests each second, each once; then wait for the last answers."""
        for _ in range(seconds * 50):
            for _ in range(rate // 50):
                self._send()
            await asyncio.sleep(0.02)
        await asyncio.sleep(6)

    def _send(self) -> None:
        aor = unique("flood")
        host, port = self.wire.local
        lines = [
            f"PUBLISH {aor} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch={new_branch()}",
            f"From: <{aor}>;tag={new_token()}",
            f"To: <{aor}>",
            f"Call-ID: {new_token()}",
            "CSeq: 1 PUBLISH",
            "Max-Forwards: 70",
            "Event: presence",
            "Expires: 600",
            "Content-Type: application/pidf+xml",
        ]
        body = pidf(aor)
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        self.wire.send(head.encode() + body)


async def observe(system: System, *, seconds: int) -> dict[str, float]:
    """Return the largest sizes of queues that were seen."""
    most: dict[str, float] = {}
    for _ in range(seconds * 2):
        await asyncio.sleep(0.5)
        for service in ("presence-core", "sip-edge"):
            text = (await asyncio.to_thread(system.get, service, "/metrics")).text
            for line in text.splitlines():
                name, _, value = line.partition(" ")
                if "_pending_" in name and not name.startswith("#"):
                    most[name] = max(most.get(name, 0.0), float(value))
    return most


def resident(system: System) -> dict[str, int]:
    """Return the resident kilobytes of each of our processes."""
    pids = {name: pid for name, pid in system.pids().items() if name.rpartition("-")[2].isdecimal()}
    return {name: _resident(pid) for name, pid in pids.items()}


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def execute(system: System, sql: str) -> None:
    """Do something to the database behind everybody's back."""
    connection = await asyncpg.connect(system.dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
