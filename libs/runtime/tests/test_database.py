"""Named queries and migrations, with a real PostgreSQL where there is one to migrate."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from lamplighter_runtime.database import CONNECTION_ERRORS, load_migrations, load_queries, migrate

from .servers import Database, eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PACKAGE = "sample_of_sql"
QUERIES = """\
-- Who reads this text knows it is no query.

-- name: first
SELECT 1
-- a remark
WHERE true;

-- name: second_one
SELECT 2;
"""
MIGRATIONS = {
    "0010_last.sql": "INSERT INTO steps (name) VALUES ('last'); ALTER TABLE steps ADD late int;",
    "0001_first.sql": "CREATE TABLE steps (at serial, name text); INSERT INTO steps (name) VALUES ('first');",
    "0002_second.sql": "INSERT INTO steps (name) VALUES ('second');",
    "README.md": "no migration",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with queries and migrations that can be imported."""
    folder = tmp_path / PACKAGE
    (folder / "migrations").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "queries.sql").write_text(QUERIES)
    (folder / "other.sql").write_text("-- name: third\nSELECT 3;\n")
    for name, sql in MIGRATIONS.items():
        (folder / "migrations" / name).write_text(sql)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop(PACKAGE, None)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the cluster, which is made once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def database(data_folder: Path) -> AsyncIterator[Database]:
    """A running server whose database is empty."""
    database = Database(data_folder)
    await database.start()
    async with connected(database) as connection:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield database
    await database.stop()


@asynccontextmanager
async def connected(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def steps(connection: Connection) -> list[str]:
    return [row["name"] for row in await connection.fetch("SELECT name FROM steps ORDER BY at")]


async def applied(connection: Connection) -> list[int]:
    return [row["number"] for row in await connection.fetch("SELECT number FROM lamplighter_migrations ORDER BY 1")]


@pytest.mark.usefixtures("package")
def test_queries_are_found_by_name_without_what_stands_before_them() -> None:
    queries = load_queries(PACKAGE)

    assert queries == {"first": "SELECT 1\n-- a remark\nWHERE true;", "second_one": "SELECT 2;"}
    assert load_queries(PACKAGE, "other.sql") == {"third": "SELECT 3;"}


def test_migrations_come_in_the_order_of_their_numbers(package: Path) -> None:
    for number in (17, 13, 19, 11, 16, 12, 18, 14, 15):
        (package / "migrations" / f"{number:04}_more.sql").touch()

    migrations = load_migrations(PACKAGE)

    assert [number for number, _ in migrations] == [1, 2, *range(10, 20)]
    assert migrations[1][1] == MIGRATIONS["0002_second.sql"]


@pytest.mark.integration
@pytest.mark.usefixtures("package")
async def test_migrate_applies_each_migration_once_and_in_order(database: Database) -> None:
    migrations = load_migrations(PACKAGE)

    async with connected(database) as connection:
        counts = [await migrate(connection, migrations[:2])]
        counts += [await migrate(connection, migrations), await migrate(connection, migrations)]

        assert counts == [2, 1, 0]
        assert await steps(connection) == ["first", "second", "last"]
        assert await applied(connection) == [1, 2, 10]


@pytest.mark.integration
@pytest.mark.usefixtures("package")
async def test_migrate_by_two_at_the_same_time_applies_each_once(database: Database) -> None:
    migrations = load_migrations(PACKAGE)

    async with connected(database) as first, connected(database) as second:
        counts = await asyncio.gather(migrate(first, migrations), migrate(second, migrations))

        assert sorted(counts) == [0, 3]
        assert await steps(first) == ["first", "second", "last"]


@pytest.mark.integration
@pytest.mark.usefixtures("package")
async def test_migration_that_fails_leaves_nothing_behind(database: Database) -> None:
    migrations = load_migrations(PACKAGE)

    async with connected(database) as connection:
        with pytest.raises(asyncpg.UndefinedTableError):
            await migrate(connection, [*migrations, (11, "INSERT INTO nowhere VALUES (1)")])
        left = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

        assert left == 0
        assert await migrate(connection, migrations) == 3


@pytest.mark.integration
async def test_killed_server_raises_what_callers_expect_of_an_absent_one(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn, timeout=10)

    await database.end()
    await eventually(connection.is_closed)
    with pytest.raises(CONNECTION_ERRORS):
        await connection.fetchval("SELECT 1")
    with pytest.raises(CONNECTION_ERRORS):
        await asyncpg.connect(database.dsn, timeout=10)
