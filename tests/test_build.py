"""What is installed is pinned, and the pins hold no address."""

import re
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def lines(name: str) -> list[str]:
    return ROOT.joinpath(name).read_text().splitlines()


def manifests() -> list[str]:
    """Return what the members say that they need, other members left out."""
    paths = [
        path for pattern in ("proto", "libs/*", "services/*", "cli") for path in ROOT.glob(f"{pattern}/pyproject.toml")
    ]
    projects = [tomllib.loads(path.read_text())["project"] for path in paths]
    extras = [
        name for project in projects for names in project.get("optional-dependencies", {}).values() for name in names
    ]
    names = [name for project in projects for name in project["dependencies"]] + extras
    return [name for name in names if not name.startswith("lamplighter")]


def needed(names: list[str]) -> set[str]:
    """Return the distributions that `names` need on this machine, their own needs included."""
    found: set[str] = set()
    todo = [Requirement(name) for name in names]
    while todo:
        requirement = todo.pop()
        if str(requirement) not in found:
            found.add(str(requirement))
            todo.extend(needs(requirement))
    return {canonicalize_name(Requirement(name).name) for name in found}


def needs(requirement: Requirement) -> list[Requirement]:
    wanted = [Requirement(text) for text in distribution(requirement.name).requires or []]
    extras = requirement.extras or {""}
    return [need for need in wanted if not need.marker or any(need.marker.evaluate({"extra": x}) for x in extras)]


def test_constraints_are_names_and_versions_and_nothing_else() -> None:
    assert [
        line for line in lines("constraints.txt") if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)
    ] == []


def test_constraints_name_everything_once() -> None:
    names = [canonicalize_name(line.partition("==")[0]) for line in lines("constraints.txt")]

    assert len(names) == len(set(names))


def test_developers_tools_are_named_without_versions() -> None:
    assert [line for line in lines("requirements-dev.txt") if not re.fullmatch(r"[A-Za-z0-9-]+", line)] == []


def test_constraints_pin_everything_that_is_needed() -> None:
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines("constraints.txt")}
    wanted = needed(["hatchling", "editables", *manifests(), *lines("requirements-dev.txt")])

    assert wanted - pinned == set()


def test_make_without_a_target_prints_the_targets() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    targets = {line.split()[1] for line in printed.splitlines()}
    assert {"run", "test", "check", "fmt", "proto", "clean", "install"} <= targets
