"""Dialogs that are over for good, and documents that tell only what has changed (RFC 4235 §4.1)."""

import msgspec
import pytest

from event_packages.registry import Registry
from lamplighter_runtime import clock
from presence_core.domain.publication import TOMBSTONE_SECONDS
from presence_core.shard import Due
from presence_core.testing import Core, FakeDirectory, etag, gate, successor, tick, to_tag
from presence_core.testing_commands import ALICE, Commands
from presence_core.testing_rules import StartCore, dialog_info, settle, shard, told, watching

STORES = ["write-through", "database"]
SHARDS_ONLY = {
    "test_ending_is_forgotten_after_its_time_in_memory_and_store",
    "test_ending_is_forgotten_in_time_by_the_next_owner",
    "test_ending_stays_remembered_while_a_publication_says_otherwise",
    "test_ending_of_a_refused_publication_is_not_remembered",
}

REMEMBERED = 2 * 3600 + TOMBSTONE_SECONDS
"""How long an ending is remembered by default, in seconds."""
KEY = (ALICE, "dialog")


@pytest.fixture
async def core(start: StartCore) -> Core:
    return await start(policy="open", xcap="none", partial_state_events="dialog")


def endings(core: Core) -> set[str]:
    entry = shard(core).entries.get(KEY)
    return set() if entry is None else set(entry.decided.endings)


# --- what is over stays over


async def test_late_news_of_an_ended_dialog_lights_no_lamp(core: Core, commands: Commands) -> None:
    reply = await watching(core, commands.subscribe(event="dialog"))
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "early"))))
    await settle(core)
    (second,) = await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), if_match=etag(first)))
    await settle(core)
    before = len(told(core, reply))

    await core.ask(commands.dialogs(dialog_info(("c1", "early"))))
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), if_match=etag(second)))
    await settle(core)
    await watching(core, commands.subscribe(event="dialog", call_id="later"))

    assert not any("early" in one.document or "confirmed" in one.document for one in told(core, reply)[before:])
    assert "early" not in core.documents[-1].decode()
    assert "confirmed" not in core.documents[-1].decode()


async def test_ending_of_one_dialog_leaves_the_others(core: Core, commands: Commands) -> None:
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"), ("c2", "confirmed"))))

    await core.ask(commands.dialogs(dialog_info(("c1", "terminated"), ("c2", "confirmed")), if_match=etag(first)))
    reply = await watching(core, commands.subscribe(event="dialog"))

    assert "c2" in told(core, reply)[0].document


async def test_next_owner_knows_what_is_over(
    core: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), expires=60))

    following = await successor(core, packages, directory)
    await following.ask(commands.dialogs(dialog_info(("c1", "early"))))
    reply = await watching(following, commands.subscribe(event="dialog"))

    assert "early" not in told(following, reply)[0].document
    await following.die()


async def test_ending_is_seen_only_when_it_is_committed(core: Core, commands: Commands) -> None:
    reply = await watching(core, commands.subscribe(event="dialog"))
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    await settle(core)
    gate(core).clear()

    core.shards.on_commands([commands.dialogs(dialog_info(("c1", "terminated")), if_match=etag(first))])
    await core.quiet()
    assert "terminated" not in told(core, reply)[-1].document
    gate(core).set()
    await core.quiet()

    assert "terminated" in told(core, reply)[-1].document


async def test_ending_is_forgotten_after_its_time_in_memory_and_store(core: Core, commands: Commands) -> None:
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), expires=60))
    now = clock.wall()
    tick(core, now + REMEMBERED - 10)
    await core.quiet()
    assert len(core.store.endings) == len(endings(core)) == 1

    tick(core, now + REMEMBERED + 2)
    await core.quiet()

    assert core.store.endings == {}
    assert shard(core).entries == {}


async def test_ending_is_forgotten_in_time_by_the_next_owner(
    core: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), expires=60))

    following = await successor(core, packages, directory)
    tick(following, clock.wall() + REMEMBERED + 2)
    await following.quiet()

    assert following.store.endings == {}
    assert endings(following) == set()
    await following.die()


async def test_ending_stays_remembered_while_a_publication_says_otherwise(core: Core, commands: Commands) -> None:
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), expires=60))
    now = clock.wall()
    (late,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), expires=3600))
    entry = shard(core).entries[KEY]
    (publication,) = [one for one in entry.decided.publications if one.etag == etag(late)]
    longer = msgspec.structs.replace(publication, expires=int(now) + REMEMBERED + 100)
    others = [one for one in entry.decided.publications if one is not publication]
    entry.decided = msgspec.structs.replace(entry.decided, publications=(*others, longer))
    shard(core).wheel.set((Due.PRESENTITY, KEY), now + REMEMBERED + 1)

    tick(core, now + REMEMBERED + 2)
    await core.quiet()
    reply = await watching(core, commands.subscribe(event="dialog"))

    assert len(core.store.endings) == len(endings(core)) == 1
    assert "confirmed" not in told(core, reply)[0].document
    tick(core, now + 2 * REMEMBERED + 10)
    await core.quiet()
    assert core.store.endings == {}


