"""Waiting for something to hold."""

import time
from collections.abc import Callable

from lamplighter_runtime import clock


def until(condition: Callable[[], bool], seconds: float, complaint: Callable[[], str]) -> float:
    """Wait until a condition holds; return how many seconds that took, TimeoutError after `seconds`."""
    begin = clock.monotonic()
    while not condition():
        if clock.monotonic() - begin > seconds:
            raise TimeoutError(complaint())
        time.sleep(0.02)
    return clock.monotonic() - begin
