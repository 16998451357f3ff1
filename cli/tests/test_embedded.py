"""The embedded servers for real: started, killed, stopped, started again, as root and as an ordinary user."""

import asyncio
import json
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import asyncpg
import pytest
from nats.aio.client import Client
from rich.console import Console

from lamplighter_cli.data import Status
from lamplighter_cli.embedded import postgres as embedded
from lamplighter_cli.embedded.nats import Nats
from lamplighter_cli.embedded.polling import until
from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.errors import StartFailed
from lamplighter_cli.logs import Screen
from lamplighter_cli.supervisor import Supervisor

pytestmark = pytest.mark.integration
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as somebody else")


class Kept:
    """A supervisor whose output is kept."""

    def __init__(self, folder: Path) -> None:
        self.status = folder / "status.json"
        self.output = StringIO()
        self.supervisor = Supervisor(Screen(Console(file=self.output, width=200)), Status(self.status))

    def pid(self, name: str) -> int | None:
        pids: dict[str, int] = json.loads(self.status.read_text()) if self.status.exists() else {}
        return pids.get(name)

    async def kill(self, name: str) -> None:
        """Kill a process and wait until another has taken its place."""
        before = self.pid(name)
        assert before
        os.kill(before, 9)

        async def is_back() -> bool:
            return self.pid(name) not in (before, None)

        async with asyncio.timeout(10):
            await until(is_back)


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[Kept]:
    one = Kept(folder)
    try:
        yield one
    finally:
        await one.supervisor.stop()


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder below one that is closed to others, as pytest's are."""
    folder = tmp_path_factory.mktemp("data") / "d"
    folder.mkdir()
    yield folder
    Postgres(folder).remove_sockets()
    shutil.rmtree(folder, ignore_errors=True)


def mode(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def temporary_folder(mode: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="lamplighter-test-"))
    folder.chmod(mode)
    return folder


def owner(path: Path) -> int:
    return path.stat().st_uid


