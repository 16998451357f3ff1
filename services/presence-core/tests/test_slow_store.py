"""How much may wait for a database that is slow: what it commits before the clients give up."""

from collections.abc import AsyncIterator, Callable

import pytest

from lamplighter_proto import Answer, Publish
from lamplighter_runtime import clock
from presence_core.commit import LEAST_WAITING
from presence_core.storage.testing import Rig, SlowStore
from presence_core.testing import Core, gate, statuses


class Time:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(clock, "monotonic", time)
    return time


@pytest.fixture
async def rig(time: Time) -> AsyncIterator[Rig]:
    rig = Rig(SlowStore())
    await rig.start(0.0)
    yield rig
    await rig.die()


async def flush(rig: Rig, time: Time, rows: int, seconds: float) -> None:
    """Save so many rows in a flush that takes so long."""
    rig.store.gate.clear()
    for number in range(rows):
        rig.add(f"{time.now}-{number}")
    await rig.until(lambda: rig.store.at_gate == 1)
    time.now += seconds
    rig.store.gate.set()
    await rig.committer.settled()


def wait(rig: Rig, actions: int) -> None:
    """Let so many actions wait for the next flush."""
    for _ in range(actions):
        rig.then("answer")


async def test_store_that_keeps_up_sets_no_limit(rig: Rig, time: Time) -> None:
    await flush(rig, time, rows=10, seconds=0.4)

    wait(rig, 5000)

    assert not rig.committer.overloaded


async def test_slow_store_lets_wait_what_it_commits_in_two_seconds(rig: Rig, time: Time) -> None:
    await flush(rig, time, rows=500, seconds=4.0)

    wait(rig, 249)
    before = rig.committer.overloaded
    wait(rig, 1)

    assert (before, rig.committer.overloaded) == (False, True)


async def test_very_slow_store_still_gets_some_work(rig: Rig, time: Time) -> None:
    await flush(rig, time, rows=2, seconds=4.0)

    wait(rig, LEAST_WAITING - 1)
    before = rig.committer.overloaded
    wait(rig, 1)

    assert (before, rig.committer.overloaded) == (False, True)


async def test_store_that_is_quick_again_sets_no_limit_any_more(rig: Rig, time: Time) -> None:
    await flush(rig, time, rows=2, seconds=4.0)
    await flush(rig, time, rows=2, seconds=0.1)

    wait(rig, 5000)

    assert not rig.committer.overloaded


async def test_flush_that_does_not_end_lets_nothing_more_wait(rig: Rig, time: Time) -> None:
    rig.store.gate.clear()
    rig.add("a")
    await rig.until(lambda: rig.store.at_gate == 1)

    time.now += 1.9
    before = rig.committer.overloaded
    time.now += 0.2
    during = rig.committer.overloaded
    rig.store.gate.set()
    await rig.until(lambda: not rig.store.at_gate)
    await rig.committer.settled()

    assert (before, during, rig.committer._began) == (False, True, None)


async def test_store_that_is_away_is_no_measure_for_ever(rig: Rig, time: Time) -> None:
    rig.store.away = True
    await flush(rig, time, rows=2, seconds=5.0)
    limited = rig.committer._room
    rig.store.away = False
    await flush(rig, time, rows=2, seconds=0.1)

    assert limited == LEAST_WAITING
    wait(rig, 5000)
    assert not rig.committer.overloaded


async def test_with_a_period_only_the_number_of_rows_is_a_limit(time: Time) -> None:
    rig = Rig(SlowStore())
    await rig.start(0.001)
    await flush(rig, time, rows=2, seconds=100.0)
    wait(rig, 5000)

    assert not rig.committer.overloaded
    await rig.die()


async def test_flood_while_the_store_stands_still_is_refused_and_served_when_it_goes_on(
    core: Core, publish: Callable[..., Publish], monkeypatch: pytest.MonkeyPatch
) -> None:
    if core.settings.store != "write-through":
        pytest.skip("there answers do not wait for the commits of others")
    later = clock.monotonic() + 3.0
    gate(core).clear()
    core.shards.on_commands([publish()])
    await core.quiet()
    monkeypatch.setattr(clock, "monotonic", lambda: later)

    core.shards.on_commands([publish() for _ in range(5000)])
    await core.quiet()
    refused, waiting = statuses(core.replies), core.committer.waiting
    monkeypatch.undo()
    gate(core).set()
    await core.quiet()
    core.replies.clear()
    (reply,) = await core.ask(publish())

    assert refused == [503] * 5000
    assert waiting <= 1
    assert isinstance(reply, Answer)
    assert reply.status == 200
