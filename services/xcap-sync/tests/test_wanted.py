"""Mode `client`: who is wanted, for how long, and by which replica's work."""

import asyncio

import pytest

from lamplighter_proto.ownership import chosen
from xcap_sync.harness import Core, Database, Start, begun, until
from xcap_sync.testing import Origin, serving

pytestmark = pytest.mark.integration

ALICE = "sip:alice@example.com"
RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
OTHER_RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"></ruleset>'


async def test_users_over_the_limit_are_told_and_not_fetched(
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(user_limit=1), core)
    core.wants(ALICE)
    await core.told(ALICE)

    core.wants("sip:bob@example.com")
    await core.told("sip:bob@example.com")

    assert not any("bob" in seen.path for seen in origin.seen)
    assert service.value("refused_users_total") == 1


async def test_user_whom_nobody_wants_any_more_is_forgotten_with_its_rows(
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
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
    client: Start, core: Core, empty_database: Database, origin: Origin
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
    client: Start, core: Core, database: Database, origin: Origin
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


async def test_user_that_was_wanted_of_a_replica_that_had_just_died_is_fetched_by_another(
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    names = ["xcap-sync-1", "xcap-sync-2"]
    users = {chosen(user, names): user for user in (f"sip:user{number}@example.com" for number in range(99))}
    ours, user = users[names[0]], users[names[1]]
    origin.put(user, RULES)
    dead = await core.replica(names[1])
    await begun(client(query_period_seconds=1000), core)

    core.wants(user)
    core.hints(user)
    core.wants(ours)
    await core.told(ours)
    assert {ours in seen.path for seen in origin.seen} == {True}
    await dead.close()

    await core.told(user)
    assert await database.rows() == [(user.removeprefix("sip:").partition("@")[0], 2, RULES)]


async def test_service_that_stops_waits_for_a_core_to_confirm(
    client: Start, core: Core, database: Database, origin: Origin
) -> None:
    service = await begun(client(), core)
    core.deaf = 1

    core.wants(ALICE)
    await until(lambda: core.deaf == 0)
    stopping = asyncio.create_task(service.ended())

    await core.told(ALICE)
    assert await stopping == 0
