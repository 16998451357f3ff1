"""The tables as replicas share them."""

from collections.abc import AsyncIterator

import pytest

from lamplighter_runtime.testing import free_port
from xcap_sync.domain.addresses import Addresses, Place, User, root_of, usages_of
from xcap_sync.harness import Database
from xcap_sync.storage.postgres import PostgresStore
from xcap_sync.store import Document, StoreAway

pytestmark = pytest.mark.integration

ALICE = User(username="alice", domain="example.com")
BOB = User(username="bob", domain="example.com")
OLD = Document(body=b"<old/>", etag='"1"')
NEW = Document(body=b"<new/>", etag='"2"')


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(dsn, timeout=5.0)
    yield store
    await store.close()


@pytest.fixture
def place() -> Place:
    roots = [root_of("http://xcap.example.com/xcap-root")]
    addresses = Addresses(roots=roots, usages=usages_of(["pres-rules"], "opensips"), xui="{user}", filename="index")
    return addresses.places(ALICE)[0]


async def test_document_that_is_put_is_found_by_user_and_by_address(
    store: PostgresStore, database: Database, place: Place
) -> None:
    assert await store.put(place, OLD, None)

    assert await store.documents(ALICE) == {place.key: OLD}
    assert await store.documents(BOB) == {}
    assert await store.find(place.uri, 80) == ALICE
    assert await store.find(place.uri, 81) is None


async def test_document_that_another_replica_put_meanwhile_stays(
    store: PostgresStore, database: Database, place: Place
) -> None:
    await store.put(place, NEW, None)

    assert not await store.put(place, OLD, None)
    assert not await store.put(place, Document(body=b"<third/>", etag='"3"'), OLD)
    assert not await store.remove(place, OLD)

    assert await store.documents(ALICE) == {place.key: NEW}


async def test_document_that_changed_under_the_same_etag_stays(
    store: PostgresStore, database: Database, place: Place
) -> None:
    await store.put(place, Document(body=b"<new/>", etag=""), None)

    assert not await store.put(place, NEW, Document(body=b"<old/>", etag=""))


async def test_document_is_replaced_and_removed_in_the_state_that_was_read(
    store: PostgresStore, database: Database, place: Place
) -> None:
    await store.put(place, OLD, None)

    assert await store.put(place, NEW, OLD)
    assert await store.documents(ALICE) == {place.key: NEW}
    assert await store.remove(place, NEW)

    assert await store.documents(ALICE) == {}


async def test_rows_of_an_xcap_server_are_not_ours(store: PostgresStore, database: Database, place: Place) -> None:
    await database.write("alice", b"<theirs/>")

    await store.drop(ALICE, [("index.xml", 2)])

    assert await store.documents(ALICE) == {}
    assert await store.find("index.xml", 0) is None
    assert await database.rows() == [("alice", 2, b"<theirs/>")]


async def test_dropping_takes_the_named_documents_alone(store: PostgresStore, database: Database, place: Place) -> None:
    await store.put(place, OLD, None)
    await database.execute(
        "INSERT INTO xcap SELECT id + 1, username, domain, doc, 16, etag, 1, doc_uri, port FROM xcap"
    )

    await store.drop(ALICE, [place.key, ("another", 16)])

    assert list(await store.documents(ALICE)) == [(place.uri, 16)]


async def test_user_is_wanted_since_the_last_word_of_it(store: PostgresStore, database: Database) -> None:
    for user, wanted in ((ALICE, 20), (ALICE, 10), (BOB, 15)):
        await store.want(user, wanted)

    assert await store.wanted(10) == {ALICE: 20, BOB: 15}
    assert await store.wanted(1) == {ALICE: 20}


async def test_users_are_forgotten_with_their_documents(store: PostgresStore, database: Database, place: Place) -> None:
    await store.put(place, OLD, None)
    await store.want(ALICE, 10)
    await store.want(BOB, 20)

    assert await store.forget(20) == 1

    assert await store.wanted(10) == {BOB: 20}
    assert await database.rows() == []


async def test_store_without_tables_is_not_ready_and_away(store: PostgresStore, empty_database: Database) -> None:
    assert not await store.ready()
    with pytest.raises(StoreAway):
        await store.documents(ALICE)

    await empty_database.migrate()

    assert await store.ready()


async def test_store_whose_connections_break_is_there_again_at_once(
    store: PostgresStore, database: Database, place: Place
) -> None:
    await store.put(place, OLD, None)
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )

    for _ in range(5):
        try:
            documents = await store.documents(ALICE)
            break
        except StoreAway:
            continue

    assert documents == {place.key: OLD}


async def test_store_without_a_server_is_away() -> None:
    store = PostgresStore(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing", timeout=1.0)

    with pytest.raises(StoreAway):
        await store.ready()
    await store.close()
