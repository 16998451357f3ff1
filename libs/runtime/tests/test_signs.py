"""What signs of life allow to conclude."""

from lamplighter_runtime.signs import Signs

LEASE = 2.0


def test_signs_of_one_who_renews_leave_no_doubt() -> None:
    signs = Signs(LEASE)

    for second in range(10):
        signs.written(second + 1, second * 0.66, second * 0.66 + 0.01)

        assert not signs.doubtful(second * 0.66 + 0.6)


def test_signs_of_one_who_only_looks_on_leave_no_doubt() -> None:
    assert not Signs(LEASE).doubtful(1000.0)


def test_signs_that_cannot_be_written_make_the_lack_of_others_doubtful_for_a_lease_after_they_can() -> None:
    signs = Signs(LEASE)
    signs.written(1, 0.0, 0.0)

    away = signs.doubtful(6.0)
    signs.written(2, 6.9, 7.0)

    for revision, at in enumerate((7.6, 8.2, 8.8), start=3):
        signs.written(revision, at, at)

    assert away
    assert signs.doubtful(8.9)
    assert not signs.doubtful(9.1)


def test_what_was_written_before_a_sign_that_came_back_is_known() -> None:
    signs = Signs(LEASE)
    signs.watch_begins()

    signs.written(7, 100.0, 100.1)
    signs.heard(6)
    before = signs.known_at
    signs.heard(7)

    assert before < 100.0
    assert signs.known_at == 100.0


def test_sign_that_came_back_before_it_was_acknowledged_is_known_too() -> None:
    signs = Signs(LEASE)
    signs.watch_begins()

    signs.heard(7)
    signs.written(7, 100.0, 100.1)

    assert signs.known_at == 100.0


def test_watch_that_does_not_bring_a_sign_back_is_deaf() -> None:
    signs = Signs(LEASE)
    signs.watch_begins()

    signs.written(7, 100.0, 100.1)

    assert not signs.deaf(100.9)
    assert signs.deaf(101.1)
    signs.watch_begins()
    assert not signs.deaf(101.1)
