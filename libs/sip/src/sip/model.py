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
    lines = [f"{name}: {value}\r\n" for name, value in headers if NAMES.get(name) != "Content-Length"]
    return finish(f"{start}\r\n{''.join(lines)}", len(lines) + 1, body)


def finish(text: str, lines: int, body: bytes) -> bytes:
    """Return a message of so many lines, each with its CRLF, and a body; SipError for any other line break."""
    if not text.count("\n") == text.count("\r") == lines:
        raise SipError("Line break in a header")
    return f"{text}Content-Length: {len(body)}\r\n\r\n".encode("utf-8", "surrogateescape") + body
