"""Mode `client`: documents of an XCAP server, in the table as long as somebody wants them."""

import asyncio
from pathlib import Path

import pytest

from xcap_sync.harness import Core, Database, Start, begun, until
from xcap_sync.testing import Fault, Origin, certificate, serving

pytestmark = pytest.mark.integration

ALICE = "sip:alice@example.com"
RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
OTHER_RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"></ruleset>'


async def test_wanted_document_is_stored_as_the_table_says_and_told(
    client: Start, core: Core, database: Database, origin: Origin
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


async def test_user_without_documents_is_told_too(client: Start, core: Core, database: Database) -> None:
    await begun(client(), core)

    core.wants(ALICE)
    await core.told(ALICE)

    assert await database.rows() == []


async def test_document_that_did_not_change_is_asked_for_by_its_etag_and_told_only_to_who_waits(
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin, gone: bool
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
    client: Start, core: Core, database: Database, origin: Origin, fault: Fault
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
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(backoff_seconds=0.4, query_period_seconds=0.05), core)
    origin.break_("503")

    core.wants(ALICE)
    await core.told(ALICE)
    await asyncio.sleep(1.5)

    # Both documents at once, then again after about 0.4 and 1.2 seconds, and not twenty times.
    assert 4 <= service.value("fetches_total", outcome="away") <= 8


async def test_server_that_says_for_how_long_it_is_away_is_left_alone_so_long(
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(backoff_seconds=0.1, query_period_seconds=0.05), core)
    origin.break_("503")
    origin.retry_after = "60"

    core.wants(ALICE)
    await core.told(ALICE)
    await asyncio.sleep(1.0)

    # Both documents at once.
    assert service.value("fetches_total", outcome="away") == 2


async def test_document_that_is_refused_leaves_the_others_alone(
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    await begun(client(), core)

    core.hints("sip:mallory@example.com")
    core.wants(ALICE)
    await core.told(ALICE)

    assert not any("mallory" in seen.path for seen in origin.seen)


async def test_two_usages_with_one_number_are_two_rows(
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    oma = "org.openmobilealliance.pres-rules"
    await begun(client(dialect="kamailio", usages=["pres-rules", oma]), core)
    origin.put(ALICE, RULES)
    origin.put(ALICE, OTHER_RULES, oma)

    core.wants(ALICE)
    await core.told(ALICE)

    assert sorted(await database.rows()) == sorted([("alice", 2, RULES), ("alice", 2, OTHER_RULES)])


async def test_two_roots_are_both_asked(client: Start, core: Core, database: Database, origin: Origin) -> None:
    with serving() as second:
        await begun(client(roots=[origin.root, second.root]), core)
        origin.put(ALICE, RULES)
        second.put(ALICE, OTHER_RULES)

        core.wants(ALICE)
        await core.told(ALICE)

    assert sorted(await database.rows()) == sorted([("alice", 2, RULES), ("alice", 2, OTHER_RULES)])


async def test_root_over_tls_with_digest_is_fetched_from(
    client: Start, core: Core, database: Database, tmp_path: Path
) -> None:
    with serving(tls=certificate(tmp_path), auth="digest") as origin:
        credentials = {"auth": "digest", "username": "lamplighter", "password": "secret"}
        await begun(client(roots=[origin.root], ca_file=origin.ca_file, **credentials), core)
        origin.put(ALICE, RULES)

        core.wants(ALICE)
        await core.told(ALICE)

    assert await database.rows() == [("alice", 2, RULES)]
