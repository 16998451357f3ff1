"""The whole system in memory under a simulated clock keeps the promises of design §1."""

import pytest

from .run import Plan, Run


@pytest.mark.parametrize("seed", range(3))
def test_system_without_faults_keeps_its_promises(seed: int) -> None:
    report = Run(seed, Plan(faults=False)).report()

    assert not report.broken, "\n".join(report.trace)


def test_same_seed_gives_the_same_trace() -> None:
    first, second = Run(7, Plan(busy=20.0)).report(), Run(7, Plan(busy=20.0)).report()

    assert first.digest == second.digest
