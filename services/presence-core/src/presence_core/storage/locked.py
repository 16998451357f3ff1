"""A presentity locked in a transaction of PostgreSQL, and read (store=database)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import asyncpg

from presence_core.domain.documents import XcapDocument
from presence_core.storage import rows
from presence_core.store import Changes, Contended, ShardRows

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Save = Callable[[Connection, Changes], Awaitable[None]]


@dataclass(slots=True)
class LockedPresentity:
    """Its rows, and the way to change them in the transaction."""

    rows: ShardRows
    documents: tuple[XcapDocument, ...]
    _connection: Connection
    _save: Save

    async def save(self, changes: Changes) -> None:
        """Add changes to the transaction."""
        await self._save(self._connection, changes)


@asynccontextmanager
async def locked(connection: Connection, aor: str) -> AsyncIterator[None]:
    """Hold the lock of a presentity for one transaction; begin and lock are one message.

    Raises Contended when another has it for too long.
    """
    try:
        await connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_key(aor)})")
        yield
    except asyncpg.LockNotAvailableError as error:
        await _end(connection, "ROLLBACK")
        raise Contended(aor) from error
    except BaseException:
        await _end(connection, "ROLLBACK")
        raise
    await _end(connection, "COMMIT")


async def _end(connection: Connection, how: str) -> None:
    """End a transaction; a connection of which the end is not known serves nobody else."""
    try:
        await connection.execute(how)
    except BaseException:
        connection.terminate()
        raise


async def read(
    connection: Connection, sql: Mapping[str, str], aor: str, shard: int, usages: Mapping[int, str], save: Save
) -> LockedPresentity:
    """Read a presentity that is locked, with its XCAP documents of some usages."""
    row = await connection.fetchrow(sql["presentity"], aor, *rows.split_aor(aor), list(usages))
    assert row is not None, "a query without FROM has one row"
    stored = ShardRows(
        [rows.publication(one) for one in _of(row["publications"], shard)],
        [rows.subscription(one) for one in _of(row["subscriptions"], shard)],
        [rows.contact(one) for one in _of(row["contacts"], shard)],
        [rows.watcher(one) for one in _of(row["watchers"], shard)],
        [rows.ending(one) for one in _of(row["endings"], shard)],
    )
    documents = [rows.document(one, usages[one["doc_type"]]) for one in row["documents"] or ()]
    return LockedPresentity(stored, tuple(documents), connection, save)


def _of(found: list[rows.Row] | None, shard: int) -> list[rows.Row]:
    """Return rows of whatever shard they say they are."""
    return [{**one, "shard": shard} for one in found or ()]


def _key(aor: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(blake2b(aor.encode(), digest_size=8).digest(), "big", signed=True)
