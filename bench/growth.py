"""What size costs: CPU per PUBLISH, memory, start-up and take-over beside more and more subscriptions to others.

    python -m bench.growth [--sizes 1000,10000,100000,500000]

One `lamplighter up` (one process of each service) holds them all; ten watchers a presentity. At each size it measures
PUBLISHes of 500 others with one watcher each, 32 in flight; how long the longest PUBLISH waits when a second core
that owns half of the shards is killed, and when it is told to leave; and how long a restart of everything takes.
"""

import argparse
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from bench.lab import noise, picture, process
from bench.lab.presload import Presload, Report
from lamplighter_runtime import clock
from tests.integration.cores import Core
from tests.integration.served import until
from tests.integration.system import System

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # type: ignore[import-not-found, unused-ignore]

SIZES = "1000,10000,100000"
WATCHERS = 10
CALM_SECONDS = 4.0
PUBLICATIONS = 20_000
"""How many of them tell what one needs."""
LOAD = "publish -P 500 -W 1 -c 32 --seconds {seconds} --warmup 1"
PROBE = "publish -P 200 -W 1 --rate 100 --seconds {seconds}"
PROBE_SECONDS, BEFORE_SECONDS = 12, 3.0
"""How long the take-over is watched, and how long before it begins."""
TOGETHER = 1.2
"""How far the costs of all sizes may be from one another."""
SERVICE, OTHER = "presence_core", "core-2"
DOCS = Path(__file__).resolve().parents[1] / "docs" / "bench"


class Size(msgspec.Struct, kw_only=True):
    """What was measured at one size."""

    subscriptions: int
    load_seconds: float = 0.0
    cpu_us: list[float] = []
    per_second: list[float] = []
    p99_ms: list[float] = []
    noisy: list[noise.Noise] = []
    pss_bytes: dict[str, int] = {}
    start_seconds: float = 0.0
    killed_ms: float = 0.0
    left_ms: float = 0.0
    loading_seconds: float = 0.0
    """Of a take-over of half of the shards, as the core says."""
    verdicts: list[str] = []


class Growth(msgspec.Struct, kw_only=True):
    """A session."""

    publication_bytes: float
    empty_bytes: dict[str, int]
    sizes: list[Size]


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="What size costs.")
    parser.add_argument("--sizes", default=SIZES, help=f"numbers of subscriptions, ascending ({SIZES})")
    parser.add_argument("--rounds", type=int, default=3, help="runs at each size (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each (5)")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of growth.json (docs/bench)")
    parser.add_argument("--show", action="store_true", help="measure nothing, show what --output has")
    asked = parser.parse_args()
    path = asked.output / "growth.json"
    asked.output.mkdir(parents=True, exist_ok=True)
    if not asked.show:
        growth = _measured([int(size) for size in asked.sizes.split(",")], asked.rounds, asked.seconds)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(growth)) + b"\n")
    growth = msgspec.json.decode(path.read_bytes(), type=Growth)
    print("\n".join(lines(growth)))
    draw(growth, asked.output)


def _measured(sizes: list[int], rounds: int, seconds: float) -> Growth:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        system = System(environment={})
        stack.callback(system.remove)
        stack.callback(system.stop)
        return Bench(system.start(), Presload(folder), rounds, seconds).measure(sizes)


