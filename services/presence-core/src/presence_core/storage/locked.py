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
from presence_core.store import Changes, ShardRows

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
    """Hold the lock of a presentity for one transaction; begin and lock are one message."""
    await connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_key(aor)})")
    try:
        yield
    except BaseException:
        await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


async def read(
    connection: Connection, sql: Mapping[str, str], aor: str, shard: int, usages: Mapping[int, str] | None, save: Save
) -> LockedPresentity:
    """Read a presentity that is locked; its XCAP documents where somebody wants them (`usages`)."""
    user = rows.split_aor(aor)
    row = await connection.fetchrow(sql["presentity"], aor, *user)
    assert row is not None, "a query without FROM has one row"
    found = await connection.fetch(sql["load_documents"], [user[0]], [user[1]]) if usages else []
    stored = ShardRows(
        [rows.publication(one) for one in _of(row["publications"], shard)],
        [rows.subscription(one) for one in _of(row["subscriptions"], shard)],
        [rows.contact(one) for one in _of(row["contacts"], shard)],
        [rows.watcher(one) for one in _of(row["watchers"], shard)],
        [rows.ending(one) for one in _of(row["endings"], shard)],
    )
    documents = [
        rows.document(one, (usages or {})[one["doc_type"]]) for one in found if one["doc_type"] in (usages or {})
    ]
    return LockedPresentity(stored, tuple(documents), connection, save)


def _of(found: list[rows.Row] | None, shard: int) -> list[rows.Row]:
    """Return rows of whatever shard they say they are."""
    return [{**one, "shard": shard} for one in found or ()]


def _key(aor: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(blake2b(aor.encode(), digest_size=8).digest(), "big", signed=True)
