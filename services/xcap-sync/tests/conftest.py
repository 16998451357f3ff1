"""xcap-sync on a real bus and a real database, with a core that is played here."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.processes import spawn
from lamplighter_runtime.database import load_migrations
from lamplighter_runtime.testing import eventually, free_port, nats, running
from xcap_sync.harness import SHARDS, Core, Database, Service, Start, new_core
from xcap_sync.settings import Settings
from xcap_sync.testing import Origin, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dsn() -> AsyncIterator[str]:
    """Return the DSN of a PostgreSQL that belongs to the event loop of the session."""
    with tempfile.TemporaryDirectory(prefix="lamplighter-test-") as folder:
        postgres = Postgres(Path(folder))
        await postgres.prepare()
        server = await spawn(postgres.spec)
        await postgres.ready()
        yield postgres.dsn
        server.process.send_signal(signal.SIGQUIT)
        await server.process.wait()
        server.close()
        postgres.remove_sockets()


@pytest.fixture
async def empty_database(dsn: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET lock_timeout = '15s'")
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield Database(connection, load_migrations("presence_core.storage"))
    await connection.close()


@pytest.fixture
async def database(empty_database: Database) -> Database:
    await empty_database.migrate()
    return empty_database


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        for _ in range(5):
            port = free_port()
            process = stack.enter_context(running(*nats(port, tmp_path)))
            # Somebody else may have taken the port meanwhile; clients would wait for ever.
            if serves(process, port):
                break
        yield f"nats://127.0.0.1:{port}"


def serves(process: subprocess.Popen[str], port: int) -> bool:
    return eventually(lambda: process.poll() is not None or answers(port)) and process.poll() is None


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
async def core(nats_url: str) -> AsyncIterator[Core]:
    async with new_core(nats_url) as core:
        await core.claim()
        yield core


@pytest.fixture
async def start(nats_url: str, dsn: str) -> AsyncIterator[Start]:
    """Return how to start a service with settings; all end with the test."""
    async with AsyncExitStack() as stack:

        def begin(**settings: object) -> Service:
            given = {
                "nats_url": nats_url,
                "http_port": 0,
                "instance": "xcap-1",
                "shards": SHARDS,
                "lease_seconds": 2.0,
                "postgres_dsn": dsn,
            }
            service = Service(Settings.model_validate(given | settings))
            stack.push_async_callback(service.ended)
            return service

        yield begin


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving() as origin:
        yield origin


@pytest.fixture
def client(start: Start, origin: Origin) -> Start:
    """Return how to start a service that fetches from the origin, and only when it is told to."""

    def begin(**settings: object) -> Service:
        given = {
            "mode": "client",
            "roots": [origin.root],
            "usages": ["pres-rules", "pidf-manipulation"],
            "query_period_seconds": 0,
            "fetch_timeout_seconds": 1,
            "backoff_seconds": 0.2,
        }
        return start(**given | settings)

    return begin
