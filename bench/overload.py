"""Twice as much as a server can do: what it serves meanwhile, how it refuses the rest, and how soon it is well again.

    python -m bench.overload [--seconds 60] [--servers open,cache]

The peak is the best of two closed loops. Then half of the peak is offered, then twice the peak in an open loop
over so many presentities that waiting ones do not slow it down, and, when presload has got or given up all of that,
half of the peak again. All the while a few others publish: recovered is when they are served in full for good.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from bench.lab import noise, picture, process
from bench.lab.presload import Delay, Presload, Report, Second, SetUpFailed
from bench.lab.servers import SERVERS, Served, running
from lamplighter_runtime import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # type: ignore[import-not-found, unused-ignore]

USUAL = "open,cache"
PEAK = "publish -P 500 -W 1 -c {flying} --seconds {seconds} --warmup 1"
IN_FLIGHT = (32, 128)
NORMAL = "publish -P 200 -W 1 --rate {rate:.0f} --seconds 5"
OVER = "publish -P {presentities} -W 1 --rate {rate:.0f} --seconds {seconds} --no-cleanup --domain over.test"
PROBE_RATE = 50.0
PROBE = "publish -P 50 -W 1 --rate {rate:.0f} --seconds {seconds} --domain probe.test"
PROBE_LONGER_SECONDS = 600.0
"""More than the rest takes; it is ended before."""
PROBE_ENOUGH = 0.8
EXPECTED_FAULTS = ("error_status",)
LEAST = 0.8
"""Of the peak, to be served meanwhile."""
DOCS = Path(__file__).resolve().parents[1] / "docs" / "bench"


class Memory(msgspec.Struct, kw_only=True):
    """Resident megabytes of the processes by name, once a second."""

    before: dict[str, float] = {}
    most: dict[str, float] = {}
    after: dict[str, float] = {}
    over_time: list[float] = []
    """Of all together."""


class Overload(msgspec.Struct, kw_only=True):
    """What was measured of one server."""

    server: str
    peak: float
    normal: Report
    over: Report
    seconds: list[Second]
    memory: Memory
    probe: list[Second]
    """Of the others; `at` counts from the end of the overload."""
    after: Report | None
    """None when not even the set-up went well."""
    trouble: str = ""
    noise: noise.Noise

    def served(self) -> float:
        """Return the PUBLISHes that got a 200 in a second, while too many came."""
        return mean(second.served for second in self._during())

    def least(self) -> float:
        """Return the same of the worst ten seconds in a row, or of all when there are fewer."""
        values = [second.served for second in self._during()]
        return min(mean(values[at : at + 10]) for at in range(max(1, len(values) - 9)))

    def recovered(self) -> float:
        """Return the seconds from the end of the overload until the others are served in full."""
        late = [second.at for second in self.probe if second.served < PROBE_ENOUGH * PROBE_RATE]
        return max(0.0, *late, 0.0)

    def _during(self) -> list[Second]:
        return [second for second in self.seconds if second.phase == "run"][1:] or self.seconds[-1:]


def main() -> None:
    """Measure every server and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description="Twice what a server can do.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the overload (60)")
    parser.add_argument("--times", type=float, default=2.0, help="the peak (2)")
    parser.add_argument("--presentities", type=int, default=30_000, help="of the overload (30000)")
    parser.add_argument("--servers", default=USUAL, help=f"of {','.join(SERVERS)} ({USUAL})")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of overload.json (docs/bench)")
    parser.add_argument("--show", action="store_true", help="measure nothing, show what --output has")
    asked = parser.parse_args()
    path = asked.output / "overload.json"
    asked.output.mkdir(parents=True, exist_ok=True)
    if not asked.show:
        measured = list(_measured(asked.servers.split(","), asked.seconds, asked.times, asked.presentities))
        path.write_bytes(msgspec.json.encode(measured) + b"\n")
    results = msgspec.json.decode(path.read_bytes(), type=list[Overload])
    print("\n".join(lines(results)))
    draw(results, asked.output)


def _measured(servers: list[str], seconds: float, times: float, presentities: int) -> Iterator[Overload]:
    for name in servers:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            presload = Presload(Path(folder))
            with running(SERVERS[name], Path(folder) / "server") as served:
                yield Bench(presload, served, SERVERS[name].name).measure(seconds, times, presentities)


class Bench:
    """A server, and what is done to it."""

    def __init__(self, presload: Presload, served: Served, name: str) -> None:
        self._presload, self._served, self._name = presload, served, name

    def measure(self, seconds: float, times: float, presentities: int) -> Overload:
        """Find the peak, offer half of it, several times it, half of it."""
        peaks = [self._run(PEAK.format(flying=flying, seconds=4)).per_second["publish"] for flying in IN_FLIGHT]
        peak = max(peaks)
        self._say(f"peak {peak:,.0f}/s of {peaks}")
        normal = self._run(NORMAL.format(rate=peak / 2))
        load = OVER.format(presentities=presentities, rate=times * peak, seconds=seconds)
        started = clock.monotonic()
        probe = self._presload.start(
            PROBE.format(rate=PROBE_RATE, seconds=seconds + PROBE_LONGER_SECONDS), self._served.target
        )
        run = self._presload.start(load, self._served.target, self._served.pids, "--grace", "30")
        run.until_set_up()
        self._say("overload begins")
        ending = clock.monotonic() + seconds - started
        with noise.watched(self._served.pids) as beside, _memory_watched(self._served.pids) as memory:
            over = run.report()
            after, trouble = self._afterwards(peak / 2)
        probe.end()
        return Overload(
            server=self._name,
            peak=peak,
            normal=normal,
            over=over,
            seconds=run.seconds(),
            memory=memory,
            probe=[structs.replace(one, at=one.at - ending) for one in probe.seconds() if one.phase == "run"],
            after=after,
            trouble=trouble,
            noise=beside,
        )

    def _afterwards(self, rate: float) -> tuple[Report | None, str]:
        self._say("overload is over")
        try:
            return self._run(NORMAL.format(rate=rate)), ""
        except SetUpFailed as failure:
            return None, str(failure)

    def _run(self, load: str) -> Report:
        return self._presload.run(load, self._served.target, self._served.pids, "--grace", "10")

    def _say(self, words: str) -> None:
        print(f"{self._name}: {words}", file=sys.stderr)


