"""The Docker engine, through its command line: containers of one compose project, and what can be done to them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import TypeAlias

import pytest

COMMAND_SECONDS = 120.0
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def run(*command: str, environment: Mapping[str, str] | None = None, timeout: float = COMMAND_SECONDS) -> str:
    """Return what a command prints; AssertionError with its complaint when it fails."""
    done = subprocess.run(
        command, env=os.environ | dict(environment or {}), capture_output=True, text=True, timeout=timeout
    )
    output: str = done.stdout
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-4000:]}{output[-2000:]}"
    return output


@cache
def lack() -> str:
    """Return why compose cannot be used on this machine, or nothing."""
    for command in (["docker", "compose", "version"], ["docker", "info", "--format", "{{.ServerVersion}}"]):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
        except FileNotFoundError:
            return "docker is missing: run scripts/ci/ensure-docker"
        except subprocess.SubprocessError as error:
            return f"`{' '.join(command)}` fails: {getattr(error, 'stderr', '') or error}"
    return ""


def demand() -> None:
    """Skip the test without a Docker engine; fail it where one is required (REQUIRE_DOCKER=1)."""
    if not lack():
        return
    if os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(lack())
    pytest.skip(lack())


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as it was when it was looked at."""

    id: str
    name: str
    service: str
    running: bool
    pid: int
    addresses: Mapping[str, str]
    """By network."""
    gateways: Mapping[str, str]

    @property
    def address(self) -> str:
        """Return its address on the network of the project."""
        return next(iter(self.addresses.values()))

    @property
    def gateway(self) -> str:
        """Return the address of this machine on that network."""
        return next(iter(self.gateways.values()))


def host_address() -> str:
    """Return an address of this machine that containers of every project reach."""
    found: list[dict[str, str]] = json.loads(
        run("docker", "network", "inspect", "--format", "{{json .IPAM.Config}}", "bridge")
    )
    return found[0].get("Gateway") or str(ip_network(found[0]["Subnet"])[1])


def containers(project: str, service: str = "") -> list[Container]:
    """Return the containers of a project, or of one service of it, by name."""
    labels = [f"label=com.docker.compose.project={project}"]
    labels += [f"label=com.docker.compose.service={service}"] if service else []
    ids = run("docker", "ps", "-aq", *(word for label in labels for word in ("--filter", label))).split()
    if not ids:
        return []
    found: list[dict[str, dict[str, Json]]] = json.loads(run("docker", "inspect", *ids))
    return sorted((_container(one) for one in found), key=lambda one: one.name)


def _container(found: "dict[str, dict[str, Json]]") -> Container:
    networks = found["NetworkSettings"]["Networks"]
    labels = found["Config"]["Labels"]
    assert isinstance(networks, dict)
    assert isinstance(labels, dict)
    return Container(
        id=str(found["Id"]),
        name=str(found["Name"]).removeprefix("/"),
        service=str(labels["com.docker.compose.service"]),
        running=bool(found["State"]["Running"]),
        pid=int(str(found["State"]["Pid"])),
        addresses={name: str(one["IPAddress"]) for name, one in networks.items() if isinstance(one, dict)},
        gateways={name: str(one["Gateway"]) for name, one in networks.items() if isinstance(one, dict)},
    )


# --- what can be done to one of them


def kill(container: Container) -> None:
    """Kill it; it stays dead."""
    run("docker", "kill", container.id)


def start(container: Container) -> None:
    """Start it again."""
    run("docker", "start", container.id)


def crash(container: Container) -> None:
    """Kill its process, as a fault inside does; the engine starts it again."""
    os.kill(container.pid, signal.SIGKILL)


@contextmanager
def paused(container: Container) -> Iterator[None]:
    """Let it stand still as long as the block runs."""
    run("docker", "pause", container.id)
    try:
        yield
    finally:
        run("docker", "unpause", container.id)


@contextmanager
def cut_off(container: Container) -> Iterator[None]:
    """Take it from its networks as long as the block runs."""
    for network in container.addresses:
        run("docker", "network", "disconnect", network, container.id)
    try:
        yield
    finally:
        for network in container.addresses:
            again = ["--alias", container.service, "--alias", container.id[:12]]
            run("docker", "network", "connect", *again, network, container.id)


@contextmanager
def losing(container: Container, share: float, *match: str) -> Iterator[None]:
    """Let it lose a share of the packets that come in and match, as long as the block runs; needs root."""
    fate = ["-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"]
    rule = ["INPUT", *match, *fate]
    inside = ["nsenter", "-t", str(container.pid), "-n", "iptables", "-w"]
    run(*inside, "-A", *rule)
    try:
        yield
    finally:
        run(*inside, "-D", *rule)


def wait(seconds: float) -> None:
    """Let a fault last."""
    time.sleep(seconds)


def logs(project_command: list[str], path: Path, environment: Mapping[str, str]) -> None:
    """Write what all containers said to a file."""
    with path.open("wb") as file:
        command = [*project_command, "logs", "--no-color", "--timestamps"]
        subprocess.run(command, env=os.environ | dict(environment), stdout=file, stderr=file, timeout=COMMAND_SECONDS)
