"""Run many seeds: `python -m tests.simulation --seeds 1000`, or one again: `--seed 4711`."""

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from .plants import PLANTS, planted
from .run import SHOWN, Plan, Report, Run


def main() -> int:
    """Run what the arguments say; return 1 when a promise was broken."""
    args = _arguments()
    if args.seed is not None:
        report = _one((args.seed, args.plant))
        print(*(line for line in report.trace[-args.show :] if args.grep in line), sep="\n")
        return _tell([report], args.plant)
    return _tell(_many(args), args.plant)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one and print its trace")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long; 0: never")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: one for each core of the machine")
    parser.add_argument("--plant", choices=PLANTS, default="", help="put a bug in")
    parser.add_argument("--show", type=int, default=SHOWN, help="notes of the trace to print")
    parser.add_argument("--grep", default="", help="print only notes that hold this text")
    return parser.parse_args()


def _one(job: tuple[int, str]) -> Report:
    seed, plant = job
    with planted(plant):
        return Run(seed, Plan.of(seed)).report()


def _many(args: argparse.Namespace) -> Iterator[Report]:
    end = time.monotonic() + args.minutes * 60 if args.minutes else float("inf")
    jobs = ((seed, args.plant) for seed in range(args.first, args.first + args.seeds))
    with multiprocessing.get_context("spawn").Pool(args.jobs or None) as pool:
        for report in pool.imap(_one, jobs, chunksize=4):
            yield report
            if report.broken or time.monotonic() > end:
                return


def _tell(reports: Iterable[Report], plant: str) -> int:
    total: Counter[str] = Counter()
    seconds, count = 0.0, 0
    for report in reports:
        count, seconds = count + 1, seconds + report.seconds
        total.update(report.counts)
        if report.broken:
            print(report, f"--plant {plant}" if plant else "")
            return 1
    counts = ", ".join(f"{count} {what}" for what, count in sorted(total.items()))
    print(f"{count} seeds, {seconds / 3600:.1f} simulated hours, every promise kept; {counts}")
    return 0
