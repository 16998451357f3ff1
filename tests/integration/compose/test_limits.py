"""Limits of an operator's choice reach the containers by their environment."""

from collections.abc import Iterator

import pytest

from .. import test_limits
from ..system import QUICK
from .conftest import raised
from .stack import ComposeSystem, Stack
from .suite import gathered

LOCAL = {"test_setting_that_cannot_be_stops_the_start_and_is_named", "test_port_that_is_taken_is_named"}
"""Those about processes of this machine."""

alice = test_limits.alice
globals().update(gathered(test_limits, but=LOCAL))


@pytest.fixture(scope="module")
def narrow() -> Iterator[ComposeSystem]:
    """Run a stack that grants little."""
    for stack in raised(Stack(settings=QUICK | test_limits.LIMITS)):
        yield ComposeSystem(stack, "published")
