"""Typed values of the header fields that we act on (RFC 3261 §20, RFC 6665 §8.2).

Rule 1: `parse` and `str` are inverses but for whitespace, the case of parameter names and needless quoting.
Rule 2: anything that cannot be read raises ParseError; nothing is guessed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from sip.errors import ParseError
from sip.grammar import (
    QUOTED_STRING,
    TOKEN,
    WHITESPACE,
    Params,
    format_params,
    parameter,
    parse_number,
    parse_params,
    quote,
    unquote,
    without,
)
from sip.uri import split_host_port

MAX_SECONDS = 2**32 - 1
"""RFC 3261 §20.19."""
MAX_CSEQ = 2**31 - 1
"""RFC 3261 §8.1.1.5."""
_CACHED_LENGTH = 512
"""Longer values are parsed anew every time, so that nobody fills the memory with them."""

_W = r"[ \t]*+"
_VIA = re.compile(
    rf"({TOKEN}){_W}/{_W}({TOKEN}){_W}/{_W}({TOKEN})[ \t]++(\[[^\]]*+\]|[^ \t;:\[\]]++)"
    rf"(?>(?:{_W}:{_W}([0-9]{{1,5}}))?)"
)
_BRACKETED = re.compile(rf'([^",;<>]*+|{QUOTED_STRING}{_W})<([^<>]*+)>')
_ADDR_SPEC = re.compile(r"[^ \t;<>\",?]++")
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+:[!#-;=?-~]++")
_CSEQ = re.compile(rf"([0-9]{{1,30}})[ \t]++({TOKEN})")
_WORD = re.compile(rf"({TOKEN}){_W}")
_MEDIA = re.compile(rf"({TOKEN}){_W}/{_W}({TOKEN}){_W}")
_NEVER = re.compile(r"0(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (RFC 3261 §20.42); an IPv6 host has its brackets."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()
    protocol: str = "SIP/2.0"
    """Name and version; another version is answered by 505 (§21.5.6)."""

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Return the Via that `text` is."""
        return _parse_via(text)

    @property
    def branch(self) -> str:
        """Return the transaction id, empty without one (RFC 2543)."""
        return parameter(self.params, "branch") or ""

    @property
    def sent_by(self) -> str:
        """Return `host[:port]`."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value, "" without one, None when it is not there."""
        return parameter(self.params, name)

    def with_parameter(self, name: str, value: str) -> "Via":
        """Return the same with one parameter set, in its place or at the end."""
        if parameter(self.params, name) is None:
            return replace(self, params=(*self.params, (name, value)))
        return replace(self, params=tuple([(name, value) if item[0] == name else item for item in self.params]))

    def __str__(self) -> str:
        return f"{self.protocol}/{self.transport} {self.sent_by}{format_params(self.params)}"


def has_sent_by(text: str) -> bool:
    """Return whether text begins like a Via, whatever comes after its host."""
    return _VIA.match(text) is not None


