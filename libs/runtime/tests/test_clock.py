from datetime import UTC, datetime

from lamplighter_runtime import clock


def test_wall_clock_counts_seconds_since_1970() -> None:
    assert abs(clock.wall() - datetime.now(UTC).timestamp()) < 5


def test_monotonic_clock_never_goes_back() -> None:
    first = clock.monotonic()

    assert clock.monotonic() >= first
