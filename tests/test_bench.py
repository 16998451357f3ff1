"""What the comparison says of runs that are noisy or not clean."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUIET = {"others": 0.01, "steal": 0.0, "calibration_ms": 7.0}


def run(per_second: float, *, verdict: str = "", noise: dict[str, float] = QUIET, number: int = 1) -> dict[str, object]:
    """Return a run of the first load."""
    report = {
        "ok": not verdict,
        "verdict": verdict,
        "window_s": 1.0,
        "span_s": 1.0,
        "per_second": {"publish": per_second},
        "latency_ms": {"publish_notify": dict.fromkeys(("n", "min", "mean", "p50", "p95", "p99", "max"), 3)},
        "server": {"cpu_us_per_publish": 200.0},
        "generator": {},
        "run": {},
    }
    return {
        "server": "Lamplighter",
        "load": "publish",
        "round": number,
        "command": "publish",
        "report": report,
        "noise": noise,
    }


def shown(folder: Path, *runs: dict[str, object], keep_noisy: bool = False) -> list[str]:
    """Return what is printed of a session."""
    session = {"machine": "a machine", "seconds": 1.0, "rounds": len(runs), "runs": runs}
    folder.joinpath("compare.json").write_text(json.dumps(session))
    command = [sys.executable, "-m", "bench.compare", "--show", "--no-plot", "--output", str(folder)]
    options = ["--keep-noisy"] if keep_noisy else []
    return subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_figures_are_the_median_the_least_and_the_most(tmp_path: Path) -> None:
    lines = shown(tmp_path, run(900), run(1100), run(1000))

    assert "| 1,000 (900 to 1,100) | 200 | 3.0 |" in lines[2]
    assert lines[2].endswith("| 3 clean |")
    assert lines[-1] == "0 of 3 runs were too noisy to count."


def test_run_beside_others_is_excluded_and_listed_with_the_reason(tmp_path: Path) -> None:
    lines = shown(tmp_path, run(1000), run(10, noise=QUIET | {"others": 0.3}, number=2))

    assert "| 1,000 |" in lines[2]
    assert lines[2].endswith("| 1 clean, 1 too noisy |")
    assert "1 of 2 runs were too noisy to count and excluded:" in lines
    assert lines[-1].startswith("- round 2, Lamplighter, ")
    assert lines[-1].endswith(": others used 30% of the CPU")


def test_run_on_a_slower_machine_than_usual_is_excluded(tmp_path: Path) -> None:
    lines = shown(tmp_path, run(1000), run(10, noise=QUIET | {"calibration_ms": 14.0}))

    assert lines[2].endswith("| 1 clean, 1 too noisy |")
    assert lines[-1].endswith(": fixed work took 2.00 times as long")


def test_noisy_run_counts_when_that_is_asked_for(tmp_path: Path) -> None:
    lines = shown(tmp_path, run(1000), run(10, noise=QUIET | {"steal": 0.3}), keep_noisy=True)

    assert "| 505 (10 to 1,000) |" in lines[2]
    assert "1 of 2 runs were too noisy to count and counted all the same:" in lines


def test_unclean_run_is_shown_with_its_verdict(tmp_path: Path) -> None:
    lines = shown(tmp_path, run(1000), run(1000, verdict="stale=7"))

    assert lines[2].endswith("| 1 clean, **1 not clean** |")
    assert lines[-2] == "1 of 2 runs were not clean:"
    assert lines[-1].endswith(": stale=7")
