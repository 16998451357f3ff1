"""`python -m notifier` as an operator meets it."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lamplighter_proto import FrameCodec, Notify, Outcome, Received, Send, subjects
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus

NATS_SERVER = Path(sys.executable).with_name("nats-server")
DEADLINE_SECONDS = 20.0
READY = (200, {"bus": True, "directory": True, "serving": True})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def running(*command: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command, and end it at the latest when the block ends."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def notifier() -> tuple[str, ...]:
    return sys.executable, "-W", "error", "-m", "notifier"


def readiness(port: int) -> tuple[int, dict[str, bool]] | None:
    try:
        response = httpx.get(f"http://127.0.0.1:{port}/readyz")
    except httpx.TransportError:
        return None
    return response.status_code, response.json()["checks"]


def eventually(condition: Callable[[], bool]) -> bool:
    """Return whether the condition comes true before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_process_with_a_variable_that_nobody_knows_refuses_to_start_and_says_so() -> None:
    with running(*notifier(), NOTIFIER_TYPO="1") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors == "NOTIFIER_TYPO: unknown variable\n"


@pytest.mark.integration
def test_process_with_nats_delivers_and_stops_when_asked(tmp_path: Path, notify: Notify) -> None:
    port, nats_port = free_port(), free_port()
    nats = (str(NATS_SERVER), "-js", "-a", "127.0.0.1", "-p", str(nats_port), "-sd", str(tmp_path))
    url = f"nats://127.0.0.1:{nats_port}"
    environ = {"NOTIFIER_HTTP_PORT": str(port), "NOTIFIER_NATS_URL": url}

    with running(*nats, "-l", str(tmp_path / "nats.log")), running(*notifier(), **environ) as process:
        assert eventually(lambda: readiness(port) == READY)
        outcome = asyncio.run(delivered(url, notify))
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert (outcome.cseq, outcome.status) == (12, 200)
    assert 'presence_notifier_notifies_total{event="dialog",status="200"} 1.0' in metrics
    assert process.returncode == 0
    assert "stopping" in [json.loads(line)["message"] for line in errors.splitlines()]


async def delivered(url: str, notify: Notify) -> Outcome:
    """Ask for a NOTIFY as the core, answer it as the edge, return what is reported."""
    bus = await NatsBus.connect(url, name="peer", service="peer", metrics=Registry())
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    def answer(sends: list[Send]) -> None:
        for send in sends:
            bus.send(subjects.notifier_responses(send.notifier), Received(branch=send.branch, status=200))

    def take(messages: list[Outcome]) -> None:
        outcomes.put_nowait(messages[0])

    try:
        await bus.subscribe(subjects.edge_sends("edge-1"), FrameCodec[Send](Send), answer)
        await bus.subscribe(subjects.core_outcomes("core-1"), FrameCodec[Outcome](Outcome), take)
        bus.send(subjects.NOTIFY, notify)
        return await asyncio.wait_for(outcomes.get(), DEADLINE_SECONDS)
    finally:
        await bus.close()
