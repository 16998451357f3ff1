"""The committer with and without a period (design §4): what may leave before the save, when it saves, what may wait."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from presence_core.storage.testing import Rig, SlowStore

LONG = 3600.0
"""A period that no test sees the end of."""
SHORT = 0.001


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig(SlowStore())
    yield rig
    await rig.die()


# --- what may leave before the save


async def test_action_without_a_period_waits_for_the_save(rig: Rig) -> None:
    await rig.start(0.0)
    rig.store.gate.clear()

    rig.add("a")
    rig.then("answer")
    await rig.stuck()
    await rig.quiet()

    assert rig.done == []
    rig.store.gate.set()
    await rig.until(lambda: rig.done == ["answer", "committed"])


async def test_actions_with_a_period_run_in_order_before_the_save(rig: Rig) -> None:
    await rig.start(LONG)

    rig.add("a")
    rig.then("first")
    rig.then("second", 4)
    rig.then("third")
    assert rig.done == []
    await rig.quiet()

    assert rig.done == ["first", "second", "third", "committed"]
    assert rig.stored() == {}


async def test_actions_with_a_period_do_not_wait_for_a_save_under_way(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.add("a")
    await rig.stuck()

    rig.add("b")
    rig.then("answer")
    await rig.quiet()

    assert rig.done == ["answer", "committed"]


@pytest.mark.parametrize("period", [0.0, LONG])
async def test_action_of_saved_runs_after_the_save_in_both_modes(rig: Rig, period: float) -> None:
    await rig.start(period)
    rig.store.gate.clear()

    rig.add("a")
    rig.saved("reserved")
    await rig.stuck()
    await rig.quiet()

    assert rig.answers() == []
    rig.store.gate.set()
    await rig.until(lambda: rig.answers() == ["reserved"])
    assert rig.stored() == {"a": 5000}


@pytest.mark.parametrize("period", [0.0, LONG])
async def test_action_of_saved_without_changes_runs(rig: Rig, period: float) -> None:
    await rig.start(period)

    rig.saved("reserved")

    await rig.until(lambda: rig.answers() == ["reserved"])


# --- when it is saved


async def test_changes_gather_until_the_period_is_over(rig: Rig) -> None:
    await rig.start(SHORT)

    rig.add("a", until=1)
    rig.add("b", 4)
    rig.add("a", until=2)

    await rig.until(lambda: rig.stored() == {"a": 2, "b": 5000})
    rig.add("c")
    await rig.until(lambda: rig.stored() == {"a": 2, "b": 5000, "c": 5000})


async def test_crash_loses_what_was_not_saved_yet_and_nothing_else(rig: Rig) -> None:
    await rig.start(LONG)
    rig.add("old")
    await rig.committer.settled()
    rig.add("young")
    rig.then("answer")
    await rig.quiet()

    await rig.die()

    assert rig.answers() == ["answer"]
    assert rig.stored() == {"old": 5000}


async def test_settled_saves_at_once(rig: Rig) -> None:
    await rig.start(LONG)
    rig.add("a")
    rig.add("b", 4)

    settled = await rig.committer.settled()

    assert settled
    assert rig.stored() == {"a": 5000, "b": 5000}


async def test_settled_waits_for_what_came_during_a_save(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.add("a")
    await rig.stuck()
    rig.add("b")

    settling = asyncio.create_task(rig.committer.settled())
    await rig.quiet()
    assert not settling.done()
    rig.store.gate.set()

    assert await settling
    assert rig.stored() == {"a": 5000, "b": 5000}


async def test_many_rows_are_saved_before_the_period_is_over(rig: Rig) -> None:
    await rig.start(LONG, most=3)

    for number in range(3):
        rig.add(f"{number}")
    await rig.quiet()
    assert rig.stored() == {}
    rig.add("one more")

    await rig.until(lambda: len(rig.stored()) == 4)


# --- a shard that leaves


async def test_shard_that_leaves_answers_only_what_is_saved(rig: Rig) -> None:
    await rig.start(LONG)
    rig.store.gate.clear()
    rig.add("before")
    rig.then("answer before")
    settling = asyncio.create_task(rig.committer.settled([3]))
    await rig.stuck()

    rig.add("late")
    rig.then("late answer")
    rig.add("other", 4)
    rig.then("other answer", 4)
    await rig.quiet()

    assert rig.answers() == ["answer before", "other answer"]
    rig.store.gate.set()
    assert await settling
    assert "before" in rig.stored()
    await rig.committer.settled()
    assert rig.answers() == ["answer before", "other answer", "late answer"]
    assert "late" in rig.stored()


async def test_shard_that_has_left_answers_nothing_that_is_not_saved(rig: Rig) -> None:
    await rig.start(LONG)
    assert await rig.committer.settled([3])
    rig.add("late")
    rig.then("late answer")

    rig.committer.forget([3])
    await rig.committer.settled()

    assert rig.answers() == []
    assert rig.stored() == {}


async def test_shard_that_is_dropped_answers_nothing_more(rig: Rig) -> None:
    await rig.start(LONG)
    rig.then("answer", 3)
    rig.then("other answer", 4)

    rig.committer.forget([3])
    await rig.quiet()

    assert rig.answers() == ["other answer"]


async def test_shard_that_came_back_answers_at_once_again(rig: Rig) -> None:
    await rig.start(LONG)
    await rig.committer.settled([3])
    rig.committer.forget([3])
    rig.store.gate.clear()

    rig.add("a")
    rig.then("answer")
    await rig.quiet()

    assert rig.answers() == ["answer"]


# --- bounds


async def test_waiting_counts_the_rows_that_are_not_saved(rig: Rig) -> None:
    await rig.start(LONG)

    for number in range(7):
        rig.add(f"{number}")
        rig.then("answer")
    await rig.quiet()

    assert rig.committer.waiting == 7
    await rig.committer.settled()
    assert rig.committer.waiting == 0


async def test_waiting_counts_also_the_rows_that_are_tried_again(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.add("a")
    await rig.stuck()
    await rig.fail_once()
    assert rig.committer.waiting == 1
    rig.store.gate.clear()
    await rig.stuck()

    rig.add("b")

    assert rig.committer.waiting == 2


async def test_waiting_does_not_count_a_first_try(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.add("a")
    await rig.stuck()
    await rig.fail_once()
    await rig.committer.settled()
    rig.store.gate.clear()
    rig.add("b")
    await rig.stuck()

    rig.add("c")

    assert rig.committer.waiting == 1


async def test_waiting_without_a_period_counts_actions(rig: Rig) -> None:
    await rig.start(0.0)

    rig.add("a")
    rig.then("answer")
    rig.then("answer")

    assert rig.committer.waiting == 2
