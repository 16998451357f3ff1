"""The behaviour suite by the published ports: the engine translates the addresses of clients."""

import pytest

from .. import test_loss
from .stack import ComposeSystem, Stack
from .suite import behaviour

UNREACHABLE = {"test_tcp_watcher_whose_connection_is_gone_is_told_at_its_contact"}
"""Nobody in the network of the project can connect to a Contact on this machine's loopback."""

relay = test_loss.relay
globals().update(behaviour(but=UNREACHABLE))


@pytest.fixture(scope="module")
def system(stack: Stack) -> ComposeSystem:
    """Return the stack as it is seen from outside."""
    return ComposeSystem(stack, "published")
