"""Signals from the first moment on: as PID 1 of a container a process never sees those that it has no handler for.

Rule 1: call it before anything is imported that takes time; this module imports nothing that does.
"""

import os
import signal
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)


def end_at_once() -> None:
    """Have SIGTERM and SIGINT end the process with 128 and their number, until `lifecycle` hears them instead."""
    for number in ENDING:
        signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)
