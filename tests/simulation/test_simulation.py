"""The whole system in memory, under one simulated clock, keeps the promises of design §1. `make soak` runs longer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .plants import PLANTS, planted
from .run import Plan, Report, Run

SEEDS = 12
SEEDS_FOR_A_BUG = 60
ROOT = Path(__file__).parents[2]


def _report(seed: int, plan: Plan | None = None) -> Report:
    return Run(seed, plan or Plan.of(seed)).report()


def test_system_without_faults_keeps_its_promises() -> None:
    report = _report(0, Plan(faults=False))

    assert not report.broken, str(report)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_system_with_faults_keeps_its_promises(seed: int) -> None:
    report = _report(seed)

    assert not report.broken, str(report)


@pytest.mark.parametrize("bug", PLANTS)
def test_planted_bug_is_found(bug: str) -> None:
    with planted(bug):
        found = any(_report(seed).broken for seed in range(SEEDS_FOR_A_BUG))

    assert found


def test_failure_tells_its_seed_and_how_to_run_it_again() -> None:
    with planted("early-answer"):
        report = next(report for seed in range(SEEDS_FOR_A_BUG) if (report := _report(seed)).broken)

    assert f"python -m tests.simulation --seed {report.seed}" in str(report)
    assert f"BROKEN: {report.broken[0]}" in str(report)


def test_same_seed_gives_the_same_trace_whatever_the_hashes_of_strings() -> None:
    digests = {_digest_of_another_process(hashes) for hashes in ("1", "2")}

    assert digests == {_report(3, Plan(busy=20.0)).digest}


def _digest_of_another_process(hashes: str) -> str:
    program = "from tests.simulation.run import Plan, Run; print(Run(3, Plan(busy=20.0)).report().digest)"
    environ = {**os.environ, "PYTHONHASHSEED": hashes}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, check=True, text=True, timeout=120
    )
    return done.stdout.strip()
