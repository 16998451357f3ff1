"""Addresses as the command line gives them: `host:port`, an IPv6 host in brackets (RFC 3261 §25.1 hostport)."""

import socket
from ipaddress import ip_address
from typing import NamedTuple


class Address(NamedTuple):
    """A host, without brackets, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, port: int | None = None) -> "Address":
        """Return the address that `text` is, `port` being the default; ValueError when it is none."""
        host, colon, number = text.rpartition(":")
        if port is not None and (not colon or text.endswith("]")):
            host, number = text, str(port)
        if not (number.isascii() and number.isdecimal() and int(number) <= 65535):
            raise ValueError(f"{text!r} is not host:port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r} is not host:port: an IPv6 host needs brackets")
        if not host:
            raise ValueError(f"{text!r} has no host")
        return cls(host, int(number))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """Return the address family of the host."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def is_wildcard(self) -> bool:
        """Return whether the host means every address of the machine."""
        try:
            return ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @property
    def reachable(self) -> "Address":
        """Return an address by which this machine reaches it."""
        if not self.is_wildcard:
            return self
        return self._replace(host="::1" if ":" in self.host else "127.0.0.1")

    def shifted(self, by: int) -> "Address":
        """Return the address with a port so much higher; ValueError beyond the last port."""
        if self.port + by > 65535:
            raise ValueError(f"{self} leaves no port {self.port + by}")
        return self._replace(port=self.port + by)


def outward_host(like: Address) -> str:
    """Return the address by which other machines most likely reach this one, else the loopback address."""
    target = ("2001:db8::1", 9) if like.family is socket.AF_INET6 else ("192.0.2.1", 9)
    with socket.socket(like.family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only asks for the route.
            probe.connect(target)
            return str(probe.getsockname()[0])
        except OSError:
            return like.reachable.host
