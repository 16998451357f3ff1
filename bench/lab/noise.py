"""Whether a run was quiet enough to count: what others did on this machine while it went on.

Three things disqualify a run: CPU that other processes used, CPU that the host gave to others ("steal"), and a loop of
fixed work that took more CPU time beside the run than it usually took in the session (a slower clock, spoilt caches).
On a machine whose speed others change all the time the best of a session is a stroke of luck; what is usual is not.
"""

import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median_low

import msgspec

from bench.lab import process
from lamplighter_runtime import clock

OTHERS_MOST = 0.05
"""Of all the CPU time that there was."""
STEAL_MOST = 0.02
SLOWER_MOST = 1.25
"""Times the usual calibration of a session."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Noise(msgspec.Struct, kw_only=True):
    """What was measured beside a run."""

    others: float = 0.0
    steal: float = 0.0
    calibration_ms: float = 0.0
    """CPU time of the fixed work, the longer of before and after."""

    def reasons(self, usual_ms: float) -> list[str]:
        """Return why the run does not count; `usual_ms` is what `usual_calibration` says of the session."""
        slower = self.calibration_ms / usual_ms if usual_ms else 1.0
        return [
            *([f"others used {self.others:.0%} of the CPU"] if self.others > OTHERS_MOST else []),
            *([f"{self.steal:.0%} of the CPU stolen"] if self.steal > STEAL_MOST else []),
            *([f"fixed work took {slower:.2f} times as long"] if slower > SLOWER_MOST else []),
        ]


def usual_calibration(noises: Iterable[Noise]) -> float:
    """Return the median of the calibrations of a session, in milliseconds; 0 without any."""
    measured = [one.calibration_ms for one in noises]
    return median_low(measured) if measured else 0.0


@contextmanager
def watched(roots: Iterable[int]) -> Iterator[Noise]:
    """Measure what is neither ours nor that of the process trees `roots` while the block runs."""
    noise, pids = Noise(), list(roots)
    before = calibrate()
    start, busy, stolen, ours = clock.monotonic(), *_machine(), _ours(pids)
    yield noise
    elapsed = (clock.monotonic() - start) * (os.cpu_count() or 1)
    busy_after, stolen_after = _machine()
    noise.others = round(max(0.0, busy_after - busy - (_ours(pids) - ours)) / elapsed, 4)
    noise.steal = round((stolen_after - stolen) / elapsed, 4)
    noise.calibration_ms = round(max(before, calibrate()), 3)


def calibrate() -> float:
    """Return the CPU milliseconds of some fixed work, the best of five."""
    return min(_timed(_work) for _ in range(5))


def _timed(work: Callable[[], object]) -> float:
    begin = time.process_time_ns()
    work()
    return (time.process_time_ns() - begin) / 1e6


def _work() -> int:
    table = {number: str(number) for number in range(30_000)}
    return sum(len(table[number * 7919 % 30_000]) for number in range(30_000))


def _machine() -> tuple[float, float]:
    """Return the CPU seconds used by processes, and those stolen, since the machine started."""
    user, nice, system, _, _, _, _, steal = (
        int(word) / _TICKS for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system, steal


def _ours(roots: list[int]) -> float:
    """Return the CPU seconds of the servers, of this process and of the children it waited for."""
    own = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in own) + sum(one.cpu_seconds for one in process.trees(roots))