# Each text is read several times while its request is handled, and never again.
@lru_cache(maxsize=64)
def _parse_via(text: str) -> Via:
    match = _VIA.match(text)
    if match is None:
        raise ParseError("Via not readable")
    name, version, transport, host, port = match.groups()
    host, number = split_host_port(host if port is None else f"{host}:{port}")
    return Via(transport.upper(), host, number, parse_params(text, match.end()), f"{name.upper()}/{version}")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """An address with parameters, as in From, To, Contact, Route (RFC 3261 §20.10, §20.20).

    `display` is what the name says, without quotes. `uri` is text of any scheme; only its characters are checked.
    """

    display: str
    uri: str
    params: Params = ()

    @property
    def tag(self) -> str:
        """Return the tag, empty without one."""
        return parameter(self.params, "tag") or ""

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value, "" without one, None when it is not there."""
        return parameter(self.params, name)

    def __str__(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{format_params(self.params)}"


def parse_name_addr(text: str) -> NameAddr:
    """Return the address that `text` is, in brackets or bare."""
    return _parse_name_addr_cached(text) if len(text) <= _CACHED_LENGTH else _parse_name_addr(text)


def _parse_name_addr(text: str) -> NameAddr:
    text = text.strip(WHITESPACE)
    match = _BRACKETED.match(text)
    if match is not None:
        display, uri = unquote(match[1].strip(WHITESPACE)), match[2]
    else:
        # Without brackets `;` and `?` are no part of the URI (§20.10).
        match = _ADDR_SPEC.match(text)
        if match is None:
            raise ParseError("Address not readable")
        display, uri = "", match[0]
    if not _ABSOLUTE_URI.fullmatch(uri):
        raise ParseError("URI not readable")
    return NameAddr(display, uri, parse_params(text, match.end()))


_parse_name_addr_cached = lru_cache(maxsize=8192)(_parse_name_addr)


@dataclass(frozen=True, slots=True)
class CSeq:
    """Number and method of a request (RFC 3261 §20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Return the CSeq that `text` is; its number is less than 2**31 (§8.1.1.5)."""
        return _parse_cseq(text) if len(text) <= _CACHED_LENGTH else _parse_cseq_text(text)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def _parse_cseq_text(text: str) -> CSeq:
    match = _CSEQ.fullmatch(text)
    number = parse_number(match[1], MAX_CSEQ) if match else None
    if match is None or number is None:
        raise ParseError("CSeq not readable")
    return CSeq(number, match[2])


_parse_cseq = lru_cache(maxsize=1024)(_parse_cseq_text)


@dataclass(frozen=True, slots=True)
class EventHeader:
    """Event package and its parameters in their order, `id` among them (RFC 6665 §8.2.1)."""

    package: str
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "EventHeader":
        """Return the Event that `text` is; names of packages compare with regard to case (§8.2.1)."""
        return _parse_event(text) if len(text) <= _CACHED_LENGTH else _parse_event_text(text)

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value, "" without one, None when it is not there."""
        return parameter(self.params, name)

    @property
    def id(self) -> str:
        """Return what tells two subscriptions of one dialog apart, "" without it."""
        return self.parameter("id") or ""

    def __str__(self) -> str:
        return f"{self.package}{format_params(self.params)}"


def _parse_event_text(text: str) -> EventHeader:
    match = _WORD.match(text)
    if match is None:
        raise ParseError("Event not readable")
    return EventHeader(match[1], parse_params(text, match.end()))


_parse_event = lru_cache(maxsize=1024)(_parse_event_text)


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """State of a subscription as NOTIFY tells it (RFC 6665 §8.2.3); times in seconds."""

    state: str
    expires: int | None = None
    reason: str = ""
    retry_after: int | None = None
    params: Params = ()
    """Further parameters."""

    @classmethod
    def parse(cls, text: str) -> "SubscriptionState":
        """Return the Subscription-State that `text` is; unreadable times are None."""
        match = _WORD.match(text)
        if match is None:
            raise ParseError("Subscription-State not readable")
        params = parse_params(text, match.end())
        return cls(
            match[1].lower(),
            parse_delta_seconds(parameter(params, "expires")),
            parameter(params, "reason") or "",
            parse_delta_seconds(parameter(params, "retry-after")),
            without(params, "expires", "reason", "retry-after"),
        )

    def __str__(self) -> str:
        known = {"expires": self.expires, "reason": self.reason or None, "retry-after": self.retry_after}
        given = tuple([(name, str(value)) for name, value in known.items() if value is not None])
        return self.state + format_params(given + self.params)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range with its parameters (RFC 3261 §20.1, §20.15); type and subtype in lower case."""

    type: str
    subtype: str
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Return the media type or range that `text` is."""
        match = _MEDIA.match(text)
        if match is None:
            raise ParseError("Media type not readable")
        return cls(match[1].lower(), match[2].lower(), parse_params(text, match.end()))

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{format_params(self.params)}"


def accepts(accept_values: Iterable[str], content_type: str) -> bool:
    """Return whether Accept values allow a content type; the most specific range decides, and `q=0` forbids.

    What cannot be read allows nothing. Without an Accept header the default is the event package's, not ours.
    """
    wanted = _readable_media(content_type)
    best, allowed = 0, False
    for media in map(_readable_media, accept_values):
        rank = _specificity(media, wanted) if media and wanted else 0
        if media and rank > best:
            best, allowed = rank, not _NEVER.fullmatch(parameter(media.params, "q") or "1")
    return allowed


def _readable_media(text: str) -> MediaType | None:
    try:
        return MediaType.parse(text)
    except ParseError:
        return None


def _specificity(media: MediaType, wanted: MediaType) -> int:
    if (media.type, media.subtype) == (wanted.type, wanted.subtype):
        return 3
    if (media.type, media.subtype) == (wanted.type, "*"):
        return 2
    return int((media.type, media.subtype) == ("*", "*"))


def parse_delta_seconds(text: str | None) -> int | None:
    """Return seconds, 2**32-1 at most (RFC 3261 §20.19); None when `text` is no number."""
    text = (text or "").strip(WHITESPACE)
    if not text.isascii() or not text.isdecimal():
        return None
    number = parse_number(text, MAX_SECONDS)
    return MAX_SECONDS if number is None else number
