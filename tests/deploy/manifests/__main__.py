"""`python -m tests.deploy.manifests [FOLDER …]`: render and check the overlays, and every combination of components.

With folders: these overlays alone, such as one of your own. Exit codes: 0 all is well; 1 it is not.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .checks import CHECKS, OF_STORES, Check, problems
from .rendering import FOLDER, CannotRender, combinations, combined, overlays, render, stores
from .schemas import VERSIONS
from .settings_files import stale


def main(folders: list[Path]) -> int:
    """Print what is wrong, or what was looked at."""
    if folders:
        return _report([f"{folder}: {one}" for folder in folders for one in _checked(folder)], len(folders))
    found = [*stale()]
    found += [f"{folder.name}: {one}" for folder in overlays() for one in _checked(folder)]
    found += [f"{folder.name}: {one}" for folder in stores() for one in _checked(folder, OF_STORES)]
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(FOLDER, Path(place) / "k8s"))
        mixed = [combined(copy, edge, components) for edge, components in combinations()]
        found += [f"{folder.name}: {one}" for folder in mixed for one in _checked(folder)]
    return _report(found, len(overlays()) + len(stores()) + len(mixed))


def _checked(folder: Path, checks: tuple[Check, ...] = CHECKS) -> Iterator[str]:
    try:
        manifests = render(folder)
    except CannotRender as error:
        yield str(error)
    else:
        yield from problems(manifests, checks)


def _report(found: list[str], number: int) -> int:
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        versions = " and ".join(VERSIONS)
        print(f"{number} set{'s' if number > 1 else ''} of manifests: as Kubernetes {versions} take them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
