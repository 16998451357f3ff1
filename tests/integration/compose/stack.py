"""`deploy/compose/compose.yaml` started as a project of its own, and the ways by which clients come to it."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx

from ..agent import new_token
from ..served import PORTS, Served, until
from ..system import QUICK, free_block, free_port
from ..wires import HOST, Address
from . import engine
from .engine import Container

FOLDER = Path(__file__).parents[3] / "deploy" / "compose"
SERVICES = ("nats", "postgres", *PORTS)
PREFIX = os.environ.get("LAMPLIGHTER_TEST_PREFIX", "lamplighter-test")
LOGS = os.environ.get("LAMPLIGHTER_TEST_LOGS", "")
"""Where to keep what containers said."""
PASSWORD = "of-these-tests"
SIP_PORT = 5060
UP_SECONDS = 240.0
READY_SECONDS = 45.0
SPAN = 4
"""Ports of a range are one more."""
Way = Literal["published", "network"]


class Stack:
    """A compose project. `settings` are variables of the services, `files` lie beside compose.yaml; `front` is the port
    of what stands before the edges, if anything does.
    """

    def __init__(
        self,
        *files: str,
        settings: Mapping[str, str] = QUICK,
        environment: Mapping[str, str] | None = None,
        scale: Mapping[str, int] | None = None,
        front: int = 0,
    ) -> None:
        self.project = f"{PREFIX}-{new_token()[:8]}"
        self.data = Path(tempfile.mkdtemp(prefix="lamplighter-compose-"))
        self.sip_port = free_port()
        self.http_port = free_block(SPAN + 2)
        self.advertised: Address = (HOST, front or self.sip_port)
        self._scale = dict(scale or {})
        self._environment = self._variables() | dict(environment or {})
        own = self.data / "settings.json"
        own.write_text(json.dumps({"services": _services(settings)}))
        self._files = [FOLDER / "compose.yaml", *(FOLDER / name for name in files), own]

    def _variables(self) -> dict[str, str]:
        http = self.http_port
        return {
            "COMPOSE_PROFILES": "xcap",
            "LAMPLIGHTER_HEALTH_INTERVAL": os.environ.get("LAMPLIGHTER_HEALTH_INTERVAL", "2s"),
            "LAMPLIGHTER_POSTGRES_PASSWORD": PASSWORD,
            "LAMPLIGHTER_SIP_PORT": str(self.sip_port),
            "LAMPLIGHTER_SIP_ADVERTISE": f"{HOST}:{self.advertised[1]}",
            "LAMPLIGHTER_SIP_PORTS": f"{self.sip_port}-{self.sip_port + SPAN}",
            "LAMPLIGHTER_HTTP_PORT": str(http),
            "LAMPLIGHTER_HTTP_PORTS": f"{http}-{http + SPAN}",
            "LAMPLIGHTER_XCAP_HTTP_PORT": str(http + SPAN + 1),
        }

    # --- the project

    @property
    def command(self) -> list[str]:
        """Return the beginning of every compose command."""
        files = [word for path in self._files for word in ("-f", str(path))]
        return ["docker", "compose", "--ansi", "never", "-p", self.project, *files]

    def compose(self, *arguments: str) -> str:
        """Run a compose command and return what it prints."""
        return engine.run(*self.command, *arguments, environment=self._environment, timeout=UP_SECONDS)

    def up(self, *arguments: str, only: str = "") -> None:
        """Start what does not run, or that of one service, as many as there shall be, and wait until it is healthy."""
        numbers = [f"--scale={name}={number}" for name, number in self._scale.items() if only in ("", name)]
        alone = ["--no-deps", only] if only else []
        self.compose("up", "--detach", "--wait", *numbers, *arguments, *alone)

    def scale(self, **numbers: int) -> None:
        """Let there be so many containers of these services from now on."""
        self._scale |= {name.replace("_", "-"): number for name, number in numbers.items()}
        self.up("--no-recreate")

    def again(self) -> None:
        """Remove all containers, but not what they keep, and start new ones."""
        self.compose("down")
        self.up()

    def down(self) -> None:
        """Remove everything that it is made of."""
        with suppress(AssertionError):
            if LOGS:
                engine.logs(self.command, Path(LOGS) / f"{self.project}.log", self._environment)
            self.compose("down", "--volumes", "--timeout", "2")
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def dsn(self) -> str:
        """Return the URL of its database."""
        return f"postgresql://lamplighter:{PASSWORD}@{self.one('postgres').address}/lamplighter"

    def tail(self, length: int = 6000) -> str:
        """Return the end of what all containers said."""
        path = self.data / "log"
        engine.logs(self.command, path, self._environment)
        return path.read_bytes()[-length:].decode(errors="replace")

    # --- its containers

    def containers(self, service: str) -> list[Container]:
        """Return the containers of a service that run, by name."""
        return [one for one in engine.containers(self.project, service) if one.running]

    def one(self, service: str) -> Container:
        """Return the first container of a service."""
        return self.containers(service)[0]

    def until_ready(self) -> None:
        """Wait until all services of all containers are ready."""
        until(lambda: not self.unready(), READY_SECONDS, lambda: f"not ready: {self.unready()}\n{self.tail()}")

    def unready(self) -> list[str]:
        """Return the containers that do not run, or are not ready."""
        found = [one for one in engine.containers(self.project) if one.service in SERVICES]
        return [one.name for one in found if not one.running or (one.service in PORTS and not _is_ready(one))]

    def recreate(self, service: str) -> None:
        """Replace all containers of a service at once."""
        self.up("--force-recreate", only=service)

    def replace(self, container: Container) -> None:
        """Replace one container, in order: it is told to stop, and another one comes."""
        engine.run("docker", "stop", container.id)
        engine.run("docker", "rm", container.id)
        self.up("--no-recreate", only=container.service)


def _is_ready(container: Container) -> bool:
    try:
        answer = httpx.get(f"http://{container.address}:{PORTS[container.service]}/readyz", timeout=2.0)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def _services(settings: Mapping[str, str]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the settings of each service as compose writes them."""
    prefixes = {service: service.replace("-", "_").upper() + "_" for service in PORTS}
    prefixes["migrate"] = prefixes["presence-core"]
    return {
        service: {"environment": {name: value for name, value in settings.items() if name.startswith(prefix)}}
        for service, prefix in prefixes.items()
    }


class ComposeSystem(Served):
    """A stack as clients see it that come by its published ports, or to its containers without translation."""

    def __init__(self, stack: Stack, way: Way) -> None:
        self.stack = stack
        self.way = way
        self.data = stack.data
        self._looked: dict[str, Container] = {}
        self.sip: Address = (HOST, stack.sip_port) if way == "published" else (stack.one("sip-edge").address, SIP_PORT)

    def url(self, service: str, path: str) -> str:
        """Return the address of a service's HTTP endpoint at its first container."""
        if self.way == "published" and service == "presence-core":
            return f"http://{HOST}:{self.stack.http_port}{path}"
        container = self._looked.get(service) or self.stack.one(service)
        self._looked[service] = container
        return f"http://{container.address}:{PORTS[service]}{path}"

    @property
    def advertised(self) -> Address:
        """Return what the edge says is its address."""
        return self.stack.advertised

    def seen(self, local: Address) -> Address:
        """Return where the edge sees a client: behind the engine's translation, or where it is."""
        return (self.stack.one("sip-edge").gateway, 0) if self.way == "published" else local

    def tail(self, length: int = 6000) -> str:
        """Return the end of what all containers said."""
        return self.stack.tail(length)
