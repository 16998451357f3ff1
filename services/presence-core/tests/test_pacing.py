"""Bounded work for each presentity: so many NOTIFYs are under way; its other watchers wait for their turn."""

from collections.abc import AsyncIterator

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Target
from lamplighter_runtime import clock
from presence_core.shard import Shard
from presence_core.testing import Core, FakeDirectory, GatedStore, tick
from presence_core.testing_commands import Commands

AT_A_TIME, WATCHERS = 10, 35


@pytest.fixture
async def crowded(package: EventPackage, directory: FakeDirectory, commands: Commands) -> AsyncIterator[Core]:
    """Return a core with many watchers of one presentity, who have all been told."""
    store = GatedStore()
    await store.open(64)
    core = Core("core-1", package, store, directory, notifies_per_presentity=str(AT_A_TIME))
    await core.start()
    await core.ask(*[commands.subscribe() for _ in range(WATCHERS)])
    await core.confirm(targets=told(core))
    yield core
    await core.die()


def told(core: Core) -> list[Target]:
    """Return and forget whom the core has told since."""
    targets, core.targets[:] = list(core.targets), []
    return targets


def tags(targets: list[Target]) -> set[str]:
    return {target.dialog.local_tag for target in targets}


async def test_change_is_told_to_so_many_at_a_time_and_to_the_next_with_each_outcome(
    crowded: Core, commands: Commands
) -> None:
    await crowded.ask(commands.publish(b"open"))
    first = told(crowded)
    await crowded.confirm(targets=first[:3])
    second = told(crowded)
    await crowded.confirm(targets=first[3:] + second)
    third = told(crowded)
    await crowded.confirm(targets=third)
    fourth = told(crowded)

    assert [len(some) for some in (first, second, third, fourth)] == [AT_A_TIME, 3, AT_A_TIME, AT_A_TIME]
    await crowded.confirm(targets=fourth)
    last = told(crowded)
    assert len(last) == WATCHERS - AT_A_TIME * 3 - 3
    assert len(tags(first + second + third + fourth + last)) == WATCHERS


async def test_watchers_who_answer_nothing_do_not_keep_the_others_waiting_for_ever(
    crowded: Core, commands: Commands
) -> None:
    await crowded.ask(commands.publish(b"open"))
    heard = told(crowded)
    now = clock.wall()

    for step in range(AT_A_TIME * 2):
        tick(crowded, now + step * 0.1)
        await crowded.quiet()
        heard += told(crowded)

    assert len(tags(heard)) == WATCHERS


async def test_watcher_who_waited_is_told_the_state_of_his_turn(crowded: Core, commands: Commands) -> None:
    await crowded.ask(commands.publish(b"old"))
    first = told(crowded)
    await crowded.ask(commands.publish(b"new"))
    both = told(crowded)
    crowded.documents.clear()
    await crowded.confirm(targets=first)

    later = told(crowded)

    assert both == []
    assert len(later) == AT_A_TIME
    assert all(b"new" in document for document in crowded.documents)


async def test_watcher_who_is_gone_when_his_turn_comes_costs_the_next_nothing(
    crowded: Core, commands: Commands
) -> None:
    await crowded.ask(commands.publish(b"open"))
    first = told(crowded)
    waiting = [tag for tag in crowded_tags(crowded) if tag not in tags(first)]
    for tag in waiting[:5]:
        crowded.teller.remove(memory(crowded), tag, clock.wall())

    await crowded.confirm(targets=first)

    assert tags(told(crowded)) == set(waiting[5 : 5 + AT_A_TIME])


async def test_shard_that_is_lost_has_nobody_waiting(
    crowded: Core, commands: Commands, directory: FakeDirectory
) -> None:
    await crowded.ask(commands.publish(b"open"))
    first = told(crowded)
    crowded.teller.forget_shards({memory(crowded).number})

    await crowded.confirm(targets=first)

    assert told(crowded) == []


def memory(core: Core) -> Shard:
    shard = core.memory()
    assert shard is not None
    return shard


def crowded_tags(core: Core) -> list[str]:
    return list(memory(core).deliveries)


async def test_progress_of_many_watchers_is_saved_a_few_at_a_time(
    crowded: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("presence_core.shards.PROGRESS_ROWS", AT_A_TIME)
    unsaved = memory(crowded).unsaved
    left = []
    while crowded.shards._save_some_progress(memory(crowded).number):
        left.append(len(unsaved))

    await crowded.quiet()

    assert left == [WATCHERS - AT_A_TIME, WATCHERS - 2 * AT_A_TIME]
    assert len(unsaved) == WATCHERS - 3 * AT_A_TIME