@contextmanager
def _memory_watched(pids: list[int]) -> Iterator[Memory]:
    """Look at the memory each second while the block runs."""
    memory, over = Memory(before=_resident(pids)), threading.Event()
    memory.most = dict(memory.before)

    def watch() -> None:
        while not over.wait(1.0):
            now = _resident(pids)
            memory.over_time.append(round(sum(now.values()), 1))
            memory.most = {name: max(size, memory.most.get(name, 0.0)) for name, size in now.items()}

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()
        memory.after = _resident(pids)


def _resident(pids: list[int]) -> dict[str, float]:
    """Return the megabytes by name; the backends of one PostgreSQL share most of theirs, so the largest counts."""
    sizes: dict[str, float] = {}
    for one in process.trees(pids):
        name, size = process.name(one.pid), one.rss_bytes / 1e6
        sizes[name] = round(max(size, sizes.get(name, 0.0)), 1)
    return sizes


def lines(results: list[Overload]) -> Iterator[str]:
    """Yield what was served, what was refused and how, the memory, and the time after."""
    yield "| server | peak/s | offered/s | served/s | of the peak | worst 10 s | refused | with Retry-After | p99 ms |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in results:
        run, statuses = one.over.run, one.over.run.publish_status
        offered = (run.publish_ok + run.publish_err) / one.over.seconds
        share = one.served() / one.peak
        refused = ", ".join(f"{count:,} x {status}" for status, count in statuses.items() if status >= "300") or "none"
        p99 = one.over.latency_ms["publish_200"].p99
        wanted = "" if share >= LEAST else f" (NOT {LEAST:.0%})"
        yield (
            f"| {one.server} | {one.peak:,.0f} | {offered:,.0f} | {one.served():,.0f} | {share:.0%}{wanted} "
            f"| {one.least() / one.peak:.0%} | {refused} | {run.retry_after:,} | {p99:,.0f} |"
        )
    yield ""
    yield "| server | recovered after s | all answered after s | before: p50, p99 ms | right after | other faults |"
    yield "|---|---|---|---|---|---|"
    for one in results:
        after = _delay(one.after.latency_ms.get("publish_notify")) if one.after else f"refused: {one.trouble}"
        faults = [one.over.faults(but=EXPECTED_FAULTS), one.after.verdict if one.after else ""]
        before = _delay(one.normal.latency_ms.get("publish_notify"))
        drained = one.over.span_s - one.over.seconds
        well = f"{one.recovered():.0f} | {drained:.1f} | {before} | {after}"
        yield f"| {one.server} | {well} | {'; '.join(filter(None, faults)) or 'none'} |"
    yield ""
    yield "| server | process | MB before | most | after |"
    yield "|---|---|---|---|---|"
    for one in results:
        for name, most in one.memory.most.items():
            before_mb, after_mb = one.memory.before.get(name, 0.0), one.memory.after.get(name, 0.0)
            yield f"| {one.server} | {name} | {before_mb:.0f} | {most:.0f} | {after_mb:.0f} |"
    for one in results:
        if reasons := one.noise.reasons(one.noise.calibration_ms):
            yield f"\nnoisy: {one.server}: {', '.join(reasons)}"


def draw(results: list[Overload], folder: Path) -> None:
    """Write overload.svg and overload.png."""

    def served(axes: "Axes") -> None:
        for colour, one in zip(picture.COLOURS, results, strict=False):
            begin = next((second.at for second in one.seconds if second.phase == "run"), 0.0)
            told = [second for second in one.seconds if second.at >= begin]
            times = [second.at - begin for second in told]
            axes.plot(times, [second.served for second in told], color=colour, label=f"{one.server}: served")
            axes.plot(times, [second.refused for second in told], color=colour, ls=":", label=f"{one.server}: refused")
            axes.axhline(one.peak, color=colour, lw=0.5, ls="--")
        axes.legend(frameon=False)

    def memory(axes: "Axes") -> None:
        for colour, one in zip(picture.COLOURS, results, strict=False):
            axes.plot(one.memory.over_time, color=colour, label=one.server)
        axes.set(ylim=(0, None))
        axes.legend(frameon=False)

    panels: list[tuple[str, picture.Panel]] = [
        ("PUBLISHes in a second while too many come, by second; dashed: the peak", served),
        ("resident MB (largest of each name), by second", memory),
    ]
    picture.draw(folder, "overload", panels, wide=8.0, high=2.6)


def _delay(delay: Delay | None) -> str:
    return f"{delay.p50:.1f}, {delay.p99:.1f}" if delay else "-"


if __name__ == "__main__":
    main()
