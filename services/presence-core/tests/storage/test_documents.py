"""The table `xcap` as XCAP servers and xcap-sync fill it: what is read of it, and the word of a change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from lamplighter_proto.documents import (
    DIALOG_RULES,
    OMA_PRES_RULES,
    PIDF_MANIPULATION,
    PRES_RULES,
    RESOURCE_LISTS,
    RLS_SERVICES,
    Dialect,
)
from presence_core.domain.documents import XcapDocument
from presence_core.storage.memory import MemoryStore
from presence_core.storage.postgres import PostgresStore

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

ALICE = "sip:alice@example.com"
INSERT = """
    INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port)
    VALUES ($1, $2, $3, $4, 'e1', 0, $5, 0)
"""


@pytest.fixture
async def connection(dsn: str, postgres_store: PostgresStore) -> AsyncIterator[Connection]:
    """Return the connection of another program to the database of the store."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def insert(
    connection: Connection,
    doc_type: int = 2,
    uri: str = "index.xml",
    *,
    username: str = "alice",
    domain: str = "example.com",
    body: bytes = b"<ruleset/>",
) -> None:
    await connection.execute(INSERT, username, domain, body, doc_type, uri)


def document(usage: str = PRES_RULES, uri: str = "index.xml", body: bytes = b"<ruleset/>") -> XcapDocument:
    return XcapDocument(usage=usage, uri=uri, etag="e1", body=body)


async def test_documents_in_memory_are_in_the_order_of_their_uris(memory_store: MemoryStore) -> None:
    memory_store.documents[ALICE] = (document(uri="b"), document(uri="a"))

    loaded = await memory_store.load_documents([ALICE, "sip:bob@example.com"])

    assert loaded == {ALICE: (document(uri="a"), document(uri="b")), "sip:bob@example.com": ()}


async def test_documents_in_the_database_are_in_the_order_of_their_uris(
    postgres_store: PostgresStore, connection: Connection
) -> None:
    await insert(connection, uri="b", body=b"\x00\xff")
    await insert(connection, uri="a")
    await insert(connection, uri="B")

    loaded = await postgres_store.load_documents([ALICE, "sip:bob@example.com"])

    assert loaded == {
        ALICE: (document(uri="B"), document(uri="a"), document(uri="b", body=b"\x00\xff")),
        "sip:bob@example.com": (),
    }


async def test_documents_of_nobody_are_none(postgres_store: PostgresStore) -> None:
    assert await postgres_store.load_documents([]) == {}


@pytest.mark.parametrize(
    ("aor", "username", "domain"),
    [
        (ALICE, "alice", "Example.COM"),
        ("sip:alice@[2001:db8::1]", "alice", "[2001:DB8::1]"),
        ("tel:+15551234", "+15551234", ""),
        ("sip:example.com", "", "example.com"),
    ],
)
async def test_document_is_found_by_the_names_of_its_owner(
    postgres_store: PostgresStore, connection: Connection, aor: str, username: str, domain: str
) -> None:
    await insert(connection, username=username, domain=domain)

    loaded = await postgres_store.load_documents([aor])

    assert loaded == {aor: (document(),)}


async def test_documents_of_others_are_not_loaded(postgres_store: PostgresStore, connection: Connection) -> None:
    await insert(connection, username="Alice")
    await insert(connection, username="alice", domain="example.org")
    await insert(connection, username="bob")

    loaded = await postgres_store.load_documents([ALICE, "sip:bob@example.com"])

    assert loaded == {ALICE: (), "sip:bob@example.com": (document(),)}


@pytest.mark.parametrize(
    ("dialect", "special"),
    [
        ("opensips", {32: OMA_PRES_RULES}),
        ("kamailio", {}),
        ("openxcap", {32: OMA_PRES_RULES, 128: DIALOG_RULES}),
    ],
)
async def test_usages_are_those_of_the_dialect_and_unknown_numbers_left_out(
    dsn: str, connection: Connection, dialect: Dialect, special: dict[int, str]
) -> None:
    store = PostgresStore(dsn, timeout=5.0, dialect=dialect)
    for number in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
        await insert(connection, number, f"{number:03}")

    loaded = await store.load_documents([ALICE])

    usages = {2: PRES_RULES, 4: RESOURCE_LISTS, 8: RLS_SERVICES, 16: PIDF_MANIPULATION} | special
    assert {int(one.uri): one.usage for one in loaded[ALICE]} == usages
    await store.close()


class Listener:
    """What PostgreSQL tells of the table `xcap`; of what comes before a mark nothing is left when the mark has come."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._told: list[tuple[str, str, int]] = []
        self._marked = asyncio.Event()

    async def start(self) -> None:
        await self._connection.add_listener("xcap", self._on_notification)
        await self._connection.add_listener("mark", self._on_notification)

    def _on_notification(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        if channel == "mark":
            self._marked.set()
            return
        told = json.loads(str(payload))
        assert set(told) == {"username", "domain", "doc_type"}
        self._told.append((told["username"], told["domain"], told["doc_type"]))

    async def told(self) -> list[tuple[str, str, int]]:
        self._marked.clear()
        await self._connection.execute("NOTIFY mark")
        await self._marked.wait()
        told, self._told = self._told, []
        return told


@pytest.fixture
async def listener(dsn: str, postgres_store: PostgresStore) -> AsyncIterator[Listener]:
    connection = await asyncpg.connect(dsn)
    listener = Listener(connection)
    await listener.start()
    yield listener
    await connection.close()


async def test_every_change_of_a_document_is_told(connection: Connection, listener: Listener) -> None:
    await insert(connection)
    inserted = await listener.told()
    await connection.execute("UPDATE xcap SET doc = 'x', etag = 'e2'")
    updated = await listener.told()
    await connection.execute("DELETE FROM xcap")
    deleted = await listener.told()

    assert inserted == updated == deleted == [("alice", "example.com", 2)]


@pytest.mark.parametrize("change", ["username = 'bob'", "domain = 'example.org'"])
async def test_document_that_changes_hands_is_told_of_both(
    connection: Connection, listener: Listener, change: str
) -> None:
    await insert(connection)
    await listener.told()

    await connection.execute(f"UPDATE xcap SET {change}, doc_type = 32")

    username, domain = ("bob", "example.com") if "bob" in change else ("alice", "example.org")
    assert await listener.told() == [("alice", "example.com", 2), (username, domain, 32)]


async def test_change_that_is_rolled_back_is_not_told(connection: Connection, listener: Listener) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await insert(connection)

    await transaction.rollback()

    assert await listener.told() == []


async def test_names_of_any_spelling_are_told_as_they_are(connection: Connection, listener: Listener) -> None:
    await insert(connection, username='a"\\\n\u00e4', domain="Example.COM")

    assert await listener.told() == [('a"\\\n\u00e4', "Example.COM", 2)]


async def test_names_too_long_for_any_presentity_do_not_hinder_the_writer(
    connection: Connection, listener: Listener
) -> None:
    # Control characters, for they grow in the payload and not in the index.
    await insert(connection, username="\u0001" * 2000)
    await insert(connection, username="bob")

    assert await listener.told() == [("bob", "example.com", 2)]
    assert await connection.fetchval("SELECT count(*) FROM xcap") == 2
