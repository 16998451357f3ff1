"""Prints what the members under a folder need from elsewhere, one requirement a line, for `pip --requirement`."""

import sys
import tomllib
from pathlib import Path

OURS = "lamplighter-"


def requirements(folder: Path) -> list[str]:
    """Return the requirements of all `pyproject.toml` below `folder` that are not members themselves, sorted."""
    return sorted(
        {name for file in folder.rglob("pyproject.toml") for name in _needs(file) if not name.startswith(OURS)}
    )


def _needs(file: Path) -> list[str]:
    project = tomllib.loads(file.read_text())["project"]
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    return [*project.get("dependencies", []), *(name for names in extras.values() for name in names)]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]))))
