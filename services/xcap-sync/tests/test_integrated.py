"""Mode `integrated`: an XCAP server writes the table, the core hears of it."""

import pytest

from xcap_sync.harness import Core, Database, Start, new_core, until

pytestmark = pytest.mark.integration

ALICE = "sip:alice@example.com"


async def test_service_that_begins_to_listen_has_everything_decided_anew(
    start: Start, core: Core, database: Database
) -> None:
    service = start(mode="integrated")

    await core.told("")

    assert service.ready()


async def test_row_that_is_written_changed_or_deleted_is_told_to_the_core(
    start: Start, core: Core, database: Database
) -> None:
    start(mode="integrated")
    await core.told("")

    await database.write("alice", b"<a/>")
    await core.told(ALICE)
    await database.write("alice", b"<b/>")
    await core.told(ALICE)
    await database.execute("DELETE FROM xcap")
    await core.told(ALICE)


async def test_row_with_a_domain_in_capitals_is_told_as_the_canonical_address(
    start: Start, core: Core, database: Database
) -> None:
    start(mode="integrated")
    await core.told("")

    await database.write("alice", b"<a/>", domain="Example.COM")

    await core.told(ALICE)


async def test_payload_that_nobody_can_read_has_everything_decided_anew(
    start: Start, core: Core, database: Database
) -> None:
    start(mode="integrated")
    await core.told("")

    await database.execute("NOTIFY xcap, 'what?'")

    await core.told("")


async def test_connection_that_breaks_is_made_again_and_what_was_missed_is_decided_anew(
    start: Start, core: Core, database: Database
) -> None:
    service = start(mode="integrated")
    await core.told("")

    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
    )
    await core.told("")

    await database.write("alice", b"<a/>")
    await core.told(ALICE)
    assert service.ready()


async def test_service_waits_for_the_tables(start: Start, core: Core, empty_database: Database) -> None:
    service = start(mode="integrated")
    await until(lambda: service.service.readiness()["directory"])
    assert not service.ready()

    await empty_database.migrate()

    await core.told("")
    assert service.ready()


async def test_wanted_and_hint_are_answered_without_a_fetch(start: Start, core: Core, database: Database) -> None:
    start(mode="integrated")
    await core.told("")

    core.wants(ALICE)
    await core.told(ALICE)
    core.hints(ALICE)
    await core.told(ALICE)


async def test_refresh_that_is_lost_is_sent_again(start: Start, core: Core, database: Database) -> None:
    service = start(mode="integrated")
    await core.told("")

    core.deaf = 2
    await database.write("alice", b"<a/>")
    await core.told(ALICE)

    await until(lambda: service.value("refreshes_total", step="confirmed") == 2)
    assert service.value("refreshes_total", step="sent") == 4


async def test_refresh_of_a_shard_that_moves_goes_to_its_new_owner(
    start: Start, core: Core, database: Database, nats_url: str
) -> None:
    start(mode="integrated")
    await core.told("")
    core.deaf = 1000

    await database.write("alice", b"<a/>")
    await until(lambda: core.deaf < 1000)
    async with new_core(nats_url, "core-2") as other:
        await other.claim()

        await other.told(ALICE)


async def test_refresh_waits_for_an_owner(start: Start, database: Database, nats_url: str) -> None:
    service = start(mode="integrated")
    await until(service.ready)

    await database.write("alice", b"<a/>")
    await until(lambda: service.value("pending_refreshes") == 1)
    async with new_core(nats_url) as core:
        await core.claim()

        await core.told(ALICE)


async def test_refresh_that_nobody_confirms_is_given_up_and_said(
    start: Start, core: Core, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    service = start(mode="integrated", refresh_patience_seconds=0.5)
    await core.told("")
    core.deaf = 1000

    await database.write("alice", b"<a/>")

    await until(lambda: service.value("refreshes_total", step="given_up") == 1)
    assert "no core confirmed a refresh" in caplog.text
