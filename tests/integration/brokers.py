"""A cluster of three NATS servers on loopback, any of which may be killed."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lamplighter_cli.embedded.nats import program

from .served import until
from .system import free_port
from .wires import HOST

SERVERS = 3
START_SECONDS = 30.0
STREAM = "KV_lamplighter"
_CONFIGURATION = """\
host: {host}
port: {port}
http: "{host}:{monitor}"
server_name: {name}
max_payload: 8MB
jetstream {{ store_dir: {folder}, max_memory_store: 64MB, max_file_store: 256MB }}
cluster {{ name: lamps, listen: "{host}:{route}", routes: [{routes}] }}
"""


class Server:
    """One server of the cluster; it keeps its ports and its folder when it is started again."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.port, self.route, self._monitor = free_port(), free_port(), free_port()
        self._folder = folder / name
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return what clients connect to."""
        return f"nats://{HOST}:{self.port}"

    def configure(self, routes: list[str]) -> None:
        """Write its configuration."""
        self._folder.mkdir()
        text = _CONFIGURATION.format(
            host=HOST,
            port=self.port,
            monitor=self._monitor,
            name=self.name,
            folder=json.dumps(str(self._folder / "jetstream")),
            route=self.route,
            routes=", ".join(f'"{route}"' for route in routes),
        )
        (self._folder / "nats.conf").write_text(text)

    def start(self) -> None:
        """Start it."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program()), "-c", str(self._folder / "nats.conf")], stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def healthy(self) -> bool:
        """Return whether it is part of the cluster and has caught up."""
        try:
            return httpx.get(f"http://{HOST}:{self._monitor}/healthz", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def bucket(self) -> "dict[str, object]":
        """Return who leads the directory's bucket and who follows, as this server knows; empty: there is none."""
        answer = httpx.get(f"http://{HOST}:{self._monitor}/jsz?streams=true&config=true", timeout=2.0).json()
        for account in answer.get("account_details", ()):
            for stream in account.get("stream_detail", ()):
                if stream["name"] == STREAM:
                    cluster: dict[str, object] = stream["cluster"]
                    return cluster
        return {}


class Cluster:
    """Three servers."""

    def __init__(self, folder: Path) -> None:
        self.servers = [Server(folder, f"nats-{number}") for number in range(1, SERVERS + 1)]
        routes = [f"nats://{HOST}:{server.route}" for server in self.servers]
        for server in self.servers:
            server.configure(routes)

    @property
    def url(self) -> str:
        """Return the URLs of all, with commas between them."""
        return ",".join(server.url for server in self.servers)

    def start(self) -> None:
        """Start all and wait until they are one cluster."""
        for server in self.servers:
            server.start()
        until(self.healthy, START_SECONDS, lambda: "no cluster")

    def healthy(self) -> bool:
        """Return whether all are there and agree."""
        return all(server.healthy() for server in self.servers)

    def leader(self) -> Server:
        """Return the server that leads the directory's bucket."""
        names = {server.bucket().get("leader") for server in self.servers} - {None}
        assert len(names) == 1, names
        return next(server for server in self.servers if server.name in names)

    def copies(self) -> int:
        """Return on how many servers the directory's bucket is."""
        return sum(bool(server.bucket()) for server in self.servers)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster."""
    with tempfile.TemporaryDirectory(prefix="lamplighter-nats-") as folder:
        made = Cluster(Path(folder))
        try:
            made.start()
            yield made
        finally:
            for server in made.servers:
                server.kill()
