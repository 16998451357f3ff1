"""What becomes of changes when a save fails: the database is away, a shard is fenced, a row cannot be saved."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest
from msgspec import structs

from presence_core.domain.subscription import Status
from presence_core.domain.watcher import KnownWatcher
from presence_core.storage.memory import MemoryStore
from presence_core.storage.testing import Rig, SlowStore
from presence_core.store import Changes, Ending, StoreAway, StoredSubscription, StoredWatcher

LONG = 3600.0
"""A period that no test sees the end of."""
SHORT = 0.001
WATCHER = KnownWatcher(
    presentity="sip:alice@example.com",
    watcher="sip:bob@example.com",
    event="presence",
    status=Status.WAITING,
    reason="",
    inserted=1,
    id="1",
)


@dataclass(frozen=True)
class Pair:
    """How to save a row and how to delete it."""

    save: Callable[[Changes], None]
    delete: Callable[[Changes], None]
    there: Callable[[MemoryStore], bool]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig(SlowStore())
    yield rig
    await rig.die()


# --- without the database


async def test_without_a_period_a_store_that_is_away_costs_all_that_waits(rig: Rig) -> None:
    await rig.start(0.0)
    rig.store.away = True

    rig.add("a")
    rig.then("answer")
    await rig.until(lambda: bool(rig.failures))
    rig.store.away = False
    await rig.committer.settled()

    assert rig.failures == [([3], "StoreAway")]
    assert rig.answers() == []
    assert rig.stored() == {}


async def test_with_a_period_changes_outlive_a_store_that_is_away(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.away = True
    rig.add("a", until=1)
    rig.add("b")
    rig.saved("first reserved")
    rig.then("answer")
    await rig.until(lambda: rig.store.failures >= 1)

    rig.add("a", until=2)
    rig.add("c", 4)
    rig.saved("second reserved")
    await rig.until(lambda: rig.store.failures >= 3)
    assert rig.answers() == ["answer"]
    rig.store.away = False

    await rig.until(lambda: len(rig.answers()) == 3)
    assert rig.answers() == ["answer", "first reserved", "second reserved"]
    assert rig.stored() == {"a": 2, "b": 5000, "c": 5000}
    assert rig.failures == []


async def test_actions_keep_their_order_when_batches_become_one(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.add("a")
    rig.saved("first")
    await rig.stuck()
    rig.saved("second")

    await rig.fail_once()
    await rig.committer.settled()

    assert rig.answers() == ["first", "second"]


async def test_settled_loses_patience_with_a_store_that_is_away_and_nothing_else(rig: Rig) -> None:
    await rig.start(SHORT, patience=0.01)
    rig.store.away = True
    rig.add("a")

    settled = await rig.committer.settled()

    assert not settled
    rig.store.away = False
    assert await rig.committer.settled()
    assert rig.stored() == {"a": 5000}


def watcher_pair() -> Pair:
    stored = StoredWatcher(shard=3, watcher=WATCHER)

    def save(changes: Changes) -> None:
        changes.watchers[WATCHER.key] = stored

    def delete(changes: Changes) -> None:
        changes.gone_watchers[WATCHER.key] = 3

    return Pair(save, delete, lambda store: WATCHER.key in store.watchers)


def ending_pair() -> Pair:
    ending = Ending(shard=3, aor="sip:alice@example.com", event="dialog", name="a", until=1)

    def save(changes: Changes) -> None:
        changes.endings[ending.key] = ending

    def delete(changes: Changes) -> None:
        changes.gone_endings[ending.key] = 3

    return Pair(save, delete, lambda store: ending.key in store.endings)


@pytest.mark.parametrize("pair", [watcher_pair(), ending_pair()], ids=["watcher", "ending"])
@pytest.mark.parametrize("last", ["saved", "deleted"])
@pytest.mark.parametrize("before", ["there", "not there"])
async def test_last_change_of_a_row_wins_when_batches_become_one(rig: Rig, pair: Pair, last: str, before: str) -> None:
    await rig.start(SHORT)
    if before == "there":
        pair.save(rig.changes())
        await rig.committer.settled()
    steps = (pair.delete, pair.save) if last == "saved" else (pair.save, pair.delete)
    rig.store.gate.clear()
    steps[0](rig.changes())
    await rig.stuck()
    steps[1](rig.changes())

    await rig.fail_once()
    await rig.committer.settled()

    assert pair.there(rig.store) == (last == "saved")


async def test_subscription_that_ends_before_it_is_saved_is_gone(
    rig: Rig, stored_subscription: Callable[..., StoredSubscription]
) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.changes().subscriptions |= {"a": stored_subscription("a"), "b": stored_subscription("b")}
    await rig.stuck()
    refreshed = structs.replace(stored_subscription("b"), cseq_limit=1000)
    rig.changes().gone["a"] = 3
    rig.changes().subscriptions["b"] = refreshed

    await rig.fail_once()
    await rig.committer.settled()

    assert rig.store.subscriptions == {"b": refreshed}


# --- refused saves


@pytest.mark.parametrize("period", [0.0, LONG])
async def test_fenced_shard_is_dropped_and_the_others_are_saved(rig: Rig, period: float) -> None:
    await rig.start(period)
    await rig.store.claim({3: 1}, "core-2")

    rig.add("a", 3)
    rig.saved("of a shard that is fenced", 3)
    rig.add("b", 4)
    rig.saved("of a good shard", 4)
    await rig.committer.settled()

    assert rig.failures == [([3], "Fenced")]
    assert rig.answers() == ["of a good shard"]
    assert rig.stored() == {"b": 5000}


async def test_watchers_of_the_others_are_saved_beside_a_fenced_shard(rig: Rig) -> None:
    await rig.start(LONG)
    await rig.store.claim({3: 1}, "core-2")
    others = replace(WATCHER, presentity="sip:carol@example.com")
    left = replace(WATCHER, presentity="sip:dave@example.com")
    rig.store.watchers[left.key] = StoredWatcher(shard=4, watcher=left)

    rig.changes(3).watchers[WATCHER.key] = StoredWatcher(shard=3, watcher=WATCHER)
    rig.changes(4).watchers[others.key] = StoredWatcher(shard=4, watcher=others)
    rig.changes(4).gone_watchers[left.key] = 4
    await rig.committer.settled()

    assert set(rig.store.watchers) == {others.key}


@pytest.mark.parametrize("period", [0.0, LONG])
async def test_row_that_cannot_be_saved_costs_its_shard_alone(rig: Rig, period: float) -> None:
    await rig.start(period)
    rig.store.refused = "bad"

    rig.add("bad", 3)
    rig.add("b", 4)
    await rig.committer.settled()

    assert rig.failures == [([3], "ValueError")]
    assert rig.stored() == {"b": 5000}


async def test_shard_that_is_fenced_while_the_store_comes_and_goes_stays_dropped(rig: Rig) -> None:
    await rig.start(SHORT)
    await rig.store.claim({3: 1}, "core-2")
    rig.store.away = True
    rig.add("a", 3)
    rig.saved("of a shard that is fenced", 3)
    rig.add("b", 4)
    await rig.until(lambda: rig.store.failures >= 2)

    rig.store.away = False
    await rig.committer.settled()

    assert rig.failures == [([3], "Fenced")]
    assert rig.answers() == []
    assert rig.stored() == {"b": 5000}


async def test_store_that_goes_away_between_the_shards_of_a_batch_costs_none_of_the_good_ones() -> None:
    rig = Rig(FallingStore())
    await rig.start(SHORT)
    rig.store.refused = "bad"

    rig.add("bad", 3)
    rig.add("b", 4)
    rig.saved("of a good shard", 4)
    await rig.committer.settled()

    assert rig.failures == [([3], "ValueError")]
    assert rig.answers() == ["of a good shard"]
    assert rig.stored() == {"b": 5000}
    await rig.die()


class FallingStore(SlowStore):
    """A store that goes away once, with a batch of shard 4 alone."""

    async def save(self, changes: Changes) -> None:
        if set(changes.epochs) == {4} and not self.failures:
            self.failures += 1
            raise StoreAway("told to fall")
        await super().save(changes)


async def test_shard_that_was_dropped_once_keeps_what_it_has_since(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.committer.forget([3])
    rig.store.gate.clear()
    rig.add("a")
    await rig.stuck()

    await rig.fail_once()
    await rig.committer.settled()

    assert rig.stored() == {"a": 5000}


async def test_rows_of_a_shard_that_was_dropped_do_not_come_back_under_its_next_epoch(rig: Rig) -> None:
    await rig.start(SHORT)
    rig.store.gate.clear()
    rig.add("old era")
    rig.saved("old era")
    rig.add("other", 4)
    await rig.stuck()

    rig.committer.forget([3])
    rig.epochs |= await rig.store.claim({3: 1}, "core-1")
    rig.add("new era")
    rig.saved("new era")
    await rig.fail_once()
    await rig.committer.settled()

    assert rig.failures == []
    assert rig.answers() == ["new era"]
    assert rig.stored() == {"new era": 5000, "other": 5000}
