"""`python -m xcap_sync` as an operator meets it."""

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

NATS_SERVER = Path(sys.executable).with_name("nats-server")
DEADLINE_SECONDS = 20.0


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


def xcap_sync() -> tuple[str, ...]:
    return sys.executable, "-W", "error", "-m", "xcap_sync"


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
    with running(*xcap_sync(), XCAP_SYNC_TYPO="1") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors == "XCAP_SYNC_TYPO: unknown variable\n"


def test_process_without_nats_is_alive_but_not_ready_and_stops_when_asked() -> None:
    port = free_port()
    environ = {"XCAP_SYNC_HTTP_PORT": str(port), "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{free_port()}"}

    with running(*xcap_sync(), **environ) as process:
        assert eventually(lambda: readiness(port) == (503, {"bus": False, "directory": False}))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 0


@pytest.mark.integration
def test_process_with_nats_is_ready_and_stops_when_asked(tmp_path: Path) -> None:
    port, nats_port = free_port(), free_port()
    nats = (str(NATS_SERVER), "-js", "-a", "127.0.0.1", "-p", str(nats_port), "-sd", str(tmp_path))
    environ = {"XCAP_SYNC_HTTP_PORT": str(port), "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{nats_port}"}

    with running(*nats, "-l", str(tmp_path / "nats.log")), running(*xcap_sync(), **environ) as process:
        assert eventually(lambda: readiness(port) == (200, {"bus": True, "directory": True}))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "stopping" in [json.loads(line)["message"] for line in errors.splitlines()]
