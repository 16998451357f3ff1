"""PostgreSQL: named queries, numbered migrations, a connection that is made again."""

import logging
import re
from collections.abc import Mapping
from importlib.resources import files

import asyncpg

logger = logging.getLogger(__name__)

CONNECTION_ERRORS = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)
"""What a query raises when the database is away, going or just coming, or when its connection broke in the middle."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION_LOCK = 5_060_3903
"""Key of the advisory lock under which one process at a time migrates."""


def load_queries(package: str, name: str = "queries.sql") -> Mapping[str, str]:
    """Return the queries of a package's SQL file by name."""
    parts = _NAME.split(files(package).joinpath(name).read_text())[1:]
    return dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))


def load_migrations(package: str) -> list[tuple[int, str]]:
    """Return the migrations of a package (`migrations/NNNN_what.sql`) with their numbers, in order."""
    folder = files(package).joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), folder.joinpath(name).read_text()) for name in names]


async def applied(connection: "asyncpg.Connection[asyncpg.Record]") -> set[int]:
    """Return the numbers of the migrations that the schema has had; none of a database that is new."""
    if not await connection.fetchval("SELECT to_regclass('lamplighter_migrations') IS NOT NULL"):
        return set()
    return {row["number"] for row in await connection.fetch("SELECT number FROM lamplighter_migrations")}


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]", migrations: list[tuple[int, str]]) -> int:
    """Bring the schema up to date, one process at a time; return how many migrations were applied."""
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS lamplighter_migrations (number int PRIMARY KEY, applied_at int NOT NULL)"
        )
        done = await applied(connection)
        todo = [(number, sql) for number, sql in migrations if number not in done]
        for number, sql in todo:
            await connection.execute(sql)
            await connection.execute(
                "INSERT INTO lamplighter_migrations VALUES ($1, extract(epoch from now())::int)", number
            )
            logger.info("migration applied", extra={"number": number})
    return len(todo)
