"""`python -m presence_core` as an operator, a Job and a container meet it."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest

from lamplighter_runtime.testing import (
    END_SECONDS,
    UNREACHABLE,
    ended,
    eventually,
    free_port,
    nats,
    readiness,
    running,
    service,
    unreachable,
)
from presence_core.service import PresenceCore
from presence_core.testing import FakeDirectory

CORE = service("presence_core")
MIGRATE = (*CORE, "migrate")
LAST = 2
"""Number of the newest migration."""
ALL = {"database": True, "shards": True}
NOT_YET = {"bus": True, "directory": True, "database": False, "shards": False}
READY = NOT_YET | ALL


class SyncedDirectory(FakeDirectory):
    """A directory that has been read."""

    synced = True


class Served:
    """A core that has loaded all that it knows to be its own."""

    def __init__(self) -> None:
        self.shards = self

    def ready(self) -> dict[str, bool]:
        return ALL


@contextmanager
def core(dsn: str, folder: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a core and its NATS; yield the process and its HTTP port."""
    with core_and_nats(dsn, folder, **more) as (process, port, _):
        yield process, port


@contextmanager
def core_and_nats(
    dsn: str, folder: Path, **more: str
) -> Iterator[tuple[subprocess.Popen[str], int, subprocess.Popen[str]]]:
    """Run a core and its NATS; yield the process, its HTTP port and the server."""
    port, nats_port = free_port(), free_port()
    environ = {
        "PRESENCE_CORE_HTTP_PORT": str(port),
        "PRESENCE_CORE_NATS_URL": f"nats://127.0.0.1:{nats_port}",
        "PRESENCE_CORE_POSTGRES_DSN": dsn,
    }
    with running(*nats(nats_port, folder)) as server, running(*CORE, **(environ | more)) as process:
        yield process, port, server


def migrated(dsn: str, **more: str) -> tuple[int, list[dict[str, object]]]:
    """Run `migrate`; return its exit code and what it logged."""
    with running(*MIGRATE, PRESENCE_CORE_POSTGRES_DSN=dsn, **more) as process:
        _, errors = process.communicate(timeout=60)
    return process.returncode, lines(errors)


def lines(errors: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in errors.splitlines()]


