"""Mode `client`: documents of an XCAP server, in the table as long as somebody wants them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lamplighter_proto.ownership import chosen
from xcap_sync.harness import Core, Database, Service, Start, until
from xcap_sync.testing import Fault, Origin, certificate, serving

pytestmark = pytest.mark.integration

ALICE = "sip:alice@example.com"
RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
OTHER_RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"></ruleset>'


@pytest.fixture
def client(start: Start, origin: Origin) -> Callable[..., Service]:
    """Return how to start a service that fetches from the origin, and only when it is told to."""

    def begin(**settings: object) -> Service:
        given = {
            "mode": "client",
            "roots": [origin.root],
            "usages": ["pres-rules", "pidf-manipulation"],
            "query_period_seconds": 0,
            "fetch_timeout_seconds": 1,
            "backoff_seconds": 0.2,
        }
        return start(**given | settings)

    return begin


async def begun(service: Service, core: Core) -> Service:
    await core.told("")
    await until(service.ready)
    return service


async def test_wanted_document_is_stored_as_the_table_says_and_told(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(), core)
    etag = origin.put(ALICE, RULES)

    core.wants(ALICE)
    await core.told(ALICE)

    columns = "username, domain, doc_type, doc_uri, port, source, etag, doc"
    assert await database.fetch(f"SELECT {columns} FROM xcap") == [
        ("alice", "example.com", 2, origin.uri(ALICE), origin.port, 1, etag, RULES)
    ]
    assert await database.fetch("SELECT username, domain FROM xcap_wanted") == [("alice", "example.com")]
    assert service.value("documents_total", change="stored") == 1
    assert service.value("wanted_users") == 1


async def test_user_without_documents_is_told_too(
    client: Callable[..., Service], core: Core, database: Database
) -> None:
    await begun(client(), core)

    core.wants(ALICE)
    await core.told(ALICE)

    assert await database.rows() == []


async def test_document_that_did_not_change_is_asked_for_by_its_etag_and_told_only_to_who_waits(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(), core)
    origin.put(ALICE, RULES)
    core.wants(ALICE)
    await core.told(ALICE)

    core.hints(ALICE)
    await until(lambda: service.value("fetches_total", outcome="unchanged") == 1)
    core.wants(ALICE)
    await core.told(ALICE)

    assert origin.statuses(origin.path(ALICE)) == [200, 304, 304]
    assert service.value("refreshes_total", step="sent") == 3


async def test_document_that_changed_is_found_by_the_clock_and_told(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    await begun(client(query_period_seconds=0.3), core)
    origin.put(ALICE, RULES)
    core.wants(ALICE)
    await core.told(ALICE)

    origin.put(ALICE, OTHER_RULES)
    await core.told(ALICE)

    assert await database.rows() == [("alice", 2, OTHER_RULES)]


@pytest.mark.parametrize("gone", [False, True])
async def test_document_that_was_deleted_is_removed_and_told(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin, gone: bool
) -> None:
    await begun(client(), core)
    origin.put(ALICE, RULES)
    core.wants(ALICE)
    await core.told(ALICE)

    origin.delete(ALICE, gone=gone)
    core.hints(ALICE)
    await core.told(ALICE)

    assert await database.rows() == []


@pytest.mark.parametrize("fault", ["slow", "cut", "garbage", "huge", "500", "503"])
async def test_server_that_does_badly_leaves_the_row_and_is_tried_again(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin, fault: Fault
) -> None:
    await begun(client(), core)
    origin.put(ALICE, RULES)
    core.wants(ALICE)
    await core.told(ALICE)

    origin.break_(fault)
    core.wants(ALICE)
    await core.told(ALICE)
    assert await database.rows() == [("alice", 2, RULES)]

    origin.put(ALICE, OTHER_RULES)
    origin.mend()
    await core.told(ALICE)
    assert await database.rows() == [("alice", 2, OTHER_RULES)]


async def test_server_that_is_away_is_left_alone_for_longer_and_longer(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(backoff_seconds=0.4, query_period_seconds=0.05), core)
    origin.break_("503")

    core.wants(ALICE)
    await core.told(ALICE)
    await asyncio.sleep(1.5)

    # Both documents at once, then again after about 0.4 and 1.2 seconds, and not twenty times.
    assert 4 <= service.value("fetches_total", outcome="away") <= 8


async def test_document_that_is_refused_leaves_the_others_alone(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    await begun(client(backoff_seconds=60), core)
    origin.put(ALICE, RULES)
    origin.break_("403", origin.path(ALICE, "pidf-manipulation"))
    core.wants(ALICE)
    await core.told(ALICE)

    origin.put(ALICE, OTHER_RULES)
    core.hints(ALICE)
    await core.told(ALICE)

    assert origin.statuses(origin.path(ALICE, "pidf-manipulation")) == [403]
    assert await database.rows() == [("alice", 2, OTHER_RULES)]


async def test_hint_fetches_what_its_selectors_name(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    await begun(client(), core)
    core.wants(ALICE)
    await core.told(ALICE)

    origin.put(ALICE, b"<presence/>", "pidf-manipulation", content_type="application/pidf+xml")
    core.hints(ALICE, f"pidf-manipulation/users/{ALICE}/index")
    await core.told(ALICE)

    assert await database.rows() == [("alice", 16, b"<presence/>")]
    assert origin.statuses(origin.path(ALICE)) == [404]


async def test_many_hints_are_one_fetch_now_and_one_a_second_later(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    await begun(client(usages=["pres-rules"]), core)
    origin.put(ALICE, RULES)
    core.wants(ALICE)
    await core.told(ALICE)

    origin.put(ALICE, OTHER_RULES)
    for _ in range(50):
        core.hints(ALICE)
    await core.told(ALICE)

    assert origin.statuses() == [200, 200]


async def test_hint_of_a_user_whom_nobody_wants_fetches_nothing(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    await begun(client(), core)

    core.hints("sip:mallory@example.com")
    core.wants(ALICE)
    await core.told(ALICE)

    assert not any("mallory" in seen.path for seen in origin.seen)


async def test_two_usages_with_one_number_are_two_rows(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    oma = "org.openmobilealliance.pres-rules"
    await begun(client(dialect="kamailio", usages=["pres-rules", oma]), core)
    origin.put(ALICE, RULES)
    origin.put(ALICE, OTHER_RULES, oma)

    core.wants(ALICE)
    await core.told(ALICE)

    assert sorted(await database.rows()) == sorted([("alice", 2, RULES), ("alice", 2, OTHER_RULES)])


async def test_two_roots_are_both_asked(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    with serving() as second:
        await begun(client(roots=[origin.root, second.root]), core)
        origin.put(ALICE, RULES)
        second.put(ALICE, OTHER_RULES)

        core.wants(ALICE)
        await core.told(ALICE)

    assert sorted(await database.rows()) == sorted([("alice", 2, RULES), ("alice", 2, OTHER_RULES)])


async def test_root_over_tls_with_digest_is_fetched_from(
    client: Callable[..., Service], core: Core, database: Database, tmp_path: Path
) -> None:
    with serving(tls=certificate(tmp_path), auth="digest") as origin:
        credentials = {"auth": "digest", "username": "lamplighter", "password": "secret"}
        await begun(client(roots=[origin.root], ca_file=origin.ca_file, **credentials), core)
        origin.put(ALICE, RULES)

        core.wants(ALICE)
        await core.told(ALICE)

    assert await database.rows() == [("alice", 2, RULES)]


async def test_users_over_the_limit_are_told_and_not_fetched(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(user_limit=1), core)
    core.wants(ALICE)
    await core.told(ALICE)

    core.wants("sip:bob@example.com")
    await core.told("sip:bob@example.com")

    assert not any("bob" in seen.path for seen in origin.seen)
    assert service.value("refused_users_total") == 1


async def test_user_whom_nobody_wants_any_more_is_forgotten_with_its_rows(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    await database.write("alice", RULES)
    service = await begun(client(forget_seconds=2), core)
    origin.put(ALICE, OTHER_RULES)
    core.wants(ALICE)
    await core.told(ALICE)

    await until(lambda: service.value("wanted_users") == 0)

    assert await database.fetch("SELECT * FROM xcap_wanted") == []
    assert await database.rows() == [("alice", 2, RULES)]


async def test_documents_of_a_root_that_is_no_longer_set_are_removed(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    origin.put(ALICE, RULES)
    with serving() as former:
        former.put(ALICE, OTHER_RULES)
        service = await begun(client(roots=[former.root]), core)
        core.wants(ALICE)
        await core.told(ALICE)
        await service.ended()

    await begun(client(), core)
    core.wants(ALICE)
    await core.told(ALICE)

    assert await database.rows() == [("alice", 2, RULES)]


async def test_service_that_begins_anew_looks_at_those_who_are_wanted(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(), core)
    core.wants(ALICE)
    await core.told(ALICE)
    await service.ended()
    origin.put(ALICE, RULES)

    client(query_period_seconds=0.5)
    await core.told(ALICE)

    assert await database.rows() == [("alice", 2, RULES)]


async def test_service_waits_for_the_tables_and_then_does_what_was_wanted(
    client: Callable[..., Service], core: Core, empty_database: Database, origin: Origin
) -> None:
    service = client()
    origin.put(ALICE, RULES)
    while service.value("wanted_users") == 0:
        core.wants(ALICE)
        await asyncio.sleep(0.05)
    assert not service.ready()
    assert core.refreshes == []

    await empty_database.migrate()
    await core.told(ALICE)
    await until(service.ready)

    assert await empty_database.rows() == [("alice", 2, RULES)]


async def test_of_two_replicas_each_acts_for_its_own_users_and_the_other_follows(
    client: Callable[..., Service], core: Core, database: Database, origin: Origin
) -> None:
    names = ["xcap-sync-1", "xcap-sync-2"]
    services = {name: await begun(client(instance=name, query_period_seconds=0.5), core) for name in names}
    users = [f"sip:user{number}@example.com" for number in range(12)]
    for user in users:
        origin.put(user, RULES)
        core.wants(user)
    await until(lambda: set(users) <= set(core.presentities()))
    theirs = [user for user in users if chosen(user, names) == "xcap-sync-2"]
    stored = {name: service.value("documents_total", change="stored") for name, service in services.items()}
    assert stored == {"xcap-sync-1": len(users) - len(theirs), "xcap-sync-2": len(theirs)}

    core.refreshes.clear()
    await services["xcap-sync-2"].ended()
    await core.told("")
    origin.put(theirs[0], OTHER_RULES)

    await core.told(theirs[0])
