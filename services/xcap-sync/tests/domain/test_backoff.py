import pytest

from xcap_sync.domain.backoff import Backoff


@pytest.fixture
def backoff() -> Backoff[str]:
    return Backoff(first=2.0, most=300.0, fraction=lambda: 0.999_999)


def test_failures_in_a_row_double_the_pause_up_to_the_most(backoff: Backoff[str]) -> None:
    now, pauses = 0.0, []
    for _ in range(10):
        until = backoff.failed("root", now)
        pauses.append(round(until - now))
        now = until

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_failure_of_what_is_left_alone_already_doubles_nothing(backoff: Backoff[str]) -> None:
    until = backoff.failed("root", 0.0)

    assert backoff.failed("root", 1.0) == until
    assert backoff.until("root") == until


def test_pause_is_shortened_by_up_to_a_quarter() -> None:
    backoff = Backoff[str](first=4.0, most=300.0, fraction=lambda: 0.0)

    assert backoff.failed("root", 10.0) == 13.0


@pytest.mark.parametrize(("asked", "pause"), [(1.0, 2), (60.0, 60), (86_400.0, 300)])
def test_failure_that_asks_for_a_pause_gets_it_up_to_the_most(
    backoff: Backoff[str], asked: float, pause: float
) -> None:
    until = backoff.failed("root", 0.0, asked)

    assert round(until) == pause


def test_pause_that_is_asked_for_is_not_shortened_and_makes_a_shorter_one_longer() -> None:
    backoff = Backoff[str](first=4.0, most=300.0, fraction=lambda: 0.0)
    backoff.failed("root", 0.0)

    assert backoff.failed("root", 1.0, 4.0) == 5.0
    assert backoff.failed("root", 2.0, 1.0) == 5.0
    assert backoff.failed("root", 5.0) == 11.0


def test_success_ends_the_pause_and_the_doubling(backoff: Backoff[str]) -> None:
    backoff.failed("root", 0.0)
    backoff.failed("root", 10.0)

    backoff.succeeded("root")

    assert (backoff.until("root"), len(backoff)) == (0.0, 0)
    assert round(backoff.failed("root", 20.0)) == 22


def test_failures_of_one_key_say_nothing_of_another(backoff: Backoff[str]) -> None:
    backoff.failed("root", 0.0)

    assert backoff.until("other") == 0.0


def test_very_many_failures_stay_at_the_most(backoff: Backoff[str]) -> None:
    now = 0.0
    for _ in range(3000):
        now = backoff.failed("root", now)

    assert round(backoff.failed("root", now) - now) == 300