async def fetch(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


def numbers(dsn: str) -> list[int]:
    return [row["number"] for row in asyncio.run(fetch(dsn, "SELECT number FROM lamplighter_migrations ORDER BY 1"))]


def test_process_with_an_argument_that_nobody_knows_says_what_there_is() -> None:
    with running(*CORE, "migrat") as process:
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (2, "usage: python -m presence_core [migrate]\n")


# --- migrate


@pytest.mark.integration
def test_migrate_of_an_empty_database_makes_the_schema_and_ends(dsn: str) -> None:
    code, log = migrated(dsn)

    assert code == 0
    assert log[-1]["message"] == "the database is up to date"
    assert numbers(dsn) == list(range(1, LAST + 1))
    assert [row["shards"] for row in asyncio.run(fetch(dsn, "SELECT shards FROM cluster"))] == [64]


@pytest.mark.integration
def test_migrate_twice_at_once_and_once_more_makes_each_migration_once(dsn: str) -> None:
    environ = {"PRESENCE_CORE_POSTGRES_DSN": dsn}
    with running(*MIGRATE, **environ) as one, running(*MIGRATE, **environ) as other:
        logs = [process.communicate(timeout=60)[1] for process in (one, other)]

    again, log = migrated(dsn)

    applied = [line["number"] for text in logs for line in lines(text) if line["message"] == "migration applied"]
    assert (one.returncode, other.returncode, again) == (0, 0, 0)
    assert applied == list(range(1, LAST + 1))
    assert [line["message"] for line in log] == ["the database is up to date"]


@pytest.mark.integration
def test_migrate_of_a_database_with_another_number_of_shards_is_refused(dsn: str) -> None:
    migrated(dsn)

    code, log = migrated(dsn, PRESENCE_CORE_SHARDS="128")

    assert (code, log[-1]["reason"]) == (3, "this database was made for 64 shards, not 128")


def test_migrate_without_postgresql_waits_a_bounded_time_and_says_so() -> None:
    code, log = migrated(f"postgresql://nobody@127.0.0.1:{free_port()}/none", PRESENCE_CORE_MIGRATE_WAIT_SECONDS="1.2")

    assert code == 3
    assert [line["message"] for line in log] == ["waiting for PostgreSQL", "cannot start"]
    assert str(log[-1]["reason"]).startswith("PostgreSQL is not there: ")


@pytest.mark.integration
def test_migrate_by_a_user_who_may_not_says_so(dsn: str) -> None:
    asyncio.run(fetch(dsn, "DROP ROLE IF EXISTS weak"))
    asyncio.run(fetch(dsn, "CREATE ROLE weak LOGIN"))
    asyncio.run(fetch(dsn, "GRANT USAGE ON SCHEMA public TO weak"))

    code, log = migrated(dsn.replace("//lamplighter@", "//weak@"))

    assert code == 3
    assert "PostgreSQL refuses: permission denied" in str(log[-1]["reason"])


def test_migrate_that_waits_for_postgresql_ends_soon_by_a_signal() -> None:
    with (
        unreachable("silent") as port,
        running(*MIGRATE, PRESENCE_CORE_POSTGRES_DSN=f"postgresql://n@127.0.0.1:{port}/n") as job,
    ):
        assert eventually(lambda: _is_connected_to(job.pid, port))
        code, seconds, errors = ended(job)

    assert (code, seconds < END_SECONDS) == (1, True), errors
    assert lines(errors)[-1]["message"] == "stopping"


def _is_connected_to(pid: int, port: int) -> bool:
    return any(one.raddr and one.raddr.port == port for one in psutil.Process(pid).net_connections())


# --- the service


@pytest.mark.integration
def test_core_that_may_not_migrate_waits_for_the_job_and_then_serves(dsn: str, tmp_path: Path) -> None:
    with core(dsn, tmp_path, PRESENCE_CORE_MIGRATE="false") as (process, port):
        assert eventually(lambda: readiness(port) == (503, NOT_YET))
        time.sleep(1)
        before = readiness(port)
        code, _ = migrated(dsn)
        assert eventually(lambda: readiness(port) == (200, READY))
        _, _, errors = ended(process)

    assert (code, before) == (0, (503, NOT_YET))
    (waiting,) = [line for line in lines(errors) if line["message"] == "waiting for the database"]
    assert waiting["error"] == "the schema lacks the migrations [1, 2], which `python -m presence_core migrate` makes"
    assert process.returncode == 0


@pytest.mark.integration
def test_core_whose_nats_stands_still_before_it_has_joined_ends_soon(dsn: str, tmp_path: Path) -> None:
    with core_and_nats(dsn, tmp_path, PRESENCE_CORE_MIGRATE="false") as (process, port, server):
        assert eventually(lambda: readiness(port) == (503, NOT_YET))
        server.send_signal(signal.SIGSTOP)
        migrated(dsn)
        time.sleep(1)
        code, seconds, errors = ended(process)

    assert (code, seconds < 2 * END_SECONDS) == (0, True), errors


@pytest.mark.integration
def test_core_that_finds_the_schema_of_a_later_release_says_so_and_serves(dsn: str, tmp_path: Path) -> None:
    migrated(dsn)
    asyncio.run(fetch(dsn, "INSERT INTO lamplighter_migrations VALUES (9999, 0)"))

    with core(dsn, tmp_path) as (process, port):
        assert eventually(lambda: readiness(port) == (200, READY))
        _, _, errors = ended(process)

    assert process.returncode == 0
    (later,) = [line for line in lines(errors) if line["message"] == "the schema is that of a later release"]
    assert later["migrations"] == [9999]


@pytest.mark.integration
@pytest.mark.parametrize("kind", UNREACHABLE)
def test_core_that_waits_for_postgresql_is_not_ready_and_ends_soon(kind: str, tmp_path: Path) -> None:
    with unreachable(kind) as away, core(f"postgresql://n@127.0.0.1:{away}/n", tmp_path) as (process, port):
        assert eventually(lambda: readiness(port) == (503, NOT_YET))
        code, seconds, errors = ended(process)

    assert (code, seconds < END_SECONDS) == (0, True), errors


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_core_that_waits_for_nats_is_not_ready_and_ends_soon(kind: str) -> None:
    port = free_port()
    with unreachable(kind) as away:
        environ = {"PRESENCE_CORE_HTTP_PORT": str(port), "PRESENCE_CORE_NATS_URL": f"nats://127.0.0.1:{away}"}
        with running(*CORE, **environ) as process:
            assert eventually(lambda: readiness(port) == (503, NOT_YET | {"bus": False, "directory": False}))
            code, seconds, errors = ended(process)

    assert (code, seconds < END_SECONDS) == (0, True), errors


async def test_core_that_the_directory_has_not_shown_yet_is_not_ready() -> None:
    service = PresenceCore({"PRESENCE_CORE_INSTANCE": "core-1"})
    directory = SyncedDirectory()
    directory.view.cores = set()
    service.directory, service.core = directory, Served()  # type: ignore[assignment]  # fakes

    before = service.readiness()
    service.look_for_us()
    unseen = service.readiness()
    directory.view.cores.add("core-1")
    service.look_for_us()

    assert before["shards"] is unseen["shards"] is False
    assert service.readiness()["shards"] is True
