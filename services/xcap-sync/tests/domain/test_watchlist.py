import pytest

from xcap_sync.domain.watchlist import Job, Pace, Watchlist

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"


@pytest.fixture
def watchlist() -> Watchlist:
    return Watchlist(Pace(period=100.0), limit=3, fraction=lambda: 0.5)


def taken(watchlist: Watchlist, now: float) -> Job:
    job = watchlist.take(now)
    assert job is not None
    return job


def test_user_that_is_asked_for_is_looked_at_at_once(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.ask(ALICE, 10.0)

    job = taken(watchlist, 10.0)

    assert (job.presentity, job.usages, job.owed) == (ALICE, None, True)
    assert watchlist.take(10.0) is None


def test_user_that_is_ours_is_looked_at_again_after_the_period(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000, ours=True)
    watchlist.ask(ALICE, 10.0)
    taken(watchlist, 10.0)

    watchlist.finished(ALICE, 12.0)

    assert watchlist.next_due() == 112.0
    assert watchlist.take(111.9) is None
    assert not taken(watchlist, 112.0).owed


def test_user_of_another_replica_is_looked_at_only_when_asked_for(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.ask(ALICE, 10.0)
    taken(watchlist, 10.0)

    watchlist.finished(ALICE, 12.0)

    assert watchlist.take(10_000.0) is None


def test_user_is_looked_at_once_at_a_time_and_once_a_second(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000, ours=True)
    watchlist.ask(ALICE, 10.0)
    taken(watchlist, 10.0)
    watchlist.ask(ALICE, 10.1)
    watchlist.ask(ALICE, 10.2)

    assert watchlist.take(10.3) is None
    watchlist.finished(ALICE, 10.4)
    assert watchlist.take(10.9) is None

    assert taken(watchlist, 11.0).owed
    watchlist.finished(ALICE, 11.1)
    assert watchlist.take(50.0) is None


def test_what_is_asked_for_meanwhile_is_one_look_for_all(watchlist: Watchlist) -> None:
    heard: list[bool] = []
    watchlist.want(ALICE, 1000)
    watchlist.ask(ALICE, 10.0, usages=frozenset({"a"}), owed=False)
    watchlist.ask(ALICE, 10.0, usages=frozenset({"b"}), owed=True, done=[heard.append])

    job = taken(watchlist, 10.0)

    assert (job.usages, job.owed, job.done) == (frozenset({"a", "b"}), True, (heard.append,))


def test_look_at_all_and_a_look_at_some_is_a_look_at_all(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.ask(ALICE, 10.0, usages=frozenset({"a"}))
    watchlist.ask(ALICE, 10.0)

    assert taken(watchlist, 10.0).usages is None


def test_look_at_some_documents_does_not_put_off_the_look_at_all(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.watch(ALICE, 0.0)
    watchlist.ask(ALICE, 49.0, usages=frozenset({"a"}))
    taken(watchlist, 49.0)

    watchlist.finished(ALICE, 49.5)

    assert taken(watchlist, 50.0).usages is None


def test_look_that_came_due_during_another_follows_it(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.watch(ALICE, 0.0)
    watchlist.ask(ALICE, 49.0, usages=frozenset({"a"}))
    taken(watchlist, 49.0)
    assert watchlist.take(50.0) is None

    watchlist.finished(ALICE, 51.0)

    assert taken(watchlist, 51.0).usages is None


def test_what_is_asked_for_goes_before_the_clock(watchlist: Watchlist) -> None:
    for user in (ALICE, BOB):
        watchlist.want(user, 1000)
    watchlist.watch(ALICE, 0.0)
    watchlist.ask(BOB, 60.0)

    assert [taken(watchlist, 60.0).presentity for _ in range(2)] == [BOB, ALICE]


def test_users_that_become_ours_are_spread_over_the_period() -> None:
    fractions = iter([0.0, 0.25, 0.75])
    watchlist = Watchlist(Pace(period=100.0), limit=3, fraction=lambda: next(fractions))
    for user in ("a", "b", "c"):
        watchlist.want(user, 1000)
        assert watchlist.watch(user, 10.0)
        assert not watchlist.watch(user, 10.0)

    looks = {}
    for now in range(10, 120):
        while (job := watchlist.take(float(now))) is not None:
            looks[job.presentity] = now

    assert looks == {"a": 10, "b": 35, "c": 85}


def test_user_that_another_replica_looks_at_is_left(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.watch(ALICE, 0.0)

    watchlist.leave(ALICE)

    assert watchlist.take(1000.0) is None
    assert watchlist.watch(ALICE, 1000.0)


def test_without_a_period_a_user_that_becomes_ours_is_looked_at_once() -> None:
    watchlist = Watchlist(Pace(period=0.0), limit=3, fraction=lambda: 0.5)
    watchlist.want(ALICE, 1000)
    watchlist.watch(ALICE, 0.0)

    taken(watchlist, 15.0)
    watchlist.finished(ALICE, 16.0)

    assert watchlist.next_due() == float("inf")


def test_what_went_wrong_is_tried_again_before_the_period_is_over(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000, ours=True)
    watchlist.ask(ALICE, 10.0)
    taken(watchlist, 10.0)
    watchlist.retry(ALICE, 14.0)

    watchlist.finished(ALICE, 12.0)

    assert watchlist.take(13.9) is None
    assert taken(watchlist, 14.0).presentity == ALICE


def test_a_long_pause_does_not_put_off_the_next_look(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000, ours=True)
    watchlist.ask(ALICE, 10.0)
    taken(watchlist, 10.0)
    watchlist.retry(ALICE, 300.0)

    watchlist.finished(ALICE, 12.0)

    assert taken(watchlist, 112.0).presentity == ALICE


def test_users_over_the_limit_are_refused_and_known_ones_are_not(watchlist: Watchlist) -> None:
    for user in ("a", "b", "c"):
        assert watchlist.want(user, 1000)

    assert not watchlist.want("d", 1000)
    assert watchlist.want("a", 2000)
    assert (len(watchlist), watchlist.wanted_at("a"), watchlist.wanted_at("d")) == (3, 2000, 0)


def test_forgetting_takes_those_not_wanted_for_long_who_are_idle(watchlist: Watchlist) -> None:
    for user, wanted in (("old", 10), ("asked", 10), ("new", 20)):
        watchlist.want(user, wanted)
        watchlist.watch(user, 0.0)
    watchlist.ask("asked", 0.0)

    assert watchlist.forget(20) == ["old"]

    assert "old" not in watchlist
    assert watchlist.presentities() == ["asked", "new"]
    assert [taken(watchlist, 60.0).presentity for _ in range(2)] == ["asked", "new"]
    assert watchlist.take(60.0) is None


def test_finished_look_at_a_user_that_was_forgotten_is_nothing(watchlist: Watchlist) -> None:
    watchlist.finished(ALICE, 10.0)

    assert watchlist.next_due() == float("inf")


def test_user_that_was_never_looked_at_goes_before_those_who_are_wanted_still(watchlist: Watchlist) -> None:
    for user in (ALICE, BOB):
        watchlist.want(user, 1000)
    watchlist.ask(ALICE, 0.0)
    taken(watchlist, 0.0)
    watchlist.finished(ALICE, 0.1)
    watchlist.ask(ALICE, 10.0)
    watchlist.ask(BOB, 10.5)

    assert [taken(watchlist, 11.0).presentity for _ in range(2)] == [BOB, ALICE]


def test_user_that_is_asked_for_soon_after_a_look_waits_for_the_spacing(watchlist: Watchlist) -> None:
    watchlist.want(ALICE, 1000)
    watchlist.ask(ALICE, 10.0)
    taken(watchlist, 10.0)
    watchlist.finished(ALICE, 10.1)

    watchlist.ask(ALICE, 10.2)

    assert watchlist.take(10.9) is None
    assert taken(watchlist, 11.0).owed
