"""What goes wrong while presentities are used one by one (store=database), and whom it costs what."""

from collections.abc import Callable

import pytest

from lamplighter_proto import Publish, Subscribe
from lamplighter_runtime import clock
from presence_core.storage.memory import MemoryStore
from presence_core.testing import Core, etag, gate, gated, statuses, tick
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import StartCore, pidf, settle

STORES = ["database"]
PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]
MEETING = pidf(("t1", "meeting"))


async def later(core: Core, now: float) -> None:
    """Let the clock say `now`."""
    tick(core, now)
    await core.quiet()


async def test_without_the_store_all_are_refused_at_once_until_it_is_back(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    core.store.away = True
    replies = await core.ask(publish(b"1"), publish(b"2", presentity=BOB))
    assert statuses(replies) == [503, 503]
    assert core.shards.ready()["database"] is False

    core.store.away = False
    await core.until(lambda: core.shards.ready()["database"] and core.memory() is not None)
    await core.quiet()
    await settle(core)

    assert statuses(await core.ask(publish(b"1"))) == [200]
    assert core.documents[-1] == b"1"


async def test_commit_in_doubt_is_not_answered_until_it_is_asked_for_again(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    before, command = len(core.replies), publish(b"1")
    gated(core).doubtful = 1

    core.shards.on_commands([command])
    await core.quiet()
    assert core.replies[before:] == []
    await core.until(lambda: core.shards.ready()["database"])
    replies = await core.ask(command)

    (row,) = core.store.publications.values()
    assert etag(replies[0]) == row.publication.etag
    assert core.documents[-1] == b"1"


async def test_presentity_that_finds_a_bug_costs_itself_alone(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await core.ask(subscribe())
    await core.confirm()
    rows_of = MemoryStore._rows_of

    def picky(self: MemoryStore, aor: str) -> object:
        if aor == ALICE:
            raise ValueError("a bug")
        return rows_of(self, aor)

    monkeypatch.setattr(MemoryStore, "_rows_of", picky)
    replies = await core.ask(publish(b"1"), publish(b"2", presentity=BOB))
    assert sorted(statuses(replies)) == [200, 503]
    assert core.shards.ready()["database"]
    monkeypatch.undo()
    await core.ask(publish(b"3"))

    assert core.documents[-1] == b"3"


async def test_presentity_that_found_a_bug_is_minded_again_without_a_command(
    core: Core, subscribe: SubscribeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await core.ask(subscribe(expires=60))
    await core.confirm()
    now = clock.wall()
    monkeypatch.setattr(MemoryStore, "_rows_of", lambda self, aor: 1 / 0)
    await later(core, now + 61)
    monkeypatch.undo()

    await later(core, now + 100)
    await later(core, now + 101)

    assert core.targets[-1].state == "terminated"


async def test_nothing_is_said_before_the_commit(
    core: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    gate(core).clear()
    core.shards.on_commands([publish(b"1")])
    await core.quiet()
    said = len(core.replies), len(core.targets)

    await core.confirm()
    assert (len(core.replies), len(core.targets)) == said
    gate(core).set()
    await core.quiet()

    assert core.documents[-1] == b"1"


async def test_more_commands_than_may_wait_are_refused_503(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", xcap="none", waiting_commands="3")
    gate(core).clear()
    core.shards.on_commands([commands.publish(MEETING, content_type="application/pidf+xml")])
    await core.quiet()

    core.shards.on_commands([commands.pidf(MEETING) for _ in range(5)])
    await core.quiet()
    refused = statuses(core.replies)
    gate(core).set()
    await core.until(lambda: len(core.replies) == 6)

    assert refused == [503, 503]
    assert core.turns.pending == 0
