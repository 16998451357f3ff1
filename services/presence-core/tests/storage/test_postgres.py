"""What only a real database can show."""

import asyncio
import os
import secrets
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import asyncpg
import pytest
from msgspec import structs

from lamplighter_proto.ownership import shard_of
from lamplighter_runtime.database import load_migrations, migrate
from presence_core.domain.keys import LONGEST_KEY
from presence_core.domain.publication import Publication
from presence_core.domain.subscription import Status
from presence_core.domain.watcher import KnownWatcher
from presence_core.storage.postgres import PostgresStore
from presence_core.store import (
    Changes,
    Fenced,
    StoreAway,
    StoredContact,
    StoredPublication,
    StoredSubscription,
    StoredWatcher,
)

MakePublication = Callable[..., Publication]


class Server(Protocol):
    dsn: str

    async def start(self) -> None: ...

    async def end(self, number: signal.Signals) -> None: ...


def batch(epochs: dict[int, int], publication: Publication) -> Changes:
    row = StoredPublication(shard=3, aor="sip:alice@example.com", event="presence", publication=publication)
    return Changes(epochs, {(row.aor, row.event, publication.pub): row})


async def save_again_and_again(store: PostgresStore, changes: Changes) -> None:
    """A backend may serve one more statement before it notices that its postmaster is gone."""
    for _ in range(1000):
        await store.save(changes)
        await asyncio.sleep(0.01)


@pytest.mark.asyncio(loop_scope="session")
async def test_store_is_away_while_the_server_is_and_comes_back(server: Server, publication: MakePublication) -> None:
    store = PostgresStore(server.dsn, timeout=5.0)
    await store.open(64)
    epochs = await store.claim({3: 1}, "core-1")
    await store.save(batch(epochs, publication("a")))
    await server.end(signal.SIGKILL)

    with pytest.raises(StoreAway):
        await save_again_and_again(store, batch(epochs, publication("a")))
    with pytest.raises(StoreAway):
        await store.load([3])
    await server.start()
    await store.save(batch(epochs, publication("c")))

    assert {one.publication.etag for one in (await store.load([3])).publications} >= {"a", "c"}
    await store.close()


async def test_claim_waits_for_a_save_that_holds_the_lease(
    dsn: str, postgres_store: PostgresStore, publication: MakePublication
) -> None:
    epochs = await postgres_store.claim({3: 1}, "core-1")
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT 1 FROM lease WHERE shard = 3 FOR SHARE")

    claim = asyncio.create_task(postgres_store.claim({3: 1}, "core-2"))
    done, _ = await asyncio.wait([claim], timeout=0.3)
    await transaction.commit()

    assert not done
    assert (await claim)[3] > epochs[3]
    with pytest.raises(Fenced):
        await postgres_store.save(batch(epochs, publication("late")))
    await connection.close()


async def test_row_of_another_program_is_adopted_by_its_shard(dsn: str, postgres_store: PostgresStore) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO presentity (username, domain, event, etag, expires, received_time, body) "
        "VALUES ('alice', 'example.com', 'presence', 'a.1', 2000000000, 1, 'x')"
    )
    await connection.close()
    shard = shard_of("sip:alice@example.com", 64)

    (row,) = (await postgres_store.load([shard])).publications

    assert (row.aor, row.publication.etag, row.publication.body) == ("sip:alice@example.com", "a.1", b"x")


async def test_watcher_of_another_program_is_adopted_by_the_shard_of_its_presentity(
    dsn: str, postgres_store: PostgresStore
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO watchers (presentity_uri, watcher_username, watcher_domain, event, status, reason, inserted_time) "
        "VALUES ('sip:alice@example.com', 'bob', 'example.org', 'presence', 3, 'rejected', 7), "
        "('sip:alice@example.com', 'carol', 'example.org', 'presence', 2, NULL, 8), "
        "('sip:alice@example.com', 'dave', 'example.org', 'presence', 5, NULL, 9)"
    )
    await connection.close()
    shard = shard_of("sip:alice@example.com", 64)

    bob, carol = (one.watcher for one in (await postgres_store.load([shard])).watchers)

    assert (bob.presentity, bob.watcher) == ("sip:alice@example.com", "sip:bob@example.org")
    assert (bob.status, bob.reason, bob.inserted) == (Status.TERMINATED, "rejected", 7)
    assert (carol.watcher, carol.status, carol.reason) == ("sip:carol@example.org", Status.PENDING, "")
    assert bob.id
    assert carol.id
    assert bob.id != carol.id


async def test_adopted_watcher_is_replaced_and_forgotten_as_one_of_ours(
    dsn: str, postgres_store: PostgresStore
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO watchers (presentity_uri, watcher_username, watcher_domain, event, status, inserted_time) "
        "VALUES ('sip:alice@example.com', 'bob', 'example.org', 'presence', 2, 7)"
    )
    shard = shard_of("sip:alice@example.com", 64)
    epochs = await postgres_store.claim({shard: 1}, "core-1")
    (waiting,) = (await postgres_store.load([shard])).watchers
    active = structs.replace(waiting, watcher=replace(waiting.watcher, status=Status.ACTIVE))

    await postgres_store.save(Changes(epochs, watchers={active.watcher.key: active}))

    assert (await postgres_store.load([shard])).watchers == [active]
    await postgres_store.save(Changes(epochs, gone_watchers={active.watcher.key: shard}))
    assert await connection.fetchval("SELECT count(*) FROM watchers") == 0
    await connection.close()


