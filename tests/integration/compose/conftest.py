"""Fixtures of the tests against docker compose."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from . import engine
from .stack import FOLDER, Stack

HERE = Path(__file__).parent
BUILD_SECONDS = 600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.compose)


@cache
def build() -> None:
    """Build the images of this tree, unless `make test-compose` has done so, under a tag of its own."""
    if "LAMPLIGHTER_TAG" not in os.environ:
        file = str(FOLDER / "compose.yaml")
        engine.run("docker", "compose", "-f", file, "--profile", "xcap", "build", "--quiet", timeout=BUILD_SECONDS)


def raised(stack: Stack) -> Iterator[Stack]:
    """Start a stack, lend it, remove it."""
    engine.demand()
    try:
        build()
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Run the stack that tests share as long as they do not disturb it."""
    yield from raised(Stack())
