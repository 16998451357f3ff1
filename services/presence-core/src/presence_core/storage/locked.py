"""A presentity locked in a transaction of PostgreSQL, and read (store=database)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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


async def lock(
    connection: Connection, sql: Mapping[str, str], aor: str, shard: int, usages: Mapping[int, str], save: Save
) -> LockedPresentity:
    """Wait for the lock of a presentity, and read it."""
    await connection.execute(sql["lock"], _key(aor))
    user = rows.split_aor(aor)
    stored = ShardRows(
        [rows.publication(row) for row in await connection.fetch(sql["publications_of"], *user, shard)],
        [rows.subscription(row) for row in await connection.fetch(sql["subscriptions_of"], aor, shard)],
        [rows.contact(row) for row in await connection.fetch(sql["contacts_of"], *user, shard)],
        [rows.watcher(row) for row in await connection.fetch(sql["watchers_of"], aor, shard)],
        [rows.ending(row) for row in await connection.fetch(sql["endings_of"], *user, shard)],
    )
    found = await connection.fetch(sql["load_documents"], [user[0]], [user[1]])
    documents = [rows.document(row, usages[row["doc_type"]]) for row in found if row["doc_type"] in usages]
    return LockedPresentity(stored, tuple(documents), connection, save)


def _key(aor: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(blake2b(aor.encode(), digest_size=8).digest(), "big", signed=True)
