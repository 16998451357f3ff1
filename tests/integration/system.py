"""The whole system as a stranger starts it: `lamplighter up` in a process of its own, on free ports."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lamplighter_cli import ports
from lamplighter_cli.embedded.postgres import Postgres

from .served import PORTS, Served, until
from .wires import HOST, Address

READY_LINE = "lamplighter ready"
START_SECONDS = 90.0
STOP_SECONDS = 30.0
PHONES = "phones.test"
"""The domain whose users' presence tells of their calls."""
QUICK = {
    "PRESENCE_CORE_PUBLICATION_EXPIRES_MIN_SECONDS": "2",
    "PRESENCE_CORE_SUBSCRIPTION_EXPIRES_MIN_SECONDS": "2",
    "PRESENCE_CORE_REGISTRATION_EXPIRES_MIN_SECONDS": "2",
    "PRESENCE_CORE_PRESENCE_FROM_DIALOG_DOMAINS": PHONES,
}
"""Settings by which tests need not wait for a minute."""


class System(Served):
    """A running system. `environment` holds settings of services beside those of the command line."""

    def __init__(self, environment: Mapping[str, str] = QUICK, arguments: tuple[str, ...] = ()) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="lamplighter-"))
        # The embedded PostgreSQL runs as another user when we are root.
        self.data.chmod(0o755)
        self.log = self.data / "up.log"
        self.environment = dict(environment)
        self._arguments = arguments
        self.sip: Address = (HOST, free_port())
        self.http_port = free_block(len(PORTS))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Return the URL of its database."""
        return Postgres(self.data / "data").dsn

    def start(self) -> "System":
        """Start it and wait for the line that says so."""
        command = [sys.executable, "-m", "lamplighter_cli", "up", "--sip", self.target]
        command += ["--http", f"{HOST}:{self.http_port}", "--data", str(self.data / "data"), *self._arguments]
        self._begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ) | self.environment,
                start_new_session=True,
            )
        until(self._is_ready, START_SECONDS, lambda: f"no {READY_LINE!r}:\n{self.tail()}")
        return self

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"`lamplighter up` ended with {self._process.returncode}\n{self.tail()}"
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return READY_LINE.encode() in log.read()

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise AssertionError(f"`lamplighter up` does not stop\n{self.tail()}") from None
        finally:
            self._process = None
        return status

    def remove(self) -> None:
        """Remove what it kept."""
        shutil.rmtree(self.data, ignore_errors=True)

    # --- its processes

    def pids(self) -> dict[str, int]:
        """Return the process of each instance: core-1, edge-1, notifier-1, nats, postgres, ..."""
        status = json.loads((self.data / "data" / "status.json").read_text())
        return {name: pid for name, pid in status.items() if isinstance(pid, int)}

    @property
    def pid(self) -> int:
        """Return the process of `lamplighter up`."""
        assert self._process is not None
        return self._process.pid

    def kill(self, name: str) -> int:
        """Kill an instance with SIGKILL and return the pid that it had."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def back(self, name: str, before: int, timeout: float = 30.0) -> None:
        """Wait until an instance runs again as another process and everything is ready."""
        until(lambda: self.pids().get(name, before) != before, timeout, lambda: f"{name} stays away\n{self.tail()}")
        until(self.ready, timeout, lambda: f"{self.readiness()}\n{self.tail()}")

    # --- its endpoints

    def url(self, service: str, path: str) -> str:
        """Return the address of a service's HTTP endpoint."""
        return f"http://{HOST}:{self.http_port + list(PORTS).index(service)}{path}"

    def seen(self, local: Address) -> Address:
        """Return where the edge sees a client: where it is."""
        return local

    def tail(self, length: int = 6000) -> str:
        """Return the end of the log."""
        return self.log.read_bytes()[-length:].decode(errors="replace") if self.log.exists() else ""


def free_port() -> int:
    """Return a port that is free for UDP and TCP."""
    return ports.free(HOST, udp=True)


def free_block(length: int) -> int:
    """Return the first of so many consecutive free TCP ports."""
    return ports.free(HOST, count=length)
