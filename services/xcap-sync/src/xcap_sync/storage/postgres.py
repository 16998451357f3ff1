"""The store in PostgreSQL: a few connections, each made again when it breaks. It never migrates: cores do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import asyncpg

from lamplighter_runtime.database import CONNECTION_ERRORS, load_queries
from xcap_sync.domain.addresses import Place, User
from xcap_sync.store import Document, Key, StoreAway

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Proxy = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_PACKAGE = "xcap_sync.storage"
_AWAY = (
    *CONNECTION_ERRORS,
    TimeoutError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.TooManyConnectionsError,
)


class PostgresStore:
    """A Store over a pool of connections."""

    def __init__(self, dsn: str, *, timeout: float, connections: int = 4) -> None:
        self._sql = load_queries(_PACKAGE)
        self._timeout = timeout
        self._dsn = dsn
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Proxy]:
        try:
            if self._pool is None:
                self._pool = asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._connections,
                    timeout=self._timeout,
                    command_timeout=self._timeout,
                )
                await self._pool
            async with self._pool.acquire(timeout=self._timeout) as connection:
                yield connection
        except _AWAY as error:
            raise StoreAway(repr(error)) from error

    async def ready(self) -> bool:
        """Return whether the tables are there."""
        async with self._connection() as connection:
            return cast(bool, await connection.fetchval(self._sql["ready"]))

    async def want(self, user: User, wanted: int) -> None:
        """Keep that a user's documents were wanted at an epoch second."""
        async with self._connection() as connection:
            await connection.execute(self._sql["want"], user.username, user.domain, wanted)

    async def wanted(self, limit: int) -> Mapping[User, int]:
        """Return the users that were wanted last, with the epoch second."""
        async with self._connection() as connection:
            rows = await connection.fetch(self._sql["wanted"], limit)
        return {User(username=row["username"], domain=row["domain"]): row["wanted"] for row in rows}

    async def forget(self, before: int) -> int:
        """Drop users not wanted since an epoch second, and what was fetched for them; return how many users."""
        async with self._connection() as connection:
            return cast(int, await connection.fetchval(self._sql["forget"], before))

    async def documents(self, user: User) -> Mapping[Key, Document]:
        """Return what was fetched for a user."""
        async with self._connection() as connection:
            rows = await connection.fetch(self._sql["documents"], user.username, user.domain)
        return {(row["doc_uri"], row["doc_type"]): Document(body=row["doc"], etag=row["etag"]) for row in rows}

    async def put(self, place: Place, document: Document, before: Document | None) -> bool:
        """Write a document in the place of `before`; False when another one is there by now."""
        values = (*_key(place), place.root.port, document.body, document.etag)
        async with self._connection() as connection:
            if before is None:
                return await connection.fetchval(self._sql["insert"], *values) is not None
            return await connection.fetchval(self._sql["update"], *values, before.etag, before.body) is not None

    async def remove(self, place: Place, before: Document) -> bool:
        """Remove a document if it is still `before`."""
        async with self._connection() as connection:
            return await connection.fetchval(self._sql["remove"], *_key(place), before.etag) is not None

    async def drop(self, user: User, keys: Collection[Key]) -> None:
        """Remove documents of a user from places that are no more."""
        uris, types = [uri for uri, _ in keys], [number for _, number in keys]
        async with self._connection() as connection:
            await connection.execute(self._sql["drop"], user.username, user.domain, uris, types)

    async def find(self, doc_uri: str, port: int) -> User | None:
        """Return whose fetched document is stored under a URI and a port."""
        async with self._connection() as connection:
            row = await connection.fetchrow(self._sql["find"], doc_uri, port)
        return User(username=row["username"], domain=row["domain"]) if row else None

    async def close(self) -> None:
        """Close all connections, waiting for nobody."""
        if self._pool is not None:
            self._pool.terminate()


def _key(place: Place) -> tuple[str, str, int, str]:
    return place.user.username, place.user.domain, place.usage.doc_type, place.uri
