"""Messages out of a stream of bytes (RFC 3261 §18.3, RFC 5626 §4.4.1).

Rule 1: "need more" is an answer; a ParseError means that the stream is beyond repair.
Rule 2: every byte is searched once: time is linear in what was fed.
"""

import re
from enum import Enum

from sip.errors import ParseError
from sip.model import DEFAULT_LIMITS, Limits
from sip.parsing import answerable, body_length

_CRLF = b"\r\n"
_FOLD = re.compile(rb"\r\n[ \t]++")
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:([^\r\n]*+)", re.IGNORECASE)


class KeepAlive(Enum):
    """What a peer sends between messages to keep a flow open."""

    PING = "ping"
    """Two CRLFs, to be answered with one."""
    PONG = "pong"
    """One CRLF."""


class StreamFramer:
    """Cuts a stream into messages and keep-alives. A message without Content-Length has no body (read mildly)."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._size = 0
        """Bytes of the message at the front, 0 while its head is not complete."""
        self._half_ping = False
        self._broken: ParseError | None = None

    @property
    def pending(self) -> int:
        """Return how many bytes of an unfinished message are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """Take bytes; return what is complete, in order.

        ParseError (400 or 413) once the stream cannot be read any further, and ever after. Messages before the
        fault are returned first: then the next call raises, with whatever bytes.
        """
        if self._broken:
            raise self._broken
        self._buffer += data
        found: list[bytes | KeepAlive] = []
        try:
            while (item := self._next()) is not None:
                found.append(item)
        except ParseError as error:
            error.head = answerable(bytes(self._buffer), self._limits)
            self._broken = error
            if not found:
                raise
        return found

    def _next(self) -> bytes | KeepAlive | None:
        if not self._size:
            if self._buffer.startswith(_CRLF):
                return self._keep_alive()
            if not self._buffer or not self._find_size():
                return None
        if len(self._buffer) < self._size:
            return None
        message = self._take(self._size)
        self._half_ping, self._searched, self._size = False, 0, 0
        return message

    def _keep_alive(self) -> KeepAlive:
        """Take CRLFs; the first half of a ping that comes in two halves passes for a pong, which hurts nobody."""
        if self._half_ping:
            self._take(2)
            self._half_ping = False
            return KeepAlive.PING
        if self._buffer.startswith(_CRLF + _CRLF):
            self._take(4)
            return KeepAlive.PING
        self._take(2)
        self._half_ping = True
        return KeepAlive.PONG

    def _find_size(self) -> bool:
        """Look for the end of the head; return whether it is there."""
        buffer = self._buffer
        end = buffer.find(_CRLF + _CRLF, max(self._searched - 3, 0))
        self._searched = len(buffer)
        if (len(buffer) if end < 0 else end) > self._limits.max_size:
            raise ParseError("Message Too Large", status=413)
        if end < 0:
            return False
        body = self._body_length(bytes(buffer[:end]))
        if body > self._limits.max_body:
            raise ParseError("Request Entity Too Large", status=413)
        self._size = end + 4 + body
        if self._size > self._limits.max_size:
            raise ParseError("Message Too Large", status=413)
        return True

    def _body_length(self, head: bytes) -> int:
        if b"\r\n " in head or b"\r\n\t" in head:
            head = _FOLD.sub(b" ", head)
        lengths = {body_length(text.decode("latin-1").strip(" \t")) for text in _LENGTH.findall(head)}
        if len(lengths) > 1:
            raise ParseError("Content-Length given twice")
        return lengths.pop() if lengths else 0

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