class Bench:
    """A running system that is filled."""

    def __init__(self, system: System, presload: Presload, rounds: int, seconds: float) -> None:
        self._system, self._presload = system, presload
        self._rounds, self._seconds = rounds, seconds
        self._held = 0

    def measure(self, sizes: list[int]) -> Growth:
        """Measure an empty system, then size after size."""
        time.sleep(CALM_SECONDS)
        growth = Growth(publication_bytes=0.0, empty_bytes=self._memory(), sizes=[])
        for subscriptions in sizes:
            size = Size(subscriptions=subscriptions)
            growth.sizes.append(size)
            for step in (self._fill, self._load, self._take_over, self._restart):
                print(f"{subscriptions} subscriptions: {step.__name__.strip('_')}", file=sys.stderr)
                step(size)
        growth.publication_bytes = self._publications()
        return growth

    def _memory(self) -> dict[str, int]:
        return process.memory([self._system.pid])

    def _publications(self) -> float:
        """Return what a publication needs in the core, in bytes."""
        before = self._memory()[SERVICE]
        self._run(f"subscribe -P {PUBLICATIONS} -S 1 --no-cleanup --domain publications.test")
        time.sleep(CALM_SECONDS)
        return (self._memory()[SERVICE] - before) / PUBLICATIONS

    def _fill(self, size: Size) -> None:
        """Subscribe until there are so many."""
        begin = clock.monotonic()
        wanted = max(1, (size.subscriptions - self._held) // WATCHERS)
        domain = f"size-{size.subscriptions}.test"
        load = (
            f"subscribe -P {wanted} -W {WATCHERS} -c 32 --no-cleanup --domain {domain} --expires 7200 --max-wall 1800"
        )
        size.verdicts.append(self._run(load).verdict)
        self._held = size.subscriptions
        size.load_seconds = clock.monotonic() - begin
        time.sleep(CALM_SECONDS)
        size.pss_bytes = self._memory()

    def _load(self, size: Size) -> None:
        """Publish for others."""
        for _ in range(self._rounds):
            with noise.watched([self._system.pid]) as beside:
                report = self._run(LOAD.format(seconds=self._seconds))
            size.cpu_us.append(report.server.cpu_us_per_publish or float("nan"))
            size.per_second.append(report.per_second["publish"])
            size.p99_ms.append(report.latency_ms["publish_notify"].p99)
            size.noisy.append(beside)
            size.verdicts.append(report.verdict)

    def _take_over(self, size: Size) -> None:
        """Have a second core go, in two ways."""
        core = Core(self._system, OTHER)
        try:
            size.killed_ms, size.loading_seconds = self._go(core, signal.SIGKILL)
            size.left_ms, _ = self._go(core, signal.SIGTERM)
        finally:
            core.stop()

    def _go(self, core: Core, number: signal.Signals) -> tuple[float, float]:
        """Return how long a PUBLISH waited for its answer at most, in ms, and how long shards were loaded, in s."""
        core.start()
        until(lambda: list(core.owners().values()).count(OTHER) >= len(core.owners()) // 2, 120.0, core.tail)
        until(core.ready, 120.0, core.tail)
        time.sleep(CALM_SECONDS)
        since = self._system.log.stat().st_size
        run = self._presload.start(PROBE.format(seconds=PROBE_SECONDS), self._system.target)
        time.sleep(BEFORE_SECONDS)
        core.signal(number)
        report = run.report()
        return report.latency_ms["publish_200"].max, self._loading(since)

    def _loading(self, since: int) -> float:
        """Return the seconds that the log says shards took to load, from an offset on."""
        text = self._system.log.read_bytes()[since:].decode(errors="replace")
        loaded = [line for line in text.splitlines() if "shards loaded" in line]
        return sum(float(found[1]) for line in loaded if (found := re.search(r"seconds\W+([0-9.]+)", line)))

    def _restart(self, size: Size) -> None:
        """Stop everything and start it again."""
        self._system.stop()
        begin = clock.monotonic()
        self._system.start()
        until(self._system.ready, 300.0, self._system.tail)
        size.start_seconds = clock.monotonic() - begin
        time.sleep(CALM_SECONDS)

    def _run(self, load: str) -> Report:
        return self._presload.run(load, self._system.target, [self._system.pid], "--grace", "10")


def lines(growth: Growth) -> Iterator[str]:
    """Yield the table, and whether the costs are near one another."""
    head = (
        "subscriptions | CPU µs per PUBLISH with NOTIFY | per second | p99 ms | core MB | bytes each | all MB "
        "| start s | core killed: longest wait s | core left: longest wait s | loading s | noisy | not clean"
    )
    yield f"| {head} |"
    yield "|" + "---|" * (head.count("|") + 1)
    usual = noise.usual_calibration(one for size in growth.sizes for one in size.noisy)
    for size in growth.sizes:
        core = size.pss_bytes[SERVICE]
        cells = [
            f"{size.subscriptions:,}",
            _spread(size.cpu_us),
            _spread(size.per_second),
            f"{median(size.p99_ms):.1f}",
            f"{core / 1e6:.0f}",
            f"{(core - growth.empty_bytes[SERVICE]) / size.subscriptions:,.0f}",
            f"{sum(size.pss_bytes.values()) / 1e6:.0f}",
            f"{size.start_seconds:.1f}",
            f"{size.killed_ms / 1e3:.2f}",
            f"{size.left_ms / 1e3:.2f}",
            f"{size.loading_seconds:.2f}",
            f"{sum(bool(one.reasons(usual)) for one in size.noisy)} of {len(size.noisy)}",
            "; ".join(filter(None, size.verdicts)) or "0",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    costs = [median(size.cpu_us) for size in growth.sizes]
    far = max(costs) / min(costs)
    yield f"costs are within {far - 1:.0%} of one another ({'as' if far <= TOGETHER else 'NOT as'} wanted: 20%)"
    yield f"a publication needs {growth.publication_bytes:,.0f} bytes of the core"


def draw(growth: Growth, folder: Path) -> None:
    """Write growth.svg and growth.png."""
    at = [size.subscriptions for size in growth.sizes]
    middles = [median(size.cpu_us) for size in growth.sizes]

    def costs(axes: "Axes") -> None:
        below = [middle - min(size.cpu_us) for middle, size in zip(middles, growth.sizes, strict=True)]
        above = [max(size.cpu_us) - middle for middle, size in zip(middles, growth.sizes, strict=True)]
        axes.errorbar(at, middles, yerr=[below, above], marker="o", color=picture.COLOURS[0])
        axes.set(xscale="log", ylim=(0, None))
        axes.minorticks_off()

    def memory(axes: "Axes") -> None:
        axes.plot(at, [size.pss_bytes[SERVICE] / 1e6 for size in growth.sizes], marker="o", color=picture.COLOURS[2])
        axes.set(ylim=(0, None))

    def times(axes: "Axes") -> None:
        axes.plot(at, [size.start_seconds for size in growth.sizes], marker="o", label="restart of everything")
        axes.plot(at, [size.killed_ms / 1e3 for size in growth.sizes], marker="o", label="longest wait, a core killed")
        axes.plot(at, [size.left_ms / 1e3 for size in growth.sizes], marker="o", label="longest wait, a core leaves")
        axes.legend(frameon=False)
        axes.set(ylim=(0, None))

    panels: list[tuple[str, picture.Panel]] = [
        ("CPU µs per PUBLISH with its NOTIFY, by subscriptions to others", costs),
        ("MB of the core, by subscriptions", memory),
        ("seconds, by subscriptions", times),
    ]
    picture.draw(folder, "growth", panels, wide=8.0, high=2.6)


def _spread(values: list[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


if __name__ == "__main__":
    main()
