"""Servers that are measured, each started afresh on free ports of 127.0.0.1 and stopped again."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.lab import rules
from bench.lab.waiting import until
from lamplighter_cli import ports
from lamplighter_cli.embedded.postgres import Postgres

HERE = Path(__file__).resolve().parent.parent
COMPILED = {"PYTHONPATH": str(HERE.parent / "build" / "compiled")}
"""Has the services take the hot modules as `make build/compiled/.done` compiles them."""
HOST = "127.0.0.1"
START_SECONDS = 90.0
STOP_SECONDS = 60.0
_HTTP_PORTS = 4
"""One for each service."""


@dataclass(slots=True, kw_only=True)
class Served:
    """A server that runs."""

    target: str
    """Where it answers SIP, HOST:PORT."""
    pids: list[int]
    """Its processes without their descendants, brokers and databases included."""
    log: Path
    data: Path | None = None
    http_port: int = 0


class Server(Protocol):
    """A server and how it is set."""

    @property
    def name(self) -> str:
        """Return what tables call it."""

    def run(self, folder: Path) -> Iterator[Served]:
        """Start it with its files in `folder`, lend it, stop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamplighter:
    """`lamplighter up`, everything included."""

    name: str
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    with_rules: bool = False
    """Whether every presentity that presload plays gets a rules document."""

    def run(self, folder: Path) -> Iterator[Served]:
        """Run it on an empty database."""
        folder.chmod(0o755)  # The embedded PostgreSQL is another user when we are root.
        sip, http = ports.free(HOST, udp=True), ports.free(HOST, count=_HTTP_PORTS)
        log, data = folder / "server.log", folder / "data"
        if self.settings == COMPILED and not Path(COMPILED["PYTHONPATH"], ".done").exists():
            raise SystemExit("nothing is compiled: make build/compiled/.done")
        settings = [f"{key}={value}" for key, value in self.settings.items()]
        program = [str(HERE.parent / ".venv" / "bin" / "lamplighter"), "up", "--data", str(data)]
        places = ["--sip", f"{HOST}:{sip}", "--http", f"{HOST}:{http}"]
        with _process(["env", *settings, *program, *places, *self.options], log) as server:
            until(lambda: _says(server, log, "lamplighter ready"), START_SECONDS, lambda: log.read_text()[-3000:])
            if self.with_rules:
                rules.write(Postgres(data).dsn)
            yield Served(target=f"{HOST}:{sip}", pids=[server.pid], log=log, data=data, http_port=http)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kamailio:
    """Kamailio of Debian with a PostgreSQL of its own (`bench/peers`)."""

    name: str
    mode: str
    defines: str = ""
    home: Path = Path("/tmp/lamplighter-peers")

    def run(self, folder: Path) -> Iterator[Served]:
        """Run it on an empty database."""
        log, sip, database = folder / "server.log", ports.free(HOST, udp=True), ports.free(HOST)
        settings = [f"KAM_DEFINES={self.defines}", f"PEERS_HOME={self.home}", f"PEERS_PG_PORT={database}"]
        program = [str(HERE / "peers" / "run-kamailio"), self.mode, str(sip)]
        with _process(["env", *settings, *program], log) as server:
            until(lambda: _says(server, log, "ready on"), START_SECONDS, lambda: log.read_text()[-3000:])
            if self.mode == "rules":
                rules.write(f"postgresql://kamailio@{HOST}:{database}/kamailio")
            yield Served(target=f"{HOST}:{sip}", pids=[server.pid, *self._database()], log=log)

    def _database(self) -> list[int]:
        """Return the process of its PostgreSQL, which is in a session of its own."""
        if self.mode == "mem":
            return []
        return [int((self.home / "pg" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])]


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Served]:
    """Run a server for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from server.run(folder)


@contextmanager
def _process(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in a process group of its own; at the end terminate the group and wait."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _says(process: "subprocess.Popen[bytes]", log: Path, words: str) -> bool:
    text = log.read_text(errors="replace")
    if process.poll() is not None:
        raise SystemExit(f"the server ended with {process.returncode}\n{text[-3000:]}")
    return words in text


SERVERS: Mapping[str, Server] = {
    "open": Lamplighter(name="Lamplighter"),
    "compiled": Lamplighter(name="Lamplighter, compiled", settings=COMPILED),
    "rules": Lamplighter(
        name="Lamplighter, rules", options=("--policy", "rules", "--xcap", "integrated"), with_rules=True
    ),
    "database": Lamplighter(name="Lamplighter, store=database", options=("--store", "database")),
    "cache": Kamailio(name="Kamailio cache", mode="cache"),
    "locked": Kamailio(name="Kamailio cache, TABLE_LOCK", mode="cache", defines="TABLE_LOCK"),
    "db": Kamailio(name="Kamailio db", mode="db"),
    "mem": Kamailio(name="Kamailio mem", mode="mem"),
    "kamailio-rules": Kamailio(name="Kamailio cache, rules", mode="rules"),
}
"""By the word that command lines use."""
