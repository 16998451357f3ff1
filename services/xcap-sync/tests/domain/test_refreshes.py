from collections.abc import Callable

import pytest

from lamplighter_proto.ownership import shard_of
from xcap_sync.domain.refreshes import Refreshes

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"


class Heard:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.words: list[bool] = []

    def __call__(self, confirmed: bool) -> None:
        self.words.append(confirmed)


@pytest.fixture
def refreshes() -> Refreshes:
    return Refreshes("xcap-sync-1", 64, patience=60.0, first_id=100)


def owner(name: str | None = "core-1") -> Callable[[int], str | None]:
    return lambda shard: name


def sent(refreshes: Refreshes, now: float, name: str | None = "core-1") -> list[tuple[str, int, str]]:
    sends = refreshes.fresh(now, owner(name)) + refreshes.due(now, owner(name))
    return [(core, refresh.id, refresh.presentity) for core, refresh in sends]


def test_refresh_that_is_asked_for_goes_to_the_owner_of_its_shard_at_once(refreshes: Refreshes) -> None:
    refreshes.ask(ALICE, 10.0)

    [(core, refresh)] = refreshes.due(10.0, lambda shard: f"core-{shard}")

    assert core == f"core-{shard_of(ALICE, 64)}"
    assert (refresh.id, refresh.xcap_sync, refresh.shard) == (100, "xcap-sync-1", shard_of(ALICE, 64))


def test_refresh_that_nobody_confirms_is_sent_again_every_second_to_the_owner_of_then(refreshes: Refreshes) -> None:
    refreshes.ask(ALICE, 10.0)

    assert sent(refreshes, 10.0) == [("core-1", 100, ALICE)]
    assert sent(refreshes, 10.9) == []
    assert sent(refreshes, 11.0, "core-2") == [("core-2", 100, ALICE)]


def test_refresh_without_an_owner_waits_for_one(refreshes: Refreshes) -> None:
    refreshes.ask(ALICE, 10.0)

    assert sent(refreshes, 10.0, None) == []
    assert sent(refreshes, 10.1) == [("core-1", 100, ALICE)]


def test_refreshes_asked_for_before_one_is_sent_are_one(refreshes: Refreshes) -> None:
    first, second = Heard(), Heard()
    refreshes.ask(ALICE, 10.0, first)
    refreshes.ask(ALICE, 10.0, second)

    assert sent(refreshes, 10.0) == [("core-1", 100, ALICE)]
    assert refreshes.confirmed(100, 10.1)

    assert (first.words, second.words) == ([True], [True])
    assert len(refreshes) == 0


def test_refresh_asked_for_after_one_was_sent_is_not_confirmed_by_it(refreshes: Refreshes) -> None:
    first, second = Heard(), Heard()
    refreshes.ask(ALICE, 10.0, first)
    sent(refreshes, 10.0)
    refreshes.ask(ALICE, 10.1, second)
    refreshes.ask(ALICE, 10.1)

    assert sent(refreshes, 10.1) == []
    refreshes.confirmed(100, 10.2)

    assert (first.words, second.words) == ([True], [])
    assert sent(refreshes, 10.2) == [("core-1", 101, ALICE)]
    refreshes.confirmed(101, 10.3)
    assert second.words == [True]


def test_refresh_sent_again_stands_for_what_was_asked_since_under_a_new_id(refreshes: Refreshes) -> None:
    first, second = Heard(), Heard()
    refreshes.ask(ALICE, 10.0, first)
    sent(refreshes, 10.0)
    refreshes.ask(ALICE, 10.5, second)

    assert sent(refreshes, 11.0) == [("core-1", 101, ALICE)]
    assert refreshes.confirmed(101, 11.2)

    assert (first.words, second.words) == ([True], [True])
    assert not refreshes.confirmed(100, 11.3)
    assert sent(refreshes, 20.0) == []


def test_confirmation_that_comes_late_is_for_those_who_asked_before_it_was_sent(refreshes: Refreshes) -> None:
    first, second = Heard(), Heard()
    refreshes.ask(ALICE, 10.0, first)
    sent(refreshes, 10.0)
    refreshes.ask(ALICE, 10.5, second)
    sent(refreshes, 11.0)

    assert refreshes.confirmed(100, 11.1)

    assert (first.words, second.words) == ([True], [])
    assert sent(refreshes, 11.2) == []
    assert sent(refreshes, 12.0) == [("core-1", 101, ALICE)]
    refreshes.confirmed(101, 12.1)
    assert (second.words, len(refreshes)) == ([True], 0)


