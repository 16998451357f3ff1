"""A container that is stopped while its process still imports: PID 1 sees only the signals that it has handlers for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .programs import missing, program
from .served import until

COMMANDS = (("sip_edge",), ("presence_core",), ("presence_core", "migrate"), ("notifier",), ("xcap_sync",))
END_SECONDS = 3.0


@contextmanager
def container(*command: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a service as PID 1 of a namespace; yield the process that waits for it, and what we call its process."""
    if os.geteuid() != 0:
        missing("PID namespaces need root")
    unshare = (program("unshare", "util-linux"), "--pid", "--fork", "--kill-child")
    process = subprocess.Popen(
        [*unshare, sys.executable, "-m", *command], env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        until(lambda: bool(children.read_text()), 10.0, lambda: "nothing was started")
        yield process, int(children.read_text())
    finally:
        process.kill()
        process.wait()


def hears(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_container_that_is_stopped_while_it_imports_ends_at_once(command: tuple[str, ...]) -> None:
    with container(*command) as (process, pid):
        # Imports take half a second, of which `until` would miss too much.
        while not hears(pid, signal.SIGTERM):
            time.sleep(0.002)
        os.kill(pid, signal.SIGTERM)

        status = process.wait(END_SECONDS)

    assert status == 128 + signal.SIGTERM
