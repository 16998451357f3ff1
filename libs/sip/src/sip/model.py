"""Requests and responses as values, and how they print (RFC 3261 §7).

Rule 1: text is UTF-8; bytes that are none survive from parsing to printing (surrogateescape).
Rule 2: nothing that is printed can end its line: SipError instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sip.errors import SipError
from sip.headers import NAMES, Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes beyond which a message is refused."""

    max_size: int = 65_535
    """Bytes of a message (413)."""
    max_headers: int = 200
    """Header lines (413)."""
    max_header_bytes: int = 16_384
    """Length of one header line, unfolded (413)."""
    max_body: int = 65_535
    """Bytes of a body (413)."""


DEFAULT_LIMITS = Limits()


class Request:
    """A request; `uri` is the Request-URI as it stands."""

    __slots__ = ("body", "headers", "method", "uri")

    def __init__(self, method: str, uri: str, headers: Headers, body: bytes = b"") -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body

    def __bytes__(self) -> bytes:
        return print_message(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.uri!r}, {self.headers!r}, {self.body!r})"


class Response:
    """A response."""

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    def __bytes__(self) -> bytes:
        return print_message(f"SIP/2.0 {self.status} {self.reason}", self.headers, self.body)

    def __repr__(self) -> str:
        return f"Response({self.status!r}, {self.reason!r}, {self.headers!r}, {self.body!r})"


def print_message(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return a message of a start line, headers and a body; Content-Length is ours to say."""
    lines = [start]
    lines += [f"{name}: {value}" for name, value in headers if NAMES.get(name) != "Content-Length"]
    return join_lines(lines, body)


def join_lines(lines: list[str], body: bytes) -> bytes:
    """Return lines as the head of a message, with Content-Length, and its body; SipError for a line break in a line."""
    text = "\r\n".join(lines)
    if not text.count("\n") == text.count("\r") == len(lines) - 1:
        raise SipError("Line break in a header")
    return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (text.encode("utf-8", "surrogateescape"), len(body), body)
