"""The store in PostgreSQL (design §4): one batch is one transaction, fenced by the epoch of each of its shards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import asyncpg

from lamplighter_proto.documents import USAGES, Dialect
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime.database import CONNECTION_ERRORS, applied, load_migrations, load_queries, migrate
from presence_core.domain.documents import XcapDocument
from presence_core.storage import rows
from presence_core.storage.locked import LockedPresentity, locked, read
from presence_core.store import Changes, Fenced, SchemaBehind, ShardRows, StoreAway, WrongCluster

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Executor = Connection | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

_PACKAGE = "presence_core.storage"
_MIGRATION_SECONDS = 600.0
"""How long the migrations together, or waiting for those of another core, may take."""
_CLOSE_SECONDS = 1.0
"""How long the server has to say goodbye."""
_AWAY = (
    *CONNECTION_ERRORS,
    TimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What passes by itself: also a full disk, too many connections, and a standby that is not promoted yet."""


async def _nothing(connection: Connection) -> None:
    """Leave a connection as it is: a transaction leaves nothing behind but its rows."""


class PostgresStore:
    """A Store over two connections, one that only saves and one for the rest, each made again when it breaks."""

    def __init__(
        self,
        dsn: str,
        *,
        timeout: float,
        dialect: Dialect = "opensips",
        connections: int = 8,
        migrate: bool = True,
    ) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._migrate = migrate
        self._usages = USAGES[dialect]
        self._sql = load_queries(_PACKAGE)
        self._connections: dict[str, Connection] = {}
        self._pool: Pool | None = None
        self._pool_size = connections
        self._saver: asyncpg.Record | None = None
        """Process and start of the backend that saves."""
        self._turns = {"save": asyncio.Lock(), "rest": asyncio.Lock()}

    @asynccontextmanager
    async def _connection(self, purpose: str) -> AsyncIterator[Connection]:
        """Give the connection of a purpose to one user at a time; turn a broken one into StoreAway."""
        async with self._turns[purpose]:
            try:
                yield await self._connected(purpose)
            except _AWAY as error:
                broken = self._connections.pop(purpose, None)
                if broken is not None:
                    broken.terminate()
                raise StoreAway(repr(error)) from error

    async def _connected(self, purpose: str) -> Connection:
        connection = self._connections.get(purpose)
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(self._dsn, timeout=self._timeout, command_timeout=self._timeout)
            self._connections[purpose] = connection
            if purpose == "save":
                await self._end_former(connection)
        return connection

    async def _end_former(self, connection: Connection) -> None:
        """End the backend that saved before this one: it may be slow, and write what has been saved anew since."""
        if self._saver and not await connection.fetchval(self._sql["end_backend"], *self._saver, self._timeout / 2):
            raise TimeoutError("the backend of the connection before does not end")
        self._saver = await connection.fetchrow(self._sql["get_backend"])

    async def open(self, shards: int) -> None:
        """Bring the schema up to date or raise SchemaBehind; raise WrongCluster for another number of shards.

        A schema with migrations of a later release is taken as it is: they only add (CONTRIBUTING.md).
        """
        known = load_migrations(_PACKAGE)
        async with self._connection("rest") as connection:
            done = await applied(connection)
            missing = {number for number, _ in known} - done
            if missing:
                await self._bring_up_to_date(known, missing)
            later = done - {number for number, _ in known}
            if later:
                logger.info("the schema is that of a later release", extra={"migrations": sorted(later)})
            await connection.execute(self._sql["set_shards"], shards)
            stored = await connection.fetchval(self._sql["get_shards"])
        if stored != shards:
            raise WrongCluster(f"this database was made for {stored} shards, not {shards}")

    async def _bring_up_to_date(self, known: list[tuple[int, str]], missing: set[int]) -> None:
        """Migrate on a connection of its own: a migration may take longer than any other query."""
        if not self._migrate:
            raise SchemaBehind(
                f"the schema lacks the migrations {sorted(missing)}, which `python -m presence_core migrate` makes"
            )
        connection = await asyncpg.connect(self._dsn, timeout=self._timeout, command_timeout=_MIGRATION_SECONDS)
        try:
            await migrate(connection, known)
        finally:
            connection.terminate()

    async def claim(self, epochs: Mapping[int, int], owner: str) -> dict[int, int]:
        """Make `owner` the writer of shards; return the epoch of each."""
        async with self._connection("rest") as connection:
            claimed = await connection.fetch(self._sql["claim"], list(epochs), list(epochs.values()), owner)
        return {row["shard"]: row["epoch"] for row in claimed}

    async def load(self, shards: list[int]) -> ShardRows:
        """Return all rows of the shards, publications oldest modified first."""
        async with self._connection("rest") as connection:
            await self._adopt(connection)
            return ShardRows(
                [rows.publication(row) for row in await connection.fetch(self._sql["load_publications"], shards)],
                [rows.subscription(row) for row in await connection.fetch(self._sql["load_subscriptions"], shards)],
                [rows.contact(row) for row in await connection.fetch(self._sql["load_contacts"], shards)],
                [rows.watcher(row) for row in await connection.fetch(self._sql["load_watchers"], shards)],
                [rows.ending(row) for row in await connection.fetch(self._sql["load_endings"], shards)],
            )

    async def load_documents(self, aors: Collection[str]) -> dict[str, tuple[XcapDocument, ...]]:
        """Return the XCAP documents of presentities, in the order of their URIs; () for one without any."""
        wanted = {rows.split_aor(aor): aor for aor in aors}
        found: dict[str, list[XcapDocument]] = {aor: [] for aor in aors}
        async with self._connection("rest") as connection:
            stored = await connection.fetch(self._sql["load_documents"], *rows.columns(wanted, 2))
        for row in stored:
            usage = self._usages.get(row["doc_type"])
            if usage is not None:
                found[wanted[row["username"], row["domain"]]].append(rows.document(row, usage))
        return {aor: tuple(documents) for aor, documents in found.items()}

    async def _adopt(self, connection: Connection) -> None:
        """Give the rows that another program brought (an import) to their shards."""
        strangers = await connection.fetch(self._sql["adopt_candidates"])
        watched = [row["presentity_uri"] for row in await connection.fetch(self._sql["adopt_watchers_candidates"])]
        if not strangers and not watched:
            return
        count = cast(int, await connection.fetchval(self._sql["get_shards"]))
        for row in strangers:
            shard = shard_of(rows.join_aor(row["username"], row["domain"]), count)
            await connection.execute(self._sql["adopt"], row["username"], row["domain"], shard)
        await connection.execute(self._sql["adopt_watchers"], watched, [shard_of(aor, count) for aor in watched])

    async def save(self, changes: Changes) -> None:
        """Save a batch in one transaction; raise Fenced when an epoch of it is not the newest."""
        async with self._connection("save") as connection:
            if not changes.rows():
                await self._check(connection, changes)
            elif changes.rows() == len(changes.publications):
                await self._save_publications(connection, changes)
            elif changes.rows() == len(changes.subscriptions):
                await self._save_subscriptions(connection, changes)
            else:
                async with connection.transaction():
                    await self._save_all(connection, changes)

    async def _save_all(self, connection: Executor, changes: Changes) -> None:
        await self._check(connection, changes)
        if changes.publications:
            await self._save_publications(connection, changes)
        if changes.subscriptions:
            await self._save_subscriptions(connection, changes)
        if changes.progress:
            progress = rows.columns(map(rows.progress_row, changes.progress.values()), 3)
            await connection.execute(self._sql["save_progress"], *progress)
        if changes.gone:
            await connection.execute(self._sql["delete_subscriptions"], list(changes.gone))
        if changes.contacts:
            contacts = rows.columns(map(rows.contact_row, changes.contacts.values()), 9)
            await connection.execute(self._sql["save_contacts"], *contacts)
        await self._save_watchers(connection, changes)
        await self._save_endings(connection, changes)

    async def _check(self, connection: Executor, changes: Changes) -> None:
        """Raise Fenced when an epoch of the batch is not the newest."""
        shards, epochs = list(changes.epochs), list(changes.epochs.values())
        if shards and await connection.fetchval(self._sql["held"], shards, epochs) != len(shards):
            raise Fenced

    async def _save_watchers(self, connection: Executor, changes: Changes) -> None:
        if changes.watchers:
            watchers = rows.columns(map(rows.watcher_row, changes.watchers.values()), 11)
            await connection.execute(self._sql["save_watchers"], *watchers)
        if changes.gone_watchers:
            gone = rows.columns(map(rows.watcher_key, changes.gone_watchers), 4)
            await connection.execute(self._sql["delete_watchers"], *gone)

    async def _save_endings(self, connection: Executor, changes: Changes) -> None:
        if changes.endings:
            endings = rows.columns(map(rows.ending_row, changes.endings.values()), 6)
            await connection.execute(self._sql["save_endings"], *endings)
        if changes.gone_endings:
            gone = rows.columns(map(rows.ending_key, changes.gone_endings), 4)
            await connection.execute(self._sql["delete_endings"], *gone)

    async def _save_publications(self, connection: Executor, changes: Changes) -> None:
        table = rows.columns(map(rows.publication_row, changes.publications.values()), 15)
        await self._fenced(connection, "save_publications", changes, table, len(changes.publications))

    async def _save_subscriptions(self, connection: Executor, changes: Changes) -> None:
        table = rows.columns(map(rows.subscription_row, changes.subscriptions.values()), 32)
        await self._fenced(connection, "save_subscriptions", changes, table, len(changes.subscriptions))

    async def _fenced(
        self, connection: Executor, name: str, changes: Changes, table: rows.Columns, expected: int
    ) -> None:
        """Run a statement that carries the fence; raise Fenced when it wrote fewer rows than it was given."""
        shards, epochs = list(changes.epochs), list(changes.epochs.values())
        status = await connection.execute(self._sql[name], shards, epochs, *table)
        if int(status.rpartition(" ")[2]) != expected:
            raise Fenced

    @asynccontextmanager
    async def presentity(self, aor: str, shard: int) -> AsyncIterator[LockedPresentity]:
        """Lock a presentity and read its rows; commit at the end what is saved in the block."""
        try:
            pool = await self._connections_pool()
            async with pool.acquire(timeout=self._timeout) as connection, locked(connection, aor):
                yield await read(connection, self._sql, aor, shard, self._usages, self._save_all)
        except _AWAY as error:
            raise StoreAway(repr(error)) from error

    async def _connections_pool(self) -> Pool:
        if self._pool is None:
            # Who stands still with a presentity locked loses it.
            milliseconds = int(self._timeout * 1000)
            patience = {
                "idle_in_transaction_session_timeout": f"{milliseconds}",
                "lock_timeout": f"{milliseconds * 4 // 5}",
            }
            self._pool = asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=self._pool_size,
                timeout=self._timeout,
                command_timeout=self._timeout,
                server_settings=patience,
                reset=_nothing,
            )
            await self._pool
        return self._pool

    async def watched(self, shards: list[int]) -> list[str]:
        """Return the presentities of shards about whose watchers something is stored."""
        async with self._connection("rest") as connection:
            await self._adopt(connection)
            return [row["presentity_uri"] for row in await connection.fetch(self._sql["watched"], shards)]

    async def clean_all(self, shards: list[int], before: int) -> int:
        """Delete publications and bindings of shards that ended before an epoch second, whoever owns them."""
        async with self._connection("rest") as connection:
            await self._adopt(connection)
            first = await connection.execute(self._sql["clean_all_publications"], shards, before)
            second = await connection.execute(self._sql["clean_all_contacts"], shards, before)
            await connection.execute(self._sql["clean_all_endings"], shards, before)
        return sum(int(status.rpartition(" ")[2]) for status in (first, second))

    async def clean(self, epochs: Mapping[int, int], before: int) -> int:
        """Delete publications and bindings of shards we own that ended before an epoch second."""
        async with self._connection("rest") as connection:
            shards, values = list(epochs), list(epochs.values())
            first = await connection.execute(self._sql["clean_publications"], shards, values, before)
            second = await connection.execute(self._sql["clean_contacts"], shards, values, before)
        return sum(int(status.rpartition(" ")[2]) for status in (first, second))

    async def close(self) -> None:
        """Give back the connections."""
        for connection in self._connections.values():
            try:
                await connection.close(timeout=_CLOSE_SECONDS)
            except (*CONNECTION_ERRORS, TimeoutError):
                connection.terminate()
        self._connections.clear()
        if self._pool is not None:
            self._pool.terminate()
