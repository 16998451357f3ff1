"""A presentity locked, read and saved in one transaction (store=database): memory and PostgreSQL alike."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from presence_core.domain.documents import XcapDocument
from presence_core.domain.publication import Publication
from presence_core.storage.memory import MemoryStore
from presence_core.storage.postgres import PostgresStore
from presence_core.store import (
    Changes,
    Contended,
    Ending,
    ShardRows,
    Store,
    StoreAway,
    StoredContact,
    StoredPublication,
    StoredSubscription,
)

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
MakePublication = Callable[..., Publication]


def with_publication(publication: Publication, aor: str = ALICE) -> Changes:
    row = StoredPublication(shard=3, aor=aor, event="presence", publication=publication)
    return Changes(publications={(aor, "presence", publication.pub): row})


async def test_what_is_saved_is_read_by_the_next(
    store: Store,
    publication: MakePublication,
    stored_subscription: Callable[..., StoredSubscription],
    stored_contact: Callable[..., StoredContact],
) -> None:
    changes = with_publication(publication())
    subscription, contact = stored_subscription(), stored_contact()
    ending = Ending(shard=3, aor=ALICE, event="dialog", name="call", until=9000)
    changes.subscriptions["tag-1"] = subscription
    changes.contacts[(ALICE, contact.contact.uri)] = contact
    changes.endings[ending.key] = ending

    async with store.presentity(ALICE, 3) as locked:
        await locked.save(changes)
    async with store.presentity(ALICE, 3) as locked:
        rows = locked.rows
    async with store.presentity(BOB, 5) as locked:
        others = locked.rows

    assert [row.publication.pub for row in rows.publications] == [publication().pub]
    assert rows.subscriptions == [subscription]
    assert rows.contacts == [contact]
    assert rows.endings == [ending]
    assert others == ShardRows()


async def test_nothing_is_saved_when_the_block_fails(store: Store, publication: MakePublication) -> None:
    async def failing() -> None:
        async with store.presentity(ALICE, 3) as locked:
            await locked.save(with_publication(publication()))
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await failing()

    async with store.presentity(ALICE, 3) as locked:
        assert locked.rows.publications == []


async def test_one_at_a_time_is_busy_with_a_presentity(store: Store) -> None:
    order = []

    async def busy(name: str, aor: str) -> None:
        async with store.presentity(aor, 3):
            order.append(name)
            await asyncio.sleep(0.05)
            order.append(name)

    await asyncio.gather(busy("first", ALICE), busy("second", ALICE))

    assert order in (["first", "first", "second", "second"], ["second", "second", "first", "first"])


async def test_different_presentities_do_not_wait_for_each_other(store: Store) -> None:
    met = asyncio.Barrier(2)

    async def busy(aor: str) -> None:
        async with store.presentity(aor, 3):
            await asyncio.wait_for(met.wait(), 5.0)

    await asyncio.gather(busy(ALICE), busy(BOB))


async def test_many_in_turn_find_the_connections_in_order(store: Store, publication: MakePublication) -> None:
    for number in range(30):
        async with store.presentity(f"sip:user-{number}@example.com", number) as locked:
            await locked.save(with_publication(publication(), f"sip:user-{number}@example.com"))

    async with store.presentity("sip:user-29@example.com", 29) as locked:
        assert len(locked.rows.publications) == 1


async def test_watched_presentities_are_those_with_watchers(
    store: Store, stored_subscription: Callable[..., StoredSubscription], publication: MakePublication
) -> None:
    changes = with_publication(publication(), BOB)
    changes.subscriptions["tag-1"] = stored_subscription(shard=3)
    async with store.presentity(ALICE, 3) as locked:
        await locked.save(changes)

    assert await store.watched([3, 4]) == [ALICE]
    assert await store.watched([4]) == []


async def test_old_publications_are_cleaned_whoever_owns_them(store: Store, publication: MakePublication) -> None:
    async with store.presentity(ALICE, 3) as locked:
        await locked.save(with_publication(publication(expires=100)))

    assert await store.clean_all([4], 10**9) == 0
    assert await store.clean_all([3], 10**9) == 1


async def test_documents_are_read_with_the_presentity_in_memory(memory_store: MemoryStore) -> None:
    document = XcapDocument(usage="pres-rules", uri="index", etag="e", body=b"<x/>")
    memory_store.documents[ALICE] = (document,)

    async with memory_store.presentity(ALICE, 3) as locked:
        assert locked.documents == (document,)


async def test_rows_of_another_program_are_read(postgres_store: PostgresStore, dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    await other.execute(
        "INSERT INTO presentity (username, domain, event, etag, expires, received_time, body) "
        "VALUES ('alice', 'example.com', 'presence', 'e1', 2000000000, 1, 'x')"
    )
    await other.execute(
        "INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port) "
        "VALUES ('alice', 'Example.com', '<x/>', 2, 'e', 0, 'index.xml', 0), "
        "('alice', 'example.com', '', 99, 'e', 0, 'y', 0)"
    )
    await other.close()

    async with postgres_store.presentity(ALICE, 3) as locked:
        assert [(row.shard, row.publication.etag) for row in locked.rows.publications] == [(3, "e1")]
        assert [(one.usage, one.uri) for one in locked.documents] == [("pres-rules", "index.xml")]


async def test_who_stands_still_with_a_presentity_loses_it(dsn: str, publication: MakePublication) -> None:
    frozen, other = PostgresStore(dsn, timeout=0.3), PostgresStore(dsn, timeout=5.0)
    await frozen.open(64)

    async def late() -> None:
        async with frozen.presentity(ALICE, 3) as locked:
            await asyncio.sleep(0.6)
            async with other.presentity(ALICE, 3) as next_one:
                await next_one.save(with_publication(publication()))
            await locked.save(with_publication(publication(etag="late")))

    with pytest.raises(StoreAway):
        await late()
    async with other.presentity(ALICE, 3) as locked:
        etags = [row.publication.etag for row in locked.rows.publications]
    await frozen.close()
    await other.close()

    assert etags == [publication().etag]


async def test_presentity_that_another_has_for_too_long_is_given_up_and_the_connection_goes_on(
    dsn: str, publication: MakePublication
) -> None:
    impatient, other = PostgresStore(dsn, timeout=0.5, connections=1), PostgresStore(dsn, timeout=5.0)
    await impatient.open(64)

    async with other.presentity(ALICE, 3):
        with pytest.raises(Contended):
            await impatient.presentity(ALICE, 3).__aenter__()
        async with impatient.presentity(BOB, 5) as locked:
            await locked.save(with_publication(publication(), BOB))
    async with impatient.presentity(BOB, 5) as locked:
        rows = locked.rows
    await impatient.close()
    await other.close()

    assert len(rows.publications) == 1
