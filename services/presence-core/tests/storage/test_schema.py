"""Who makes the schema, who waits for it, and what a migration may do."""

import asyncio
import re
from collections.abc import Callable

import asyncpg
import pytest

from lamplighter_runtime.database import load_migrations
from presence_core.domain.publication import Publication
from presence_core.storage.postgres import PostgresStore
from presence_core.store import Changes, SchemaBehind, StoredPublication, WrongCluster

MakePublication = Callable[..., Publication]


async def test_stores_that_open_an_empty_database_at_the_same_time_make_one_schema(dsn: str) -> None:
    stores = [PostgresStore(dsn, timeout=5.0) for _ in range(6)]

    await asyncio.gather(*(store.open(64) for store in stores))
    with pytest.raises(WrongCluster):
        await stores[0].open(128)

    for store in stores:
        await store.close()


async def test_store_that_may_not_migrate_finds_out_and_opens_once_another_has(dsn: str) -> None:
    reader, migrating = PostgresStore(dsn, timeout=5.0, migrate=False), PostgresStore(dsn, timeout=5.0)

    with pytest.raises(SchemaBehind, match=r"lacks the migrations \[1, 2\]"):
        await reader.open(64)
    await migrating.open(64)
    await reader.open(64)

    await reader.close()
    await migrating.close()


async def test_store_of_a_user_who_may_not_change_tables_works_once_another_has_migrated(
    dsn: str, postgres_store: PostgresStore, publication: MakePublication
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN; GRANT USAGE ON SCHEMA public TO plain"
    )
    await connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO plain")
    await connection.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO plain")
    await connection.close()
    store = PostgresStore(dsn.replace("//lamplighter@", "//plain@"), timeout=5.0, migrate=False)

    await store.open(64)
    epochs = await store.claim({3: 1}, "core-1")
    row = StoredPublication(shard=3, aor="sip:alice@example.com", event="presence", publication=publication("a"))
    await store.save(Changes(epochs, {(row.aor, row.event, row.publication.pub): row}))

    assert [one.publication.etag for one in (await store.load([3])).publications] == ["a"]
    await store.close()


def test_migrations_only_add_so_that_the_release_before_still_runs() -> None:
    takes_away = re.compile(r"\b(DROP|RENAME|TRUNCATE|DELETE FROM)\b|\bALTER COLUMN\b|\bSET NOT NULL\b", re.IGNORECASE)
    demands = re.compile(r"^\s*ADD COLUMN(?!.*DEFAULT).*NOT NULL", re.IGNORECASE | re.MULTILINE)

    for number, sql in load_migrations("presence_core.storage"):
        code = re.sub(r"--.*", "", sql)
        assert not takes_away.findall(code), number
        assert not demands.findall(code), number