async def test_ending_of_a_refused_publication_is_not_remembered(core: Core, commands: Commands) -> None:
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), if_match="unknown"))

    assert core.store.endings == {}
    assert endings(core) == set()


async def test_shared_line_is_never_over_for_good(core: Core, commands: Commands) -> None:
    line = dialog_info(("c1", "confirmed")).replace(b' call-id="c1"', b"")
    over = dialog_info(("c1", "terminated")).replace(b' call-id="c1"', b"")
    sla = [("sla", "")]
    (first,) = await core.ask(commands.dialogs(line, event_params=sla))
    (second,) = await core.ask(commands.dialogs(over, event_params=sla, if_match=etag(first)))
    await core.ask(commands.dialogs(line, event_params=sla, if_match=etag(second)))

    reply = await watching(core, commands.subscribe(event="dialog", event_params=sla))

    assert "confirmed" in told(core, reply)[0].document
    assert core.store.endings == {}


# --- partial documents


def kinds(core: Core, reply: object) -> list[tuple[str, int]]:
    """Return whether documents were full, and their versions."""
    found = told(core, reply)  # type: ignore[arg-type]
    return [("partial" if 'state="partial"' in one.document else "full", one.version) for one in found]


async def test_change_is_told_by_what_has_changed(core: Core, commands: Commands) -> None:
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    reply = await watching(core, commands.subscribe(event="dialog"))

    both = dialog_info(("c1", "confirmed"), ("c2", "early"))
    (second,) = await core.ask(commands.dialogs(both, if_match=etag(first)))
    await settle(core)
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), if_match=etag(second)))
    await settle(core)

    assert kinds(core, reply) == [("full", 0), ("partial", 1), ("partial", 2)]
    added, removed = (one.document for one in told(core, reply)[1:])
    assert ("c1" in added, "c2" in added, "early" in added) == (False, True, True)
    assert ("c1" in removed, "c2" in removed, "terminated" in removed) == (False, True, True)


async def test_change_is_told_whole_where_partial_documents_are_not_wanted(
    start: StartCore, commands: Commands
) -> None:
    core = await start(policy="open")
    reply = await watching(core, commands.subscribe(event="dialog"))

    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    await settle(core)

    assert kinds(core, reply) == [("full", 0), ("full", 1)]


async def test_change_while_a_notify_is_in_flight_builds_on_what_that_told(core: Core, commands: Commands) -> None:
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "early"))))
    (reply,) = await core.ask(commands.subscribe(event="dialog"))
    for state in ("confirmed", "terminated"):
        (first,) = await core.ask(commands.dialogs(dialog_info(("c1", state)), if_match=etag(first)))

    await settle(core)

    assert kinds(core, reply) == [("full", 0), ("partial", 1)]
    assert "terminated" in told(core, reply)[1].document


@pytest.mark.parametrize("what", ["failure", "silence"])
async def test_watcher_that_may_have_missed_something_is_told_all(core: Core, commands: Commands, what: str) -> None:
    reply = await watching(core, commands.subscribe(event="dialog"))
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "early"))))
    now = clock.wall()

    if what == "failure":
        await core.confirm(503)
        tick(core, now + 6)
    else:
        tick(core, now + 4)
    await core.quiet()
    await settle(core)
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), if_match=etag(first)))
    await settle(core)

    assert kinds(core, reply) == [("full", 0), ("partial", 1), ("full", 2), ("partial", 3)]
    assert "early" in told(core, reply)[2].document


async def test_refresh_is_told_all(core: Core, commands: Commands) -> None:
    await core.ask(commands.dialogs(dialog_info(("c1", "early"))))
    reply = await watching(core, commands.subscribe(event="dialog", call_id="c"))

    await watching(core, commands.subscribe(event="dialog", call_id="c", cseq=2, to_tag=to_tag(reply)))

    assert kinds(core, reply) == [("full", 0), ("full", 1)]


async def test_next_owner_tells_all(
    core: Core, commands: Commands, packages: Registry, directory: FakeDirectory
) -> None:
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "early"))))
    reply = await watching(core, commands.subscribe(event="dialog"))
    await core.save_progress()

    following = await successor(core, packages, directory)
    await following.quiet()
    assert told(following, reply) == []
    await following.ask(commands.dialogs(dialog_info(("c1", "confirmed")), if_match=etag(first)))
    await settle(following)
    await following.ask(commands.dialogs(dialog_info(("c2", "confirmed"))))
    await settle(following)

    assert [kind for kind, _ in kinds(following, reply)] == ["full", "partial"]
    assert told(following, reply)[0].version > told(core, reply)[-1].version
    await following.die()


async def test_document_that_was_not_told_is_nothing_to_build_on(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", partial_state_events="dialog", document_limit_bytes="600")
    reply = await watching(core, commands.subscribe(event="dialog"))
    many = dialog_info(*[(f"c{number}", "confirmed") for number in range(4)])
    (first,) = await core.ask(commands.dialogs(many))
    await settle(core)

    await core.ask(commands.dialogs(dialog_info(("c0", "confirmed")), if_match=etag(first)))
    await settle(core)

    assert [bool(one.document) for one in told(core, reply)] == [True, False, True]
    assert kinds(core, reply)[-1][0] == "full"
    assert "c0" in told(core, reply)[-1].document