async def fetch(postgres: Postgres, sql: str) -> object:
    connection = await asyncpg.connect(postgres.dsn, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def started(postgres: Postgres, one: Kept) -> None:
    await postgres.prepare()
    one.supervisor.start(postgres.spec)
    async with asyncio.timeout(30):
        await postgres.ready()


async def test_postgres_killed_comes_back_with_what_was_committed(short: Path) -> None:
    postgres = Postgres(short)
    async with kept(short) as one:
        await started(postgres, one)
        await fetch(postgres, "CREATE TABLE t AS SELECT 42 AS x")

        await one.kill("postgres")
        async with asyncio.timeout(10):
            await postgres.ready()

        assert await fetch(postgres, "SELECT x FROM t") == 42
    assert one.pid("postgres") is None
    assert "postgres ended signal=9 restart_in=0.1" in one.output.getvalue()


async def test_postgres_stopped_starts_again_on_its_folder(short: Path) -> None:
    for step in range(2):
        postgres = Postgres(short)
        async with kept(short) as one:
            await started(postgres, one)
            if step == 0:
                await fetch(postgres, "CREATE TABLE t AS SELECT 42 AS x")
            assert await fetch(postgres, "SELECT x FROM t") == 42
        assert not (short / "postgres" / "postmaster.pid").exists()


async def test_postgres_commits_to_disk_and_listens_to_nobody_else(short: Path) -> None:
    postgres = Postgres(short)
    async with kept(short) as one:
        await started(postgres, one)

        shown = {name: await fetch(postgres, f"SHOW {name}") for name in ("fsync", "synchronous_commit")}
        addresses = await fetch(postgres, "SHOW listen_addresses")
        encoding = await fetch(postgres, "SHOW server_encoding")
        sockets = Path(str(await fetch(postgres, "SHOW unix_socket_directories")))

        assert (shown, addresses, encoding) == ({"fsync": "on", "synchronous_commit": "on"}, "", "UTF8")
        assert mode(sockets) == 0o700
    postgres.remove_sockets()
    assert mode(sockets) is None


async def test_postgres_folder_of_another_version_is_refused(short: Path) -> None:
    (short / "postgres").mkdir()
    (short / "postgres" / "PG_VERSION").write_text("16\n")

    with pytest.raises(StartFailed, match="belongs to PostgreSQL 16, this version brings 18"):
        await Postgres(short).prepare()


async def test_postgres_after_a_half_made_folder_makes_it_anew(short: Path) -> None:
    (short / "postgres.new").mkdir()
    (short / "postgres.new" / "base").touch()

    await Postgres(short).prepare()

    assert (short / "postgres" / "PG_VERSION").read_text() == "18\n"
    assert not (short / "postgres.new").exists()


@as_root
async def test_postgres_of_root_runs_as_somebody_else_and_opens_no_folder(short: Path) -> None:
    modes = {folder: mode(folder) for folder in (short, *short.parents)}
    postgres = Postgres(short)

    async with kept(short) as one:
        await started(postgres, one)
        assert owner(Path(f"/proc/{one.pid('postgres')}")) != 0

    assert {folder: mode(folder) for folder in (short, *short.parents)} == modes


@pytest.fixture
def hidden_programs(short: Path) -> Path:
    """The programs in a folder that only root may enter, like a virtual environment in its home."""
    programs = embedded.installation()
    package = short / "hidden" / programs.parent.name
    shutil.copytree(programs, package / programs.name, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = f"{package.name}.libs"
    shutil.copytree(programs.parent.with_name(libraries), package.with_name(libraries))
    package.parent.chmod(0o700)
    return package / programs.name


@as_root
@pytest.mark.parametrize("is_open", [True, False])
async def test_postgres_whose_programs_are_out_of_reach_runs_from_a_copy(
    hidden_programs: Path, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    monkeypatch.setattr(embedded, "installation", lambda: hidden_programs)
    folder = temporary_folder(0o755 if is_open else 0o700)
    postgres = Postgres(folder)

    try:
        async with kept(folder) as one:
            await started(postgres, one)

            assert await fetch(postgres, "SELECT 1") == 1
        place = folder if is_open else Path("/tmp")
        copies = list(place.glob(f"lamplighter-postgres-{embedded.build(hidden_programs)}"))
        assert len(copies) == 1
        shutil.rmtree(copies[0])
    finally:
        postgres.remove_sockets()
        shutil.rmtree(folder)


async def test_postgres_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "socket"
    folder.mkdir()
    folder.chmod(0o755)

    with pytest.raises(StartFailed, match="not a private folder"):
        embedded.make_private(folder, os.geteuid())


def test_postgres_socket_folder_is_always_short(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)

    assert embedded.socket_folder(Path("/var/lib/lamplighter"), is_open=True) == Path("/var/lib/lamplighter/socket")
    assert len(str(embedded.socket_folder(deep, is_open=True))) < 80
    assert embedded.socket_folder(Path("/closed"), is_open=False).parent == Path("/tmp")


async def connected(nats: Nats) -> Client:
    client = Client()
    await client.connect(nats.url, allow_reconnect=False, connect_timeout=5)
    return client


async def test_nats_killed_comes_back_on_its_port_with_its_buckets(short: Path) -> None:
    nats = Nats(short)
    nats.prepare()
    async with kept(short) as one:
        one.supervisor.start(nats.spec)
        async with asyncio.timeout(10):
            await nats.ready()
        client = await connected(nats)
        bucket = await client.jetstream().create_key_value(bucket="b")
        await bucket.put("k", b"v")
        await client.close()

        await one.kill("nats")
        async with asyncio.timeout(10):
            await nats.ready()

        client = await connected(nats)
        entry = await (await client.jetstream().key_value("b")).get("k")
        assert entry.value == b"v"
        await client.close()


async def test_nats_refuses_who_does_not_know_the_token(short: Path) -> None:
    nats = Nats(short)
    nats.prepare()
    async with kept(short) as one:
        one.supervisor.start(nats.spec)
        async with asyncio.timeout(10):
            await nats.ready()

        client = Client()
        with pytest.raises(Exception, match="Authorization"):
            await client.connect(nats.url.replace("//t", "//x"), allow_reconnect=False, max_reconnect_attempts=0)
        await client.close()
    assert mode(short / "nats" / "nats.conf") == 0o600
