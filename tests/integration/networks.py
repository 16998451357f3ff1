"""Networks of a test's own: Linux network namespaces, links between them and NAT. They need root.

Rule 1: what is made has names that no other run has, and is removed at the end.
Rule 2: a thread that is `inside` a namespace opens its sockets and starts its processes there.
"""

import ctypes
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .programs import missing, program

_CLONE_NEWNET = 0x40000000
_COMMAND_SECONDS = 20
_NAMED = Path("/run/netns")
_OURS = Path("/proc/thread-self/ns/net")


class Networks:
    """Namespaces by short names, each with its loopback up."""

    def __init__(self) -> None:
        """Skip the test, or fail it where clients are required, if this machine does not let us."""
        if os.geteuid() != 0:
            missing("network namespaces need root")
        self._ip = program("ip", "iproute2")
        self._iptables = program("iptables", "iptables")
        self._prefix = f"lamplighter-{secrets.token_hex(4)}-"
        self._names: list[str] = []

    def add(self, name: str) -> None:
        """Make a namespace."""
        self._run(self._ip, "netns", "add", self._prefix + name)
        self._names.append(name)
        self._run(self._ip, "-n", self._prefix + name, "link", "set", "lo", "up")

    def link(self, one: str, its_address: str, other: str, others_address: str) -> None:
        """Connect two namespaces; addresses as `host/prefix length`. Interfaces are named after the other end."""
        peer = ("peer", "name", one, "netns", self._prefix + other)
        self._run(self._ip, "-n", self._prefix + one, "link", "add", other, "type", "veth", *peer)
        for name, interface, address in ((one, other, its_address), (other, one, others_address)):
            self._run(self._ip, "-n", self._prefix + name, "address", "add", address, "dev", interface)
            self._run(self._ip, "-n", self._prefix + name, "link", "set", interface, "up")

    def route(self, name: str, gateway: str) -> None:
        """Have a namespace send everything else to a gateway."""
        self._run(self._ip, "-n", self._prefix + name, "route", "add", "default", "via", gateway)

    def forward(self, name: str) -> None:
        """Make a namespace a router."""
        with self.inside(name):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def nat(self, name: str, *rule: str) -> None:
        """Append a rule of iptables to the table `nat` of a namespace."""
        command = (self._iptables, "--wait", "-t", "nat", "-A", *rule)
        self._run(self._ip, "netns", "exec", self._prefix + name, *command)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Move this thread into a namespace for the block."""
        with _OURS.open("rb") as before:
            with (_NAMED / (self._prefix + name)).open("rb") as there:
                _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def remove(self) -> None:
        """Remove every namespace, and with it its interfaces."""
        for name in self._names:
            subprocess.run(
                [self._ip, "netns", "delete", self._prefix + name], capture_output=True, timeout=_COMMAND_SECONDS
            )
        self._names.clear()

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_SECONDS)
        if done.returncode != 0:
            self.remove()
            missing(f"this machine has no networks for tests: {' '.join(command)}: {done.stderr.strip()}")


def _enter(namespace: int) -> None:
    """Move this thread into a network namespace; OSError when it may not (os.setns is of Python 3.12)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
