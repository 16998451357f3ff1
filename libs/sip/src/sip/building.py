"""What we write: requests, responses, and the marks of arrival (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4)."""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from sip.errors import ParseError
from sip.fields import Via, parse_name_addr
from sip.grammar import split_values
from sip.model import Request, join_lines, print_message

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
    to = own.get("To") or ""
    if to_tag and not _has_tag(to):
        to = f"{to};tag={to_tag}"
    lines = [
        f"SIP/2.0 {status} {reason}",
        *[f"Via: {value}" for value in own.all("Via")],
        f"From: {own.get('From')}",
        f"To: {to}",
        f"Call-ID: {own.get('Call-ID')}",
        f"CSeq: {own.get('CSeq')}",
        *[f"{name}: {value}" for name, value in headers],
    ]
    return join_lines(lines, body)


def _has_tag(to: str) -> bool:
    try:
        return parse_name_addr(to).tag != ""
    except ParseError:
        # A refused request may have a To that cannot be read.
        return _TAG.search(to) is not None


def stamp_received(request: Request, host: str, port: int) -> None:
    """Write where a request came from into its top Via; `host` is an address, IPv6 with or without brackets.

    `received` is set when the top Via asks for `rport` or names another host (RFC 3261 §18.2.1, RFC 3581 §4).
    ParseError when there is no readable Via, which `parse` rules out.
    """
    line = request.headers.get("Via") or ""
    first, comma, rest = _split_first(line)
    via = Via.parse(first)
    asked = via.parameter("rport") is not None
    if not asked and via.parameter("received") is None and _same_host(via.host, host):
        return
    address = host.strip("[]")
    stamped = _stamp_in_place(first, address, port) if asked and via.parameter("received") is None else None
    if stamped is None:
        marked = via.with_parameter("rport", str(port)) if asked else via
        stamped = str(marked.with_parameter("received", address))
    request.headers.replace_first("Via", stamped + comma + rest)


def _stamp_in_place(text: str, address: str, port: int) -> str | None:
    """Do the usual case, an `rport` without value in a Via without quotes, at a fraction of the time."""
    start = text.find(";rport")
    after = text[start + 6 :]
    if start < 0 or '"' in text or after[:1] not in (";", ""):
        return None
    return f"{text[:start]};rport={port};received={address}{after}"


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
