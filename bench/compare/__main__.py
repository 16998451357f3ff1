"""Run the comparison: rounds of all servers in turn, then the tables, the raw figures and the picture."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.compare import plot, table
from bench.compare.loads import LOADS, SATURATION
from bench.compare.results import Run, Session, machine
from bench.lab import noise
from bench.lab.presload import Presload, SetUpFailed
from bench.lab.servers import SERVERS, Kamailio, Served, running

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
"""presload's own reports of the last session."""
DOCS = ROOT / "docs" / "bench"
USUAL = "open,compiled,rules,cache,locked,db,mem"


def main() -> None:
    """Measure, or show again what was measured."""
    asked = _arguments()
    path = asked.output / "compare.json"
    asked.output.mkdir(parents=True, exist_ok=True)
    if not asked.show:
        servers = [name for name in asked.servers.split(",") if name]
        if not asked.no_install and any(isinstance(SERVERS[name], Kamailio) for name in servers):
            subprocess.run([str(ROOT / "bench" / "install-kamailio")], check=True)
        runs = list(_session(servers, asked.loads.split(","), asked.rounds, asked.seconds))
        session = Session(machine=machine(), seconds=asked.seconds, rounds=asked.rounds, runs=runs)
        path.write_bytes(b"\n".join(_encode(session)))
    session = msgspec.json.decode(path.read_bytes(), type=Session)
    print("\n".join(table.lines(session, keep_noisy=asked.keep_noisy)))
    if not asked.no_plot:
        plot.draw(session, asked.output, keep_noisy=asked.keep_noisy)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each run (6)")
    parser.add_argument("--servers", default=USUAL, help=f"of {','.join(SERVERS)} ({USUAL})")
    parser.add_argument("--loads", default=",".join(LOADS), help=f"of {','.join(LOADS)} (all)")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of JSON and pictures (docs/bench)")
    parser.add_argument("--keep-noisy", action="store_true", help="count runs that were too noisy")
    parser.add_argument("--show", action="store_true", help="measure nothing, show what --output has")
    parser.add_argument("--no-plot", action="store_true", help="draw nothing")
    parser.add_argument("--no-install", action="store_true", help="take Kamailio as it is")
    return parser.parse_args()


def _session(servers: list[str], loads: list[str], rounds: int, seconds: float) -> Iterator[Run]:
    RESULTS.mkdir(exist_ok=True)
    presload = Presload(RESULTS)
    for number in range(1, rounds + 1):
        for name in servers:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(SERVERS[name], Path(folder)) as served:
                yield from _measure(presload, served, name, loads, number, seconds)


def _measure(
    presload: Presload, served: Served, name: str, loads: list[str], number: int, seconds: float
) -> Iterator[Run]:
    """Give one running server all loads."""
    half = 500.0
    for load in loads:
        command = LOADS[load].command.format(seconds=f"{seconds:g}", half=f"{half:.0f}")
        report, trouble = None, ""
        with noise.watched(served.pids) as beside:
            try:
                report = presload.run(command, served.target, served.pids, "--grace", "10")
            except SetUpFailed as failure:
                trouble = str(failure)
        if load == SATURATION and report:
            half = LOADS[load].per_second(report) / 2
        run = Run(
            server=SERVERS[name].name,
            load=load,
            round=number,
            command=command,
            report=LOADS[load].essence(report) if report else None,
            trouble=trouble,
            noise=beside,
        )
        print(f"round {number}, {run.server}, {LOADS[load].title}: {_said(run)}", file=sys.stderr)
        yield run


def _said(run: Run) -> str:
    if run.report is None:
        return run.trouble
    load = LOADS[run.load]
    noisy = f"others {run.noise.others:.0%}, steal {run.noise.steal:.0%}, {run.noise.calibration_ms:.1f} ms"
    verdict = "clean" if run.clean else run.report.verdict
    return f"{load.per_second(run.report):,.0f}/s, {load.cost(run.report):,.0f} µs, {verdict} ({noisy})"


def _encode(session: Session) -> Iterator[bytes]:
    """Yield the session in lines, one for each run."""
    head = msgspec.json.encode(msgspec.structs.replace(session, runs=[]))
    yield head.removesuffix(b"]}")
    runs = [msgspec.json.encode(run) for run in session.runs]
    yield b",\n".join(runs)
    yield b"]}\n"


if __name__ == "__main__":
    main()
