"""The table `xcap` as XCAP servers write it: OpenXCAP, and Kamailio's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import asyncpg

PRES_RULES = 2
PIDF_MANIPULATION = 16
DIALOG_RULES = 128
"""OpenXCAP's own."""
_AUIDS = {PRES_RULES: "pres-rules", PIDF_MANIPULATION: "pidf-manipulation"}

Server = Literal["openxcap", "kamailio"]


class XcapTable:
    """Documents of users. A server removes its row and writes another one, or updates it: both are done here."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", server: Server) -> None:
        self._connection = connection
        self._server = server
        self._count = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, server: Server = "openxcap") -> AsyncIterator["XcapTable"]:
        """Return the table of a database as long as the block runs."""
        connection = await asyncpg.connect(dsn)
        try:
            yield cls(connection, server)
        finally:
            await connection.close()

    async def put(self, aor: str, body: bytes, doc_type: int = PRES_RULES) -> None:
        """Store a document of a user, or replace it."""
        username, domain = _parts(aor)
        self._count += 1
        await self._connection.execute(
            "INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port) "
            "VALUES ($1, $2, $3, $4, $5, 0, $6, 0) "
            "ON CONFLICT (username, domain, doc_type, doc_uri) DO UPDATE SET doc = excluded.doc, etag = excluded.etag",
            username,
            domain,
            body,
            doc_type,
            f"etag-{self._count}",
            self._doc_uri(aor, doc_type),
        )

    async def remove(self, aor: str, doc_type: int = PRES_RULES) -> None:
        """Remove a document of a user."""
        await self._connection.execute(
            "DELETE FROM xcap WHERE (username, domain) = ($1, $2) AND doc_type = $3", *_parts(aor), doc_type
        )

    def _doc_uri(self, aor: str, doc_type: int) -> str:
        if self._server == "openxcap":
            return "index.xml"
        return f"/xcap-root/{_AUIDS[doc_type]}/users/{aor}/index"

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """Have the table tell nobody of changes as long as the block runs."""
        await self._connection.execute("ALTER TABLE xcap DISABLE TRIGGER ALL")
        try:
            yield
        finally:
            await self._connection.execute("ALTER TABLE xcap ENABLE TRIGGER ALL")

    async def fetch(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        return [tuple(row) for row in await self._connection.fetch(query, *values)]


def _parts(aor: str) -> tuple[str, str]:
    username, _, domain = aor.removeprefix("sip:").partition("@")
    return username, domain
