"""Programs that the tests drive and did not write: found, installed where that may be, or said to be missing."""

import os
import shutil
import subprocess
from functools import cache
from typing import NoReturn

import pytest

INSTALL_SECONDS = 180


def missing(reason: str) -> NoReturn:
    """Skip the test; where clients are required (REQUIRE_CLIENTS=1, as in continuous integration), fail it."""
    if os.environ.get("REQUIRE_CLIENTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, *packages: str) -> str:
    """Return the path of a program, from Debian packages if need be."""
    found = shutil.which(name) or _installed(name, packages)
    if not found:
        missing(f"{name} is missing: apt-get install {' '.join(packages)}")
    return found


@cache
def _installed(name: str, packages: tuple[str, ...]) -> str | None:
    """Install packages when we are root on a Debian; return where the program is then."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError):
        return None
    return shutil.which(name)
