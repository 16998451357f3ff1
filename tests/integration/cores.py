"""A core beside those of `lamplighter up`, on the same broker and database: one that nobody starts again."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import IO

import httpx

from .served import until
from .system import START_SECONDS, STOP_SECONDS, System, free_port
from .wires import HOST


class Core:
    """A presence-core that comes and goes as the test says."""

    def __init__(self, system: System, name: str, settings: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._system = system
        self._settings = dict(settings or {})
        self._port = free_port()
        self._log = system.data / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Core":
        """Start it, after the end of the last one, and wait until it answers."""
        if self._process is not None:
            self._process.wait(STOP_SECONDS)
        with self._log.open("ab") as log:
            self._process = self._spawn(log)
        until(self._answers, START_SECONDS, lambda: f"{self.name} does not answer\n{self.tail()}")
        return self

    def _spawn(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        settings = {
            "INSTANCE": self.name,
            "NATS_URL": nats_url(self._system),
            "POSTGRES_DSN": self._system.dsn,
            "HTTP_PORT": str(self._port),
            **self._settings,
        }
        environment = {f"PRESENCE_CORE_{name}": value for name, value in settings.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "presence_core"],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ) | self._system.environment | environment,
        )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended with {self._process.returncode}\n{self.tail()}"
        try:
            self.get("/healthz")
        except httpx.HTTPError:
            return False
        return True

    def ready(self) -> bool:
        """Return whether it is ready."""
        try:
            return self.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> httpx.Response:
        """Ask its HTTP endpoint."""
        return httpx.get(f"http://{HOST}:{self._port}{path}", timeout=5.0)

    def owners(self) -> dict[int, str]:
        """Return the owner of each shard, as the first core of the system sees it."""
        return owners(self._system)

    @property
    def pid(self) -> int:
        """Return its process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def stop(self) -> int:
        """Tell it to leave and wait; return its exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process = None

    def tail(self, length: int = 6000) -> str:
        """Return the end of its log."""
        return self._log.read_bytes()[-length:].decode(errors="replace") if self._log.exists() else ""


def owners(system: System) -> dict[int, str]:
    """Return the owner of each shard, as the first core sees it."""
    listed: dict[str, str] = system.get("presence-core", "/shards").json()
    return {int(number): owner for number, owner in listed.items()}


def nats_url(system: System) -> str:
    """Return the URL of the embedded broker of a system."""
    text = (system.data / "data" / "nats" / "nats.conf").read_text()
    port, token = re.search(r"^port: (\d+)", text, re.M), re.search(r'token: "(\w+)"', text)
    assert port, text
    assert token, text
    return f"nats://{token[1]}@{HOST}:{port[1]}"
