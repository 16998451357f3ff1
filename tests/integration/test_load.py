"""presload as referee over an undisturbed system: nothing lost, nothing stale, nothing unexpected."""

import pytest

from .conftest import Presload
from .served import Served

RUNS = {
    "publish": ("publish", "-P", "200", "-W", "3", "--seconds", "8"),
    "publish over tcp": ("publish", "-P", "100", "-W", "2", "--seconds", "5", "--transport", "tcp"),
    "overlapping publishes": ("publish", "-P", "4", "-W", "20", "-c", "16", "--hold", "response", "--seconds", "5"),
    "open loop": ("publish", "-P", "100", "-W", "1", "--rate", "200", "--seconds", "5"),
    "mixed": ("mixed", "-P", "100", "-W", "3", "--seconds", "6"),
    "mixed over tcp": ("mixed", "-P", "50", "-W", "2", "--seconds", "4", "--transport", "tcp"),
    "subscribe": ("subscribe", "-P", "200", "-W", "5"),
    "fan-out": ("fanout", "-W", "200", "--seconds", "4"),
    "churn": ("churn", "-P", "50", "-W", "2", "--seconds", "4"),
}


@pytest.mark.parametrize("name", RUNS)
def test_load_is_served_without_loss(system: Served, presload: Presload, name: str) -> None:
    verdict = presload(system, *RUNS[name], "--strict").verdict()

    assert verdict.status == 0, verdict.text
