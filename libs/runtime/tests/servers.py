"""A real NATS and a real PostgreSQL for tests, and bounded waiting for what they bring about."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from lamplighter_cli.embedded.nats import Nats
from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.processes import Running, Spec, spawn

START_SECONDS = 30.0
WAIT_SECONDS = 10.0


async def eventually(holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait until `holds`; TimeoutError when it does not come to that."""
    async with asyncio.timeout(seconds):
        # Another process is waited for: there is no event.
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Server:
    """A process that a test starts, kills and starts again."""

    def __init__(self) -> None:
        self._running: Running | None = None

    async def _start(self, spec: Spec) -> None:
        self._running = await spawn(spec)

    def send_signal(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.send_signal(number)
            await running.process.wait()
            running.close()


class Broker(Server):
    """A nats-server whose port and store outlive its process."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._nats = Nats(folder)
        self._nats.prepare()
        self.url = self._nats.url

    async def start(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            await self._start(self._nats.spec)
            await self._nats.ready()


class Database(Server):
    """A PostgreSQL server; its cluster is made once per folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._postgres = Postgres(folder)
        self.dsn = self._postgres.dsn

    async def start(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            await self._postgres.prepare()
            await self._start(self._postgres.spec)
            await self._postgres.ready()

    async def stop(self) -> None:
        await self.end(signal.SIGINT)
        self._postgres.remove_sockets()
