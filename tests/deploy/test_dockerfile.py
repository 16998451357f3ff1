"""What the Dockerfile promises: an image that nobody can change from inside, with one process that hears signals."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = {"sip-edge": 8081, "presence-core": 8080, "notifier": 8082, "xcap-sync": 8083}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An instruction."""

    word: str
    rest: str


def stages() -> dict[str, list[Line]]:
    """Return the instructions of each stage by its name; those before the first stage are under no name."""
    text = re.sub(r"^#.*\n", "", (ROOT / "deploy/docker/Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, list[Line]] = {"": []}
    name = ""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            name = rest.split()[-1]
            found[name] = []
        found[name].append(Line(word=word, rest=rest.strip()))
    return found


def only(lines: list[Line], word: str) -> str:
    """Return the one instruction of its kind."""
    (rest,) = [line.rest for line in lines if line.word == word]
    return rest


def folders(place: str) -> set[str]:
    return {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob(f"{place}/pyproject.toml")}


def test_dockerfile_has_a_target_for_each_service() -> None:
    found = stages()

    assert set(found) == {"", "build", "service", *SERVICES}
    assert set(SERVICES) == {path.name for path in (ROOT / "services").iterdir() if path.is_dir()}


def test_base_image_is_slim_and_named_by_an_argument() -> None:
    found = stages()

    assert only(found[""], "ARG") == "PYTHON_IMAGE=python:3.11-slim-bookworm"
    assert only(found["build"], "FROM") == "${PYTHON_IMAGE} AS build"
    assert only(found["service"], "FROM") == "${PYTHON_IMAGE} AS service"


def test_image_runs_as_a_user_by_number_so_that_kubernetes_can_see_that_it_is_not_root() -> None:
    user = only(stages()["service"], "USER")

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize("service", SERVICES)
def test_entry_point_is_the_service_itself_without_a_shell(service: str) -> None:
    lines = stages()[service]

    assert only(lines, "FROM") == f"service AS {service}"
    assert json.loads(only(lines, "ENTRYPOINT")) == ["python", "-m", service.replace("-", "_")]
    assert not [line for line in lines if line.word in ("CMD", "RUN", "USER")]


@pytest.mark.parametrize(("service", "port"), SERVICES.items())
def test_http_of_a_service_is_heard_outside_at_its_port(service: str, port: int) -> None:
    lines = stages()[service]
    prefix = service.replace("-", "_").upper()

    assert only(lines, "ENV") == f"{prefix}_HTTP_HOST=0.0.0.0 {prefix}_HTTP_PORT={port}"
    assert f"{port}/tcp" in only(lines, "EXPOSE").split()


def test_health_check_is_ours_and_needs_no_shell() -> None:
    check = only(stages()["service"], "HEALTHCHECK")

    assert json.loads(check.partition(" CMD ")[2]) == ["python", "-m", "lamplighter_runtime.healthcheck"]


def test_images_are_labelled() -> None:
    found = stages()

    for service in SERVICES:
        labels = only(found["service"], "LABEL") + only(found[service], "LABEL")
        for name in ("title", "description", "version", "revision", "licenses"):
            assert f"org.opencontainers.image.{name}=" in labels


def test_nothing_is_installed_from_outside_of_the_pins() -> None:
    lines = stages()["build"]

    assert "PIP_CONSTRAINT=/src/constraints.txt" in only(lines, "ENV")
    installing = [line.rest for line in lines if "-r third-party.txt" in line.rest]
    assert len(installing) == 2
    assert all("--only-binary :all:" in line for line in installing)


def test_compiler_is_installed_in_the_first_stage_alone_and_only_where_it_is_asked_for() -> None:
    installing = [
        (name, line.rest)
        for name, lines in stages().items()
        for line in lines
        if re.search(r"\bapt(-get)?\b|\bapk\b|gcc|build-essential", line.rest)
    ]

    ((stage, words),) = installing
    assert stage == "build"
    assert words.startswith('if [ -n "${COMPILE}" ]; then')
    assert "COMPILE=" in [line.rest for line in stages()["build"] if line.word == "ARG"]


def test_every_member_that_services_need_is_copied_before_its_sources() -> None:
    copied = {line.rest.split()[0] for line in stages()["build"] if line.word == "COPY"}

    wanted = folders("proto") | folders("libs/*") | folders("services/*")
    assert {f"{folder}/pyproject.toml" for folder in wanted} <= copied


def test_dockerfile_is_for_every_builder() -> None:
    text = (ROOT / "deploy/docker/Dockerfile").read_text()

    assert not re.search(r"^# *syntax|--mount|--chmod|--link|<<", text, flags=re.MULTILINE)


def test_version_is_that_of_the_services() -> None:
    (default,) = [line.rest for line in stages()["service"] if line.rest.startswith("VERSION=")]

    for service in SERVICES:
        project = tomllib.loads((ROOT / "services" / service / "pyproject.toml").read_text())["project"]
        assert default == f"VERSION={project['version']}"


def test_dockerignore_lets_in_only_what_is_named() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {line.rest.split()[0] for line in stages()["build"] if line.word == "COPY"}
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {name for name in copied if "/" not in name or name.startswith(("deploy", "scripts"))} == let_in
