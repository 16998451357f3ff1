"""A service's process as an operator meets it: for tests alone."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

NATS_SERVER = Path(sys.executable).with_name("nats-server")
DEADLINE_SECONDS = 20.0
END_SECONDS = 6.0
"""How soon a process that only waits ends when it is asked to."""
_TRANSPORT = (URLError, OSError)


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


@contextmanager
def unreachable(kind: str) -> Iterator[int]:
    """Lend a port where nothing answers: of nobody (`closed`), or of one who takes connections only (`silent`)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        if kind == "closed":
            server.close()
        yield port


UNREACHABLE = ("closed", "silent")


def ended(process: subprocess.Popen[str]) -> tuple[int, float, str]:
    """Send SIGTERM; return the exit code, how many seconds it took and what was logged."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - begin, errors


def service(module: str) -> tuple[str, ...]:
    """Return the command of a service that takes warnings for errors."""
    return sys.executable, "-W", "error", "-m", module


def nats(port: int, folder: Path) -> tuple[str, ...]:
    """Return the command of a nats-server that keeps its streams and its log in a folder."""
    log = str(folder / "nats.log")
    return str(NATS_SERVER), "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", str(folder), "-l", log


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and text of a page."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def readiness(port: int) -> tuple[int, dict[str, bool]] | None:
    """Return status and checks of /readyz, None while nobody answers."""
    try:
        status, text = get(port, "/readyz")
    except _TRANSPORT:
        return None
    checks: dict[str, bool] = json.loads(text)["checks"]
    return status, checks


def eventually(condition: Callable[[], bool]) -> bool:
    """Return whether the condition comes true before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
