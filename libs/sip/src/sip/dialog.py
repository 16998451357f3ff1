"""Requests inside a dialog: where they go (RFC 3261 §12.2.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sip.errors import ParseError
from sip.fields import parse_name_addr
from sip.grammar import without
from sip.uri import SipUri, parse_uri


@dataclass(frozen=True, slots=True)
class Routed:
    """What a request inside a dialog says, and where it is sent."""

    request_uri: str
    routes: tuple[str, ...]
    """Route values, in order."""
    next_hop: str
    """`host:port` to send to; the host may be a name, IPv6 has its brackets."""


def route_request(remote_target: str, route_set: Sequence[str]) -> Routed:
    """Return where a request goes; `route_set` holds name-addrs in the order of the dialog, our neighbour first.

    The next hop is the first route or else the remote target, by its maddr if it has one. ParseError when a URI
    cannot be read, 416 when there is no SIP URI to send to.
    """
    target = _address(remote_target)
    if not route_set:
        return Routed(_request_uri(target), (), _next_hop(target))
    first = _address(parse_name_addr(route_set[0]).uri)
    if first.parameter("lr") is not None:
        return Routed(_request_uri(target), tuple(route_set), _next_hop(first))
    # A strict router takes itself from the Request-URI and the target from the last Route.
    return Routed(_request_uri(first), (*route_set[1:], f"<{target}>"), _next_hop(first))


def _address(uri: str) -> SipUri:
    parsed = parse_uri(uri)
    if not isinstance(parsed, SipUri):
        raise ParseError("No host to send to", status=416)
    return parsed


def _request_uri(uri: SipUri) -> str:
    """Return a URI without what a Request-URI must not have (§19.1.1 table 1)."""
    return str(replace(uri, params=without(uri.params, "method"), headers=()))


def _next_hop(uri: SipUri) -> str:
    port = uri.port or (5061 if uri.scheme == "sips" else 5060)
    return f"{uri.parameter('maddr') or uri.host}:{port}"
