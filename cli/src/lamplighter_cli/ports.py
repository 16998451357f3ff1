"""Ports: which are taken, which are free."""

import os
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from lamplighter_cli.address import Address

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
LISTENERS = range(15_000, 32_000)
"""Where free ports are looked for: below those that systems give to outgoing connections, one of which could have the
port when its listener starts again."""


def problems(sip: Iterable[Address], http: Iterable[Address]) -> Iterator[str]:
    """Yield a line for each address that cannot be listened on: SIP by UDP and TCP, HTTP by TCP."""
    for address in sip:
        for kind, transport in ((UDP, "UDP"), (TCP, "TCP")):
            if reason := refusal(address, kind):
                yield f"SIP {address} ({transport}): {reason}"
    for address in http:
        if reason := refusal(address, TCP):
            yield f"HTTP {address}: {reason}"


def refusal(address: Address, kind: socket.SocketKind) -> str:
    """Return why an address cannot be listened on, empty when it can."""
    try:
        with _bound(address, kind):
            return ""
    except OSError as error:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _bound(address: Address, kind: socket.SocketKind) -> socket.socket:
    opened = socket.socket(address.family, kind)
    try:
        if kind is TCP:
            # Connections of a run before, in TIME_WAIT, do not count; a listener does.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address.host, address.port))
    except OSError:
        opened.close()
        raise
    return opened


def free(host: str, *, udp: bool = False, count: int = 1) -> int:
    """Return the first of `count` ports in a row that are free for TCP, and for UDP if asked; OSError without."""
    for _ in range(200):
        first = random.choice(LISTENERS)
        with ExitStack() as sockets:
            try:
                if udp:
                    sockets.enter_context(_bound(Address(host, first), UDP))
                for number in range(count):
                    sockets.enter_context(_bound(Address(host, first + number), TCP))
            except OSError:
                continue
            return first
    raise OSError(f"no {count} free ports in a row on {host}")


def several(host: str, count: int) -> tuple[int, ...]:
    """Return so many different ports that are free for TCP."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free(host))
    return tuple(found)
