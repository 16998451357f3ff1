"""A core that is played, the tables, and a service within the test's loop: for tests alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from lamplighter_proto import FrameCodec, Hint, Refresh, Refreshed, Wanted, subjects
from lamplighter_proto.ownership import Member, ShardTable
from lamplighter_runtime import lifecycle
from lamplighter_runtime.database import migrate
from lamplighter_runtime.membership import Directory, claimed
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from xcap_sync.service import XcapSync
from xcap_sync.settings import Settings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

DEADLINE_SECONDS = 20.0
SHARDS = 4


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; TimeoutError after a while."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110  # any condition at all
            await asyncio.sleep(0.02)


class Database:
    """The tables as cores make them, and rows as an XCAP server writes them."""

    def __init__(self, connection: Connection, migrations: list[tuple[int, str]]) -> None:
        self._connection = connection
        self._migrations = migrations

    async def migrate(self) -> None:
        """Make the tables."""
        await migrate(self._connection, self._migrations)

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        await self._connection.execute(sql, *values)

    async def write(self, username: str, doc: bytes, *, domain: str = "example.com", doc_type: int = 2) -> None:
        """Write a document as an integrated XCAP server does."""
        await self._connection.execute(
            "INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port)"
            " VALUES ($1, $2, $3, $4, 'e', 0, 'index.xml', 0)"
            " ON CONFLICT (username, domain, doc_type, doc_uri) DO UPDATE SET doc = excluded.doc",
            username,
            domain,
            doc,
            doc_type,
        )

    async def rows(self) -> list[tuple[str, int, bytes]]:
        """Return user, doc_type and document of everything in the table."""
        rows = await self._connection.fetch("SELECT * FROM xcap ORDER BY username, doc_type, doc_uri")
        return [(row["username"], row["doc_type"], row["doc"]) for row in rows]

    async def fetch(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        return [tuple(row.values()) for row in await self._connection.fetch(sql)]


class Core:
    """A core as xcap-sync sees it: owns all shards, confirms refreshes, wants documents."""

    def __init__(self, name: str, bus: NatsBus) -> None:
        self.name = name
        self.refreshes: list[Refresh] = []
        self.deaf = 0
        """So many refreshes are lost."""
        self._bus = bus
        self.directory = Directory(bus.nc, lease_seconds=2.0)

    async def start(self) -> None:
        """Join the cluster."""
        await self.directory.start()
        await self._bus.subscribe(subjects.core_refreshes(self.name), FrameCodec[Refresh](Refresh), self._on_refreshes)
        await self.directory.announce(Member(service="presence-core", instance=self.name))

    async def claim(self) -> None:
        """Become the owner of all shards."""

        def all_shards(table: ShardTable) -> ShardTable:
            for shard in range(SHARDS):
                table = claimed(table, shard, self.name)
            return table

        await self.directory.change_table(all_shards, SHARDS)

    async def replica(self, instance: str) -> Directory:
        """Announce an xcap-sync that does nothing; closing what is returned ends it."""
        directory = Directory(self._bus.nc, lease_seconds=2.0)
        await directory.start()
        await directory.announce(Member(service="xcap-sync", instance=instance))
        return directory

    def _on_refreshes(self, messages: list[Refresh]) -> None:
        for message in messages:
            if self.deaf:
                self.deaf -= 1
                continue
            self.refreshes.append(message)
            self._bus.send(subjects.xcap_replies(message.xcap_sync), Refreshed(id=message.id))

    def presentities(self) -> list[str]:
        """Return of whom word came, in order; "" stands for all."""
        return [refresh.presentity for refresh in self.refreshes]

    def wants(self, presentity: str) -> None:
        """Say that documents are wanted."""
        self._bus.send(subjects.XCAP, Wanted(presentity=presentity))

    def hints(self, presentity: str, *selectors: str) -> None:
        """Say that documents may have changed."""
        self._bus.send(subjects.XCAP, Hint(presentity=presentity, selectors=selectors))

    async def told(self, presentity: str) -> None:
        """Wait for word of a presentity, and forget all words until now."""
        await until(lambda: presentity in self.presentities())
        self.refreshes.clear()


@asynccontextmanager
async def new_core(nats_url: str, name: str = "core-1") -> AsyncIterator[Core]:
    """Join a core for as long as the block runs."""
    bus = await NatsBus.connect(nats_url, name=name, service="core", metrics=Registry())
    core = Core(name, bus)
    await core.start()
    yield core
    await core.directory.close()
    await bus.close()


class Service:
    """An xcap-sync that runs within this loop."""

    def __init__(self, settings: Settings) -> None:
        self.service = XcapSync(settings)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(lifecycle.serve(self.service, self.stop))

    @property
    def url(self) -> str:
        """Return the base URL of its HTTP endpoint, known after the first turn of the loop."""
        url: str = self.service.app.state.http_url
        return url

    def ready(self) -> bool:
        """Return whether all checks pass."""
        return all(self.service.readiness().values())

    def value(self, name: str, **labels: str) -> float:
        """Return a metric without its prefix."""
        return self.service.metrics.value(f"presence_xcap_sync_{name}", labels or None)

    async def ended(self) -> int:
        """Stop it and return its exit code."""
        self.stop.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.task


async def begun(service: Service, core: Core) -> Service:
    """Wait until a service serves and has said that it began; return it."""
    await core.told("")
    await until(service.ready)
    return service


Start = Callable[..., Service]
