"""`python -m sip_edge` as an operator meets it."""

import asyncio
import json
import signal
import socket
from contextlib import closing
from pathlib import Path

import pytest

from lamplighter_proto.ownership import ShardTable
from lamplighter_runtime.membership import Directory, claimed
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from lamplighter_runtime.testing import (
    DEADLINE_SECONDS,
    END_SECONDS,
    UNREACHABLE,
    ended,
    eventually,
    free_port,
    get,
    nats,
    readiness,
    running,
    service,
    unreachable,
)
from sip_edge.testing import ScriptedCore, ok, read_response, request

DRAINING = (503, {"bus": True, "directory": True, "sockets": False, "running": False})
READY = (200, {"bus": True, "directory": True, "sockets": True})
PUBLISH = request("PUBLISH", headers=("Event: presence",))


def test_process_with_a_variable_that_nobody_knows_refuses_to_start_and_says_so() -> None:
    with running(*service("sip_edge"), SIP_EDGE_TYPO="1") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors == "SIP_EDGE_TYPO: unknown variable\n"


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_process_that_waits_for_nats_is_not_ready_and_ends_soon(kind: str) -> None:
    port = free_port()
    with unreachable(kind) as away:
        environ = {"SIP_EDGE_HTTP_PORT": str(port), "SIP_EDGE_NATS_URL": f"nats://127.0.0.1:{away}"}
        with running(*service("sip_edge"), **environ) as process:
            assert eventually(lambda: readiness(port) == (503, {"bus": False, "directory": False, "sockets": False}))
            code, seconds, errors = ended(process)

    assert (code, seconds < END_SECONDS) == (0, True), errors


@pytest.mark.integration
def test_process_that_drains_is_not_ready(tmp_path: Path) -> None:
    port, nats_port, sip_port = free_port(), free_port(), free_port()
    environ = {
        "SIP_EDGE_HTTP_PORT": str(port),
        "SIP_EDGE_NATS_URL": f"nats://127.0.0.1:{nats_port}",
        "SIP_EDGE_LISTEN": f"127.0.0.1:{sip_port}",
    }

    with running(*nats(nats_port, tmp_path)), running(*service("sip_edge"), **environ) as process:
        assert eventually(lambda: readiness(port) == READY)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
            client.sendto(PUBLISH, ("127.0.0.1", sip_port))
            assert eventually(lambda: "presence_sip_edge_pending_requests 1.0" in get(port, "/metrics")[1])
            process.send_signal(signal.SIGTERM)
            assert eventually(lambda: readiness(port) == DRAINING)
            process.communicate(timeout=60)

    assert process.returncode == 0


@pytest.mark.integration
def test_process_with_nats_answers_sip_and_stops_when_asked(tmp_path: Path) -> None:
    port, nats_port, sip_port = free_port(), free_port(), free_port()
    url = f"nats://127.0.0.1:{nats_port}"
    environ = {
        "SIP_EDGE_HTTP_PORT": str(port),
        "SIP_EDGE_NATS_URL": url,
        "SIP_EDGE_LISTEN": f"127.0.0.1:{sip_port}",
    }

    with running(*nats(nats_port, tmp_path)), running(*service("sip_edge"), **environ) as process:
        assert eventually(lambda: readiness(port) == READY)
        status, member = asyncio.run(published(url, sip_port))
        metrics = get(port, "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert (status, member) == (200, f"127.0.0.1:{sip_port}")
    assert 'presence_sip_edge_requests_total{method="PUBLISH"} 1.0' in metrics
    assert 'presence_sip_edge_responses_total{status="200"} 1.0' in metrics
    assert process.returncode == 0
    assert "stopping" in [json.loads(line)["message"] for line in errors.splitlines()]


async def published(url: str, sip_port: int) -> tuple[int, str]:
    """PUBLISH while no shard has an owner, then claim all as a core; return the status and the edge's address."""
    bus = await NatsBus.connect(url, name="core-1", service="peer", metrics=Registry())
    directory = Directory(bus.nc)
    await directory.start()
    try:
        await ScriptedCore(bus, ok).start()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
            client.connect(("127.0.0.1", sip_port))
            client.send(PUBLISH)
            await directory.change_table(all_claimed, 64)
            client.settimeout(DEADLINE_SECONDS)
            answer = await asyncio.to_thread(client.recv, 65_536)
        return read_response(answer).status, directory.members()[0].sip
    finally:
        await directory.close()
        await bus.close()


def all_claimed(table: ShardTable) -> ShardTable:
    for shard in range(table.shards):
        table = claimed(table, shard, "core-1")
    return table
