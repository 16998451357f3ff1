"""The scripts of `make test-compose` on machines that cannot run it; where they can, running it shows."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from .compose_files import read

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts" / "ci"


def machine(folder: Path, **programs: str) -> dict[str, str]:
    """Return the environment of a machine where `programs`, bodies of shell scripts, stand in for the real ones."""
    for name, body in programs.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in ("REQUIRE_DOCKER", "KEEP_DOCKER")}
    own = {
        "PATH": f"{folder}:{kept['PATH']}",
        "ENSURE_DOCKER_STATE": str(folder / "state"),
        "LOGS": str(folder / "logs"),
    }
    return kept | own


def run(script: str, *arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / script, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_compose_where_there_can_be_no_engine_is_skipped_and_says_why(tmp_path: Path) -> None:
    environment = machine(tmp_path, docker="exit 1", uname="echo Darwin")

    done = run("test-compose", environment=environment)

    assert done.returncode == 0
    assert "only on Linux can one be started here" in done.stderr
    assert "SKIPPED" in done.stderr


def test_compose_where_there_can_be_no_engine_and_it_is_required_fails(tmp_path: Path) -> None:
    environment = machine(tmp_path, docker="exit 1", uname="echo Darwin") | {"REQUIRE_DOCKER": "1"}

    done = run("test-compose", environment=environment)

    assert done.returncode == 1
    assert "FAILED" in done.stderr


def test_ensure_docker_where_all_is_well_does_nothing(tmp_path: Path) -> None:
    docker = '[ "$1" = compose ] && echo 2.26.1-4; echo "$*" >>"$(dirname "$0")/calls"'
    environment = machine(tmp_path, docker=docker, **{"apt-get": "exit 1", "dockerd": "exit 1"})

    done = run("ensure-docker", environment=environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert set((tmp_path / "calls").read_text().splitlines()) == {"info", "compose version --short"}


@pytest.mark.parametrize("version", ["1.29.2", "2.23.3", "unknown"])
def test_ensure_docker_without_a_compose_that_is_new_enough_is_impossible(tmp_path: Path, version: str) -> None:
    docker = f'[ "$1" != compose ] || echo "{version}"'
    environment = machine(tmp_path, docker=docker, **{"apt-get": "exit 1"})
    environment |= {"DOCKER_CONFIG": str(tmp_path / "config"), "PYTHON": "false"}

    done = run("ensure-docker", environment=environment)

    assert done.returncode == 3
    assert "docker compose 2.24 or newer is missing" in done.stderr


def test_standins_are_not_made_where_images_can_be_pulled(tmp_path: Path) -> None:
    docker = '[ "$1" = pull ] || exit 1; echo "$3" >>"$(dirname "$0")/pulled"'
    environment = machine(tmp_path, docker=docker, mmdebstrap="exit 1")

    done = run("standin-images", environment=environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert set((tmp_path / "pulled").read_text().split()) == bases()


def test_standins_that_are_used_are_named_loudly(tmp_path: Path) -> None:
    environment = machine(tmp_path, docker='[ "$1" = image ] && echo 1')

    done = run("standin-images", environment=environment)

    assert done.returncode == 0
    assert sorted(line.split()[2] for line in done.stderr.splitlines() if "STAND-IN" in line) == sorted(bases())


def test_standins_that_can_be_had_in_no_way_are_impossible(tmp_path: Path) -> None:
    environment = machine(tmp_path, docker="exit 1", **{"apt-get": "exit 1"}) | {"PYTHON": "/nowhere/python"}

    done = run("standin-images", environment=environment)

    assert done.returncode == 3
    assert "cannot be pulled" in done.stderr


def bases() -> set[str]:
    """Return the images that the Dockerfile and compose.yaml want from elsewhere."""
    images = {str(service["image"]) for service in read().values()}
    (argument,) = [
        line
        for line in (ROOT / "deploy/docker/Dockerfile").read_text().splitlines()
        if line.startswith("ARG PYTHON_IMAGE")
    ]
    return {image for image in images if not image.startswith("lamplighter/")} | {argument.partition("=")[2]}
