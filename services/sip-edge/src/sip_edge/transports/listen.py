"""UDP and TCP on the same port of an address."""

import socket

from lamplighter_runtime.lifecycle import StartError
from sip_edge.addresses import Address
from sip_edge.transports.stream import bind_tcp
from sip_edge.transports.udp import bind_udp

TRIES = 20


def bind_both(address: Address) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a listening TCP socket; port 0 finds one that is free for both. StartError when it cannot be."""
    for attempt in range(TRIES):
        try:
            return _bind_once(address)
        except OSError as error:
            if address[1] or attempt == TRIES - 1:
                raise StartError(f"SIP address {address[0]} port {address[1]}: {error.strerror}") from error
    raise AssertionError


def _bind_once(address: Address) -> tuple[socket.socket, socket.socket]:
    udp = bind_udp(address)
    try:
        return udp, bind_tcp((address[0], udp.getsockname()[1]))
    except OSError:
        udp.close()
        raise