async def test_watcher_without_a_reason_has_none_in_its_row(dsn: str, postgres_store: PostgresStore) -> None:
    epochs = await postgres_store.claim({3: 1}, "core-1")
    known = KnownWatcher(
        presentity="sip:alice@example.com",
        watcher="sip:bob@example.org",
        event="presence",
        status=Status.PENDING,
        reason="",
        inserted=7,
        id="1",
    )

    await postgres_store.save(Changes(epochs, watchers={known.key: StoredWatcher(shard=3, watcher=known)}))

    connection = await asyncpg.connect(dsn)
    row = await connection.fetchrow(
        "SELECT watcher_username, watcher_domain, status, reason, inserted_time FROM watchers"
    )
    assert row is not None
    assert tuple(row) == ("bob", "example.org", 2, None, 7)
    await connection.close()


async def test_rows_of_the_first_schema_are_kept_by_the_second(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    first, *_ = load_migrations("presence_core.storage")
    await migrate(connection, [first])
    await connection.execute("INSERT INTO cluster (shards) VALUES (64)")
    await connection.execute(
        "INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain, to_tag, "
        "from_tag, callid, local_cseq, remote_cseq, contact, expires, status, socket_info, local_contact, shard) "
        "VALUES ('sip:alice@example.com', 'bob', 'example.org', 'alice', 'example.com', 't', 'f', 'c', 1000, 1, "
        "'sip:bob@192.0.2.9', 5000, 1, 'UDP:192.0.2.1:5060', '<sip:192.0.2.1>', 3)"
    )
    store = PostgresStore(dsn, timeout=5.0)

    await store.open(64)

    (row,) = (await store.load([3])).subscriptions
    assert (row.subscription.display_name, row.subscription.cause) == ("", "subscribe")
    assert row.subscription.since > 1_700_000_000
    await store.close()
    await connection.close()


async def test_second_core_finds_the_schema_in_place(dsn: str, postgres_store: PostgresStore) -> None:
    another = PostgresStore(dsn, timeout=5.0)

    await another.open(64)

    await another.close()


async def test_connection_that_ended_is_made_again(dsn: str, postgres_store: PostgresStore) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    await connection.close()

    for _ in range(3):
        try:
            epochs = await postgres_store.claim({3: 1}, "core-1")
            break
        except StoreAway:
            continue

    assert epochs[3] >= 1


async def test_database_that_takes_no_writes_for_now_is_away(dsn: str, publication: MakePublication) -> None:
    store = PostgresStore(f"{dsn}{'&' if '?' in dsn else '?'}options=-cdefault_transaction_read_only%3Don", timeout=5.0)
    writer = PostgresStore(dsn, timeout=5.0)
    await writer.open(64)
    epochs = await writer.claim({3: 1}, "core-1")

    with pytest.raises(StoreAway):
        await store.save(batch(epochs, publication("a")))

    await store.close()
    await writer.close()


async def test_save_that_was_given_up_never_overwrites_a_later_one(dsn: str, publication: MakePublication) -> None:
    store, watching = PostgresStore(dsn, timeout=1.0), await asyncpg.connect(dsn)
    await store.open(64)
    epochs = await store.claim({3: 1}, "core-1")
    await store.save(batch(epochs, publication("first", pub="p")))
    backend = await watching.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%INTO presentity%' AND pid <> pg_backend_pid()"
    )
    os.kill(backend, signal.SIGSTOP)
    with pytest.raises(StoreAway):
        await store.save(batch(epochs, publication("given up", pub="p")))

    later = asyncio.create_task(save_until_it_is(store, batch(epochs, publication("later", pub="p"))))
    await asyncio.wait([later], timeout=0.3)
    os.kill(backend, signal.SIGCONT)
    await later
    await gone(watching, backend)

    assert [one.publication.etag for one in (await store.load([3])).publications] == ["later"]
    await store.close()
    await watching.close()


async def gone(watching: "asyncpg.Connection[asyncpg.Record]", backend: int) -> None:
    """Wait until a backend has done what it was sent and has seen that its client left."""
    for _ in range(500):
        if not await watching.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend):
            return
        await asyncio.sleep(0.01)


async def save_until_it_is(store: PostgresStore, changes: Changes) -> None:
    while True:
        try:
            return await store.save(changes)
        except StoreAway:
            await asyncio.sleep(0.01)


async def test_longest_names_fit_the_indexes(
    postgres_store: PostgresStore,
    publication: MakePublication,
    stored_subscription: Callable[..., StoredSubscription],
    stored_contact: Callable[..., StoredContact],
) -> None:
    epochs = await postgres_store.claim({3: 1}, "core-1")
    # Random, for PostgreSQL compresses what repeats itself.
    name = secrets.token_hex(LONGEST_KEY // 2)
    row = StoredPublication(
        shard=3,
        aor=f"sip:{name[20:]}@example.com",
        event="presence.winfo" * 3,
        publication=publication(pub=secrets.token_hex(16)),
    )
    watching = stored_subscription(secrets.token_hex(20), presentity=f"sip:{name[100:]}@example.com")
    bound = stored_contact(name[30:])

    await postgres_store.save(
        Changes(
            epochs,
            {(row.aor, row.event, "a"): row},
            {"a": watching},
            contacts={(bound.aor, bound.contact.uri): bound},
        )
    )

    rows = await postgres_store.load([3])
    assert (len(rows.publications), len(rows.subscriptions), len(rows.contacts)) == (1, 1, 1)
