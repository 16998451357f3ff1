"""The behaviour suite over the network of the project, to the containers' own addresses."""

import pytest

from .. import test_loss
from .stack import ComposeSystem, Stack
from .suite import behaviour

relay = test_loss.relay
globals().update(behaviour())


@pytest.fixture(scope="module")
def system(stack: Stack) -> ComposeSystem:
    """Return the stack as it is seen from its own network."""
    return ComposeSystem(stack, "network")
