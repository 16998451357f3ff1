"""SIPp, a client that we did not write, with scenarios of our own: publish, change, refresh, remove, watched."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .agent import new_token
from .programs import program
from .served import Served
from .system import free_port
from .wires import local_host

pytestmark = pytest.mark.client
SCENARIOS = Path(__file__).parent / "sipp"
SECONDS = 30
Starter = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def sipp(system: Served, tmp_path: Path) -> Iterator[Starter]:
    """Return a starter of SIPp scenarios, each of one call."""
    path = program("sipp", "sip-tester")
    started: list[subprocess.Popen[str]] = []

    def start(scenario: str, presentity: str, transport: str) -> "subprocess.Popen[str]":
        own = ["-i", local_host(system.sip), "-p", str(free_port()), "-t", {"udp": "u1", "tcp": "t1"}[transport]]
        call = ["-m", "1", "-s", presentity, "-timeout", f"{SECONDS}s", "-timeout_error", "-recv_timeout", "8000"]
        command = [path, "-sf", str(SCENARIOS / f"{scenario}.xml"), *own, *call, "-nostdin", "-trace_err", "-trace_msg"]
        started.append(
            subprocess.Popen(
                [*command, system.target], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def succeeds(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Wait for the end of a scenario; AssertionError with what went over the wire unless it went as written."""
    output, _ = process.communicate(timeout=SECONDS + 10)
    logs = [path.read_text(errors="replace")[-6000:] for path in sorted(folder.glob("*.log"))]
    assert process.returncode == 0, "\n".join([output[-3000:], *logs])


def test_sipp_publishes_changes_refreshes_removes(sipp: Starter, tmp_path: Path, transport: str) -> None:
    succeeds(sipp("publish-life", f"sipp-{new_token()}", transport), tmp_path)


def test_sipp_watches_what_sipp_publishes(sipp: Starter, tmp_path: Path, system: Served, transport: str) -> None:
    presentity = f"sipp-{new_token()}"
    watch = sipp("watch", presentity, transport)
    until_watched(system, f"sip:{presentity}@example.test")

    publish = sipp("publish-life", presentity, transport)

    succeeds(publish, tmp_path)
    succeeds(watch, tmp_path)


def until_watched(system: Served, presentity: str) -> None:
    """Wait until a watcher of the presentity has confirmed what it was told first."""
    system.until(
        lambda: [one["up_to_date"] for one in system.subscriptions(presentity)] == [True],
        f"nobody watches {presentity}",
    )
