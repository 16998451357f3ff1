"""What the behaviour tests need of a running system, wherever it runs."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from .wires import Address

PORTS = {"presence-core": 8080, "sip-edge": 8081, "notifier": 8082, "xcap-sync": 8083}
"""The services, and the HTTP port of each unless it is told another."""


class Door(Protocol):
    """Where SIP goes in."""

    sip: Address


class Served(ABC):
    """A running system."""

    sip: Address
    data: Path
    """A folder for what a test writes."""

    @abstractmethod
    def url(self, service: str, path: str) -> str:
        """Return the address of a service's HTTP endpoint."""

    @abstractmethod
    def seen(self, local: Address) -> Address:
        """Return where the edge sees a client that sends from a local address; port 0: not known beforehand."""

    @abstractmethod
    def tail(self, length: int = 6000) -> str:
        """Return the end of the log."""

    @property
    def advertised(self) -> Address:
        """Return what the edge says is its address."""
        return self.sip

    @property
    def target(self) -> str:
        """Return where SIP is answered, `host:port`."""
        return f"{self.sip[0]}:{self.sip[1]}"

    def get(self, service: str, path: str) -> httpx.Response:
        """Ask a service, and whom it sends us to."""
        return httpx.get(self.url(service, path), timeout=5.0, follow_redirects=True)

    def subscriptions(self, presentity: str) -> list[dict[str, str | int | bool]]:
        """Return the subscriptions to a presentity as the core shows them."""
        listed: list[dict[str, str | int | bool]] = self.get(
            "presence-core", f"/subscriptions?presentity={presentity}"
        ).json()
        return listed

    def until(self, condition: Callable[[], bool], complaint: str, timeout: float = 10.0) -> None:
        """Wait until a condition holds; AssertionError with the end of the log after `timeout` seconds."""
        until(condition, timeout, lambda: f"{complaint}\n{self.tail()}")

    def readiness(self) -> dict[str, str]:
        """Return what /readyz of each service says."""
        return {service: self._readiness(service) for service in PORTS}

    def _readiness(self, service: str) -> str:
        try:
            response = self.get(service, "/readyz")
        except httpx.HTTPError as error:
            return repr(error)
        return "ready" if response.status_code == 200 else response.text

    def ready(self) -> bool:
        """Return whether every service is."""
        return all(answer == "ready" for answer in self.readiness().values())


def until(condition: Callable[[], bool], timeout: float, complaint: Callable[[], str]) -> None:
    """Wait until a condition holds; AssertionError with the complaint after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, complaint()
        time.sleep(0.05)
