"""Fixtures of the tests against docker compose."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import engine
from .stack import Stack

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.compose)


def raised(stack: Stack) -> Iterator[Stack]:
    """Start a stack, lend it, remove it."""
    engine.demand()
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Run the stack that tests share as long as they do not disturb it."""
    yield from raised(Stack())
