"""What a session measured, as it is kept in JSON."""

import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import msgspec

from bench.compare.loads import LOADS
from bench.lab.noise import Noise, usual_calibration
from bench.lab.presload import Report


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One load on one server in one round."""

    server: str
    load: str
    round: int
    command: str
    report: Report | None
    """None when presload could not begin."""
    trouble: str = ""
    noise: Noise

    @property
    def clean(self) -> bool:
        """Return whether nothing was lost, stale or unexpected."""
        return self.report is not None and self.report.ok


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one session."""

    machine: str
    seconds: float
    rounds: int
    runs: list[Run]

    @property
    def usual_calibration_ms(self) -> float:
        """Return the median of the calibrations."""
        return usual_calibration(run.noise for run in self.runs)

    def noisy(self) -> list[tuple[Run, list[str]]]:
        """Return the runs that do not count, each with the reasons."""
        usual = self.usual_calibration_ms
        return [(run, reasons) for run in self.runs if (reasons := run.noise.reasons(usual))]

    def of(self, load: str, server: str, *, keep_noisy: bool = False) -> "Cell":
        """Return what counts of a load on a server."""
        usual = self.usual_calibration_ms
        mine = [run for run in self.runs if (run.load, run.server) == (load, server)]
        kept = [run for run in mine if keep_noisy or not run.noise.reasons(usual)]
        return Cell(load=load, runs=kept, excluded=len(mine) - len(kept))

    def loads(self) -> list[str]:
        """Return the loads in their order."""
        return [load for load in LOADS if any(run.load == load for run in self.runs)]

    def servers(self) -> list[str]:
        """Return the servers in their order."""
        return list(dict.fromkeys(run.server for run in self.runs))


class Spread(msgspec.Struct, frozen=True):
    """Median, least and most."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Return the spread of the values that are numbers; None when there are none."""
        known = [value for value in values if value == value]  # NaN is not itself.
        return cls(median(known), min(known), max(known)) if known else None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one load on one server that count."""

    load: str
    runs: list[Run]
    excluded: int

    def per_second(self) -> Spread | None:
        """Return operations per second."""
        return self._spread(LOADS[self.load].per_second)

    def cost(self) -> Spread | None:
        """Return CPU microseconds per operation."""
        return self._spread(LOADS[self.load].cost)

    def delay(self, point: str) -> Spread | None:
        """Return the milliseconds of a percentile, such as `p99`."""
        delay = LOADS[self.load].delay
        return Spread.of(
            float(getattr(told, point))
            for run in self.runs
            if run.report and (told := run.report.latency_ms.get(delay)) is not None
        )

    def _spread(self, take: Callable[[Report], float]) -> Spread | None:
        return Spread.of(take(run.report) for run in self.runs if run.report)


def machine() -> str:
    """Return what this machine is, in a line."""
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, Python {platform.python_version()}"
