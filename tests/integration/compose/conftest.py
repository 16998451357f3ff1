"""Fixtures of the tests against docker compose."""

import os
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
        # `make test-compose` has built them, under a tag of its own.
        stack.up(*([] if "LAMPLIGHTER_TAG" in os.environ else ["--build"]))
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Run the stack that tests share as long as they do not disturb it."""
    yield from raised(Stack())
