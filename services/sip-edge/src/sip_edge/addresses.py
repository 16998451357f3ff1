"""Addresses as we write them: `host:port`, an IPv6 host in brackets (RFC 3261 §25.1 hostport)."""

from functools import lru_cache
from ipaddress import ip_address

from sip.errors import ParseError
from sip.uri import canonical_host, split_host_port

Address = tuple[str, int]
"""Host and port; an IPv6 host without brackets, as sockets want it."""
Peer = tuple[str, int] | tuple[str, int, int, int]
"""An address as a socket hands it out; IPv6 brings flow label and scope along."""


@lru_cache(maxsize=16384)
def read_address(text: str) -> Address:
    """Return the host and port of `host:port`; ValueError when it is none."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"not host:port: {text!r}")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if not host or ":" in host or "[" in host:
        raise ValueError(f"not host:port (an IPv6 host needs brackets): {text!r}")
    return host, int(port)


def check_advertised(text: str) -> str:
    """Return an address that may stand in Via and Contact; ValueError when no client could make use of it."""
    host, _ = read_address(text)
    if is_wildcard(host):
        raise ValueError(f"clients cannot send to every address: {text!r}")
    try:
        split_host_port(text)
    except ParseError as error:
        raise ValueError(f"no host of a SIP URI (RFC 3261 §25.1): {text!r}") from error
    return text


def canonical(host: str) -> str:
    """Return the one spelling of a host that is written without brackets, and without the zone of an IPv6 address."""
    host = host.partition("%")[0]
    return canonical_host(f"[{host}]").strip("[]") if is_ipv6(host) else canonical_host(host)


def write_address(peer: Peer) -> str:
    """Return `host:port`."""
    return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"


def is_wildcard(host: str) -> bool:
    """Return whether a host means every address of the machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def is_ipv6(host: str) -> bool:
    """Return whether a host without brackets is an IPv6 address."""
    return ":" in host