def test_core_that_is_slower_than_changes_come_confirms_them_all_the_same(refreshes: Refreshes) -> None:
    heard = [Heard() for _ in range(30)]
    late: list[int] = []
    for turn, one in enumerate(heard):
        now = 10.0 + turn
        refreshes.ask(ALICE, now, one)
        late += [number for _, number, _ in sent(refreshes, now + 0.5)]
        if turn >= 3:
            refreshes.confirmed(late[-3], now + 0.6)

    assert sum(one.words == [True] for one in heard) >= 25


def test_confirmation_that_comes_twice_or_of_another_life_says_nothing(refreshes: Refreshes) -> None:
    refreshes.ask(ALICE, 10.0)
    sent(refreshes, 10.0)

    assert not refreshes.confirmed(7, 10.1)
    assert refreshes.confirmed(100, 10.1)
    assert not refreshes.confirmed(100, 10.1)


def test_refresh_is_given_up_after_its_patience(refreshes: Refreshes) -> None:
    heard = Heard()
    refreshes.ask(ALICE, 10.0, heard)
    refreshes.ask(BOB, 20.0)

    assert refreshes.given_up(69.9) == []
    assert refreshes.given_up(70.0) == [ALICE]

    assert heard.words == [False]
    assert [presentity for _, _, presentity in sent(refreshes, 70.0)] == [BOB]


def test_refresh_that_is_asked_for_again_is_waited_for_anew(refreshes: Refreshes) -> None:
    refreshes.ask(ALICE, 10.0)
    sent(refreshes, 10.0)
    refreshes.ask(ALICE, 60.0)

    assert refreshes.given_up(70.0) == []
    assert refreshes.given_up(120.0) == [ALICE]


def test_refresh_of_everything_goes_to_each_core_until_each_confirms(refreshes: Refreshes) -> None:
    refreshes.ask_all(["core-1", "core-2"], 10.0)

    first = refreshes.due(10.0, owner(None))
    refreshes.confirmed(first[0][1].id, 10.1)

    assert [(core, refresh.shard, refresh.presentity) for core, refresh in first] == [
        ("core-1", -1, ""),
        ("core-2", -1, ""),
    ]
    assert [core for core, _ in refreshes.due(11.0, owner(None))] == ["core-2"]


def test_refresh_of_everything_is_forgotten_with_its_core_alone(refreshes: Refreshes) -> None:
    refreshes.ask_all(["core-1", "core-2"], 10.0)
    refreshes.ask(ALICE, 10.0)

    refreshes.forget_cores(["core-2"])

    assert [core for core, _ in refreshes.due(10.0, owner("core-3"))] == ["core-2", "core-3"]


def test_refresh_that_is_asked_for_all_the_time_is_one_under_way_and_one_more(refreshes: Refreshes) -> None:
    ids = []
    for tenth in range(500):
        refreshes.ask(ALICE, tenth / 10)
        ids += [number for _, number, _ in sent(refreshes, tenth / 10)]

    assert len(refreshes) == 1
    assert ids == list(range(100, 150))
    last = ids[-1]
    refreshes.confirmed(last, 50.0)
    [(_, follower, _)] = sent(refreshes, 50.0)
    refreshes.confirmed(follower, 50.1)
    assert len(refreshes) == 0
    assert not any(refreshes.confirmed(number, 50.2) for number in ids)


def test_refreshes_over_the_window_wait_until_others_are_confirmed() -> None:
    refreshes = Refreshes("xcap-sync-1", 64, patience=60.0, window=2)
    for user in ("a", "b", "c"):
        refreshes.ask(f"sip:{user}@example.com", 10.0)
    assert [number for _, number, _ in sent(refreshes, 10.0)] == [1, 2]
    assert [number for _, number, _ in sent(refreshes, 11.0)] == [1, 2]

    refreshes.confirmed(1, 11.1)

    assert [number for _, number, _ in sent(refreshes, 11.1)] == [3]


def test_refreshes_that_are_given_up_make_room() -> None:
    refreshes = Refreshes("xcap-sync-1", 64, patience=60.0, window=1)
    refreshes.ask(ALICE, 10.0)
    sent(refreshes, 10.0)
    refreshes.ask(BOB, 20.0)

    refreshes.given_up(70.0)

    assert [presentity for _, _, presentity in sent(refreshes, 70.0)] == [BOB]


def test_refreshes_without_an_owner_take_no_room() -> None:
    refreshes = Refreshes("xcap-sync-1", 64, patience=60.0, window=1)
    refreshes.ask(ALICE, 10.0)
    assert sent(refreshes, 10.0, None) == []
    refreshes.ask(BOB, 10.0)

    assert len(refreshes.fresh(10.0, owner())) == 1
