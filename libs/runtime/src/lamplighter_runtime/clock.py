"""The only place that reads the time of day; everything else gets `now` as an argument."""

import time


def wall() -> float:
    """Return the seconds since 1970-01-01T00:00:00Z: for what is stored or sent."""
    return time.time()


def monotonic() -> float:
    """Return seconds of a clock that never jumps: for timers and durations within this process."""
    return time.monotonic()
