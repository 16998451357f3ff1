"""What bad input gets: a 400 where an answer can be addressed, else a counted drop, never a dead service."""

import asyncio
import random

import httpx
import pytest

from sip.message import build_request

from .agent import Agent, new_branch
from .conftest import Agents, over_tcp, over_udp
from .documents import PIDF_TYPE, pidf
from .publication import Publication
from .served import Served
from .wires import TcpWire

SERVER = "sip:example.test"


def options(agent: Agent, branch: str, *extra: tuple[str, str]) -> bytes:
    """Return a request to spoil."""
    return build_request("OPTIONS", SERVER, [("Via", agent.via(branch)), *agent.outline("OPTIONS", SERVER), *extra])


SPOILT = {
    "CSeq of another method": (b" OPTIONS\r\n", b" PUBLISH\r\n"),
    "CSeq that is no number": (b"CSeq: 1 ", b"CSeq: one "),
    "CSeq that is too large": (b"CSeq: 1 ", b"CSeq: 36893488147419103232 "),
    "To that cannot be read": (b"To: <sip:example.test>", b'To: "<sip:example.test>'),
    "no From": (b"From:", b"X-From:"),
    "no Call-ID": (b"Call-ID:", b"X-Call-ID:"),
    "header without colon": (b"Max-Forwards: 70", b"Max-Forwards 70"),
    "Max-Forwards that is no number": (b"Max-Forwards: 70", b"Max-Forwards: many"),
    "Content-Length that is no number": (b"Content-Length: 0", b"Content-Length: none"),
    "Content-Length beyond the datagram": (b"Content-Length: 0", b"Content-Length: 9999"),
    "negative Content-Length": (b"Content-Length: 0", b"Content-Length: -9"),
}


@pytest.mark.parametrize(
    ("transport", "name"),
    # In a stream a wrong Content-Length spoils all that comes after.
    [(one, name) for one in ("udp", "tcp") for name in SPOILT if one == "udp" or "Content-Length" not in name],
)
async def test_request_that_cannot_be_read_gets_400_or_is_dropped(agents: Agents, name: str) -> None:
    alice = await agents("alice")
    branch = new_branch()
    spoilt = options(alice, branch).replace(*SPOILT[name])

    alice.wire.send(spoilt)
    await asyncio.sleep(0.2)
    alive = await alice.out_of_dialog("OPTIONS", SERVER)

    assert alive.status == 200
    assert _answers(alice, branch) in ([400], [])
    alice.faults.clear()


def _answers(agent: Agent, branch: str) -> list[int]:
    """Return the statuses of all answers to a branch, those that repeat what cannot be read included."""
    read = [one.status for one in agent.responses if branch in (one.headers.get("Via") or "")]
    return read + [int(data[8:11]) for data in agent.unreadable if branch.encode() in data]


async def test_request_with_a_wrong_cseq_method_is_answered_400(agents: Agents) -> None:
    alice = await agents("alice")
    branch = new_branch()

    response = await alice.exchange(options(alice, branch).replace(*SPOILT["CSeq of another method"]), branch)

    assert response.status == 400


async def test_request_uri_of_another_scheme_gets_416(agents: Agents) -> None:
    alice = await agents("alice")

    response = await alice.out_of_dialog("PUBLISH", "http://example.test/", [("Event", "presence")], to=SERVER)

    assert response.status == 416


async def test_another_version_of_sip_gets_505(agents: Agents) -> None:
    alice = await agents("alice")
    branch = new_branch()

    response = await alice.exchange(options(alice, branch).replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1), branch)

    assert response.status == 505


@over_tcp
async def test_body_over_the_limit_gets_413(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor, note="x" * 70_000))

    assert response.status == 413


async def test_body_that_fills_a_datagram_is_taken(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    response = await Publication(alice, alice.aor).send(pidf(alice.aor, note="x" * 50_000))
    await watch.state(lambda one: len(one.body) > 50_000)

    assert response.status == 200


async def test_too_many_headers_are_refused(agents: Agents) -> None:
    alice = await agents("alice")
    branch = new_branch()

    response = await alice.exchange(options(alice, branch, *[("X-More", "1")] * 400), branch)

    assert 400 <= response.status < 600


@over_udp
async def test_garbage_over_udp_is_dropped_and_counted(system: Served, agents: Agents) -> None:
    alice = await agents("alice")
    chance = random.Random(4475)

    for length in range(1, 300):
        alice.wire.send(chance.randbytes(length))
        alice.wire.send(options(alice, new_branch())[:length])
    alive = await alice.out_of_dialog("OPTIONS", SERVER)
    metrics = await asyncio.to_thread(system.get, "sip-edge", "/metrics")

    assert alive.status == 200
    assert _counted(metrics, "drop") + _counted(metrics, "unreadable") > 100


def _counted(metrics: httpx.Response, word: str) -> float:
    """Return the sum of the counters whose name or labels have this word."""
    lines = [line for line in metrics.text.splitlines() if not line.startswith("#") and word in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@over_tcp
async def test_garbage_over_tcp_ends_that_connection_alone(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    assert isinstance(alice.wire, TcpWire)

    alice.wire.send(b"\x16\x03\x01" + random.Random(1).randbytes(70_000))
    await asyncio.sleep(0.3)

    assert not alice.wire.connected
    assert (await bob.out_of_dialog("OPTIONS", SERVER)).status == 200


async def test_body_under_another_event_type_is_no_trouble_for_the_next(agents: Agents) -> None:
    alice = await agents("alice")
    nul = pidf(alice.aor).replace(b"open", b"op\x00en")

    bad = await Publication(alice, alice.aor).send(nul)
    good = await Publication(alice, alice.aor).send(pidf(alice.aor), content_type=PIDF_TYPE)

    assert (bad.status, good.status) == (400, 200)
