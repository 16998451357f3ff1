"""What we write: requests, responses, and the marks of arrival (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4)."""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from sip.errors import ParseError
from sip.fields import Via, parse_name_addr
from sip.grammar import split_values
from sip.model import Request, finish, print_message

_VIA_LINE = "\r\nVia: "
_TAG = re.compile(r";[ \t]*+tag[ \t]*+=", re.IGNORECASE)


def build_request(method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return a request; Content-Length is added. SipError for a line break in a header."""
    return print_message(f"{method} {uri} SIP/2.0", headers, body)


def build_response(
    request: Request,
    status: int,
    reason: str,
    headers: Iterable[tuple[str, str]] = (),
    *,
    to_tag: str = "",
    body: bytes = b"",
) -> bytes:
    """Return a response (RFC 3261 §8.2.6.2): Via, From, To, Call-ID and CSeq of the request, then `headers`.

    `to_tag` is added to a To that has no tag; Content-Length is added. SipError for a line break in a header.
    """
    own = request.headers
    get = own.get
    to = get("To") or ""
    tag = f";tag={to_tag}" if to_tag and not _has_tag(to) else ""
    vias = own.all("Via")
    more = [f"{name}: {value}\r\n" for name, value in headers]
    text = (
        f"SIP/2.0 {status} {reason}\r\nVia: {vias[0] if len(vias) == 1 else _VIA_LINE.join(vias)}\r\n"
        f"From: {get('From')}\r\nTo: {to}{tag}\r\nCall-ID: {get('Call-ID')}\r\nCSeq: {get('CSeq')}\r\n{''.join(more)}"
    )
    return finish(text, 5 + (len(vias) or 1) + len(more), body)


def _has_tag(to: str) -> bool:
    try:
        return parse_name_addr(to).tag != ""
    except ParseError:
        # A refused request may have a To that cannot be read.
        return _TAG.search(to) is not None


def stamp_received(request: Request, host: str, port: int) -> None:
    """Write where a request came from into its top Via; `host` is an address, IPv6 with or without brackets.

    `received` is set when the top Via asks for `rport` or names another host (RFC 3261 §18.2.1, RFC 3581 §4). A Via
    that cannot be read, as a refused request may have, stays as it is.
    """
    line = request.headers.get("Via") or ""
    address = host.strip("[]")
    stamped = _stamp_usual(line, address, port) or _stamp(line, address, port)
    request.headers.replace_first("Via", stamped)


def _stamp_usual(line: str, address: str, port: int) -> str | None:
    """Do the usual case, one Via with an `rport` and nothing odd, at a fraction of the time."""
    lower = line.lower()
    start = lower.find(";rport")
    after = line[start + 6 :]
    if start < 0 or after[:1] not in ("", ";") or "received" in lower or "," in line or '"' in line:
        return None
    return f"{line[:start]};rport={port};received={address}{after}"


def _stamp(line: str, address: str, port: int) -> str:
    try:
        first, comma, rest = _split_first(line)
        via = Via.parse(first)
    except ParseError:
        return line
    asked = via.parameter("rport") is not None
    if not asked and via.parameter("received") is None and _same_host(via.host, address):
        return line
    if asked:
        via = via.with_parameter("rport", str(port))
    return f"{via.with_parameter('received', address)}{comma}{rest}"


def _split_first(line: str) -> tuple[str, str, str]:
    if "," not in line:
        return line, "", ""
    first, *others = split_values(line)
    return first, ", " if others else "", ", ".join(others)


def _same_host(sent_by: str, host: str) -> bool:
    try:
        return ip_address(sent_by.strip("[]")) == ip_address(host.strip("[]"))
    except ValueError:
        # A name says nothing about an address (RFC 3261 §18.2.1).
        return False
