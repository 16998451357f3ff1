"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966).

Rule 1: a URI is ASCII; what is parsed prints as it came, but for the case of scheme and parameter names.
Rule 2: whom a URI means is asked by `canonical_aor`; whether two URIs are one, by `equivalent`. Never compare text.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from sip.errors import ParseError
from sip.grammar import Params, format_params, parameter

_UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
_ESCAPED = "%[0-9A-Fa-f]{2}"
HOST = r"[A-Za-z0-9_][A-Za-z0-9_\-]*+(?>(?:\.[A-Za-z0-9_\-]++)*)\.?+"
_USER = re.compile(rf"(?>(?:[{_UNRESERVED}&=+$,;?/]++|{_ESCAPED})+)")
_PASSWORD = re.compile(rf"(?>(?:[{_UNRESERVED}&=+$,]++|{_ESCAPED})*)")
_HOSTPORT = re.compile(rf"(\[[0-9A-Fa-f:.]{{2,45}}\]|{HOST})(?>(?::([0-9]{{1,5}}))?)")
_URI_PARAM = re.compile(
    rf"((?>(?:[{_UNRESERVED}\[\]/:&+$]++|{_ESCAPED})+))(?>(?:=((?>(?:[{_UNRESERVED}\[\]/:&+$]++|{_ESCAPED})+)))?)"
)
_URI_HEADER = re.compile(
    rf"((?>(?:[{_UNRESERVED}\[\]/?:+$]++|{_ESCAPED})+))=((?>(?:[{_UNRESERVED}\[\]/?:+$]++|{_ESCAPED})*))"
)
_TEL_NUMBER = re.compile(r"\+[0-9\-.()]*[0-9][0-9\-.()]*|[0-9A-Fa-f*#\-.()]*[0-9A-Fa-f*#][0-9A-Fa-f*#\-.()]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+")

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_PLAIN = re.compile(rf"[{_UNRESERVED}]")
_PLAIN_IN_USER = re.compile(rf"[{_UNRESERVED}&=+$,;?/]")
_SEPARATORS = str.maketrans("", "", "-.()")

_CACHED_LENGTH = 512
"""Longer URIs are parsed anew every time, so that nobody fills the memory with them."""
_NEVER_IGNORED = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that make a difference also where only one URI has them (RFC 3261 §19.1.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipUri:
    """A SIP or SIPS URI; an IPv6 host has its brackets, escapes are as received."""

    scheme: str = "sip"
    user: str | None = None
    password: str | None = None
    host: str
    port: int | None = None
    params: Params = ()
    headers: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value, "" without one, None when it is not there."""
        return parameter(self.params, name)

    def __str__(self) -> str:
        password = "" if self.password is None else f":{self.password}"
        user = "" if self.user is None else f"{self.user}{password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = "?" + "&".join(f"{name}={value}" for name, value in self.headers) if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{format_params(self.params)}{headers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TelUri:
    """A telephone number (RFC 3966), separators as received."""

    number: str
    params: Params = ()

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value, "" without one, None when it is not there."""
        return parameter(self.params, name)

    @property
    def digits(self) -> str:
        """Return the number without visual separators."""
        return self.number.translate(_SEPARATORS).upper()

    def __str__(self) -> str:
        return f"tel:{self.number}{format_params(self.params)}"


Uri = SipUri | TelUri


def parse_uri(text: str) -> Uri:
    """Return the URI that `text` is; ParseError 416 for another scheme, 400 for a bad URI."""
    return _parse_uri_cached(text) if len(text) <= _CACHED_LENGTH else _parse_uri(text)


def canonical_aor(text: str) -> str:
    """Return the one spelling of an address-of-record (RFC 3261 §10.3 step 5).

    `sip:` also for sips, no password, port, parameters or headers, host in lower case without a final dot, no
    escape in the user that is not needed. `tel:` without separators; a local number keeps its phone-context.
    ParseError as `parse_uri`.
    """
    return _canonical_aor_cached(text) if len(text) <= _CACHED_LENGTH else _canonical_aor(text)


def equivalent(a: Uri, b: Uri) -> bool:
    """Return whether two URIs are equal by RFC 3261 §19.1.4 or, for tel, RFC 3966 §4."""
    if isinstance(a, SipUri) and isinstance(b, SipUri):
        return _same_place(a, b) and _same_sip_params(a.params, b.params) and _headers_key(a) == _headers_key(b)
    if isinstance(a, TelUri) and isinstance(b, TelUri):
        return a.digits == b.digits and _params_key(a.params) == _params_key(b.params)
    return False


def split_host_port(text: str) -> tuple[str, int | None]:
    """Return host (IPv6 in brackets) and port of `host[:port]`; ParseError when it is none."""
    match = _HOSTPORT.fullmatch(text)
    if match is None:
        raise ParseError("Host not readable")
    host, port = match[1], None if match[2] is None else int(match[2])
    if port is not None and port > 65535:
        raise ParseError("No such port")
    if host.startswith("["):
        _ipv6(host)
    return host, port


def canonical_host(host: str) -> str:
    """Return the one spelling of a host: lower case, no final dot, IPv6 in its shortest form in brackets."""
    return f"[{_ipv6(host).compressed}]" if host.startswith("[") else host.lower().removesuffix(".")


def _ipv6(host: str) -> IPv6Address:
    try:
        return IPv6Address(host[1:-1])
    except AddressValueError as error:
        raise ParseError("IPv6 address not readable") from error


def _parse_uri(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme in ("sip", "sips") and colon:
        return _parse_sip(scheme, rest)
    if scheme == "tel" and colon:
        return _parse_tel(rest)
    if colon and _SCHEME.fullmatch(scheme):
        raise ParseError("Unsupported URI Scheme", status=416)
    raise ParseError("URI not readable")


_parse_uri_cached = lru_cache(maxsize=8192)(_parse_uri)


def _parse_sip(scheme: str, rest: str) -> SipUri:
    userinfo, at, place = rest.rpartition("@")
    user, password = _parse_userinfo(userinfo) if at else (None, None)
    place, question, headers = place.partition("?")
    hostport, semicolon, params = place.partition(";")
    host, port = split_host_port(hostport)
    return SipUri(
        scheme=scheme,
        user=user,
        password=password,
        host=host,
        port=port,
        params=_parse_params(params) if semicolon else (),
        headers=_parse_headers(headers) if question else (),
    )


def _parse_userinfo(text: str) -> tuple[str, str | None]:
    user, colon, password = text.partition(":")
    if not _USER.fullmatch(user) or not _PASSWORD.fullmatch(password):
        raise ParseError("User part of a URI not readable")
    return user, password if colon else None


def _parse_params(text: str) -> Params:
    params: dict[str, str | None] = {}
    for part in text.split(";"):
        match = _URI_PARAM.fullmatch(part)
        if match is None:
            raise ParseError("URI parameter not readable")
        name = match[1].lower()
        if name in params:
            raise ParseError("URI parameter given twice")
        params[name] = match[2]
    return tuple(params.items())


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    matches = [_URI_HEADER.fullmatch(part) for part in text.split("&")]
    if None in matches:
        raise ParseError("Headers of a URI not readable")
    return tuple((match[1], match[2]) for match in matches if match)


def _parse_tel(rest: str) -> TelUri:
    number, semicolon, params = rest.partition(";")
    if not _TEL_NUMBER.fullmatch(number):
        raise ParseError("Telephone number not readable")
    return TelUri(number=number, params=_parse_params(params) if semicolon else ())


def _canonical_aor(text: str) -> str:
    uri = parse_uri(text)
    if isinstance(uri, TelUri):
        context = uri.parameter("phone-context")
        local = context is not None and not uri.number.startswith("+")
        return f"tel:{uri.digits};phone-context={context.lower()}" if context and local else f"tel:{uri.digits}"
    host = canonical_host(uri.host)
    return f"sip:{host}" if uri.user is None else f"sip:{_unescape(uri.user, _PLAIN_IN_USER)}@{host}"


_canonical_aor_cached = lru_cache(maxsize=8192)(_canonical_aor)


def _unescape(text: str, plain: re.Pattern[str]) -> str:
    """Resolve escapes of characters that are `plain`; write the others in capitals."""
    if "%" not in text:
        return text

    def resolve(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if plain.match(character) else match[0].upper()

    return _ESCAPE.sub(resolve, text)


def _key(text: str | None) -> str | None:
    """Return what makes texts equal that are compared without case (RFC 3261 §19.1.4)."""
    return None if text is None else _unescape(text, _PLAIN).lower()


def _exact(text: str | None) -> str | None:
    return None if text is None else _unescape(text, _PLAIN)


def _same_place(a: SipUri, b: SipUri) -> bool:
    return (
        a.scheme == b.scheme
        and _exact(a.user) == _exact(b.user)
        and _exact(a.password) == _exact(b.password)
        and canonical_host(a.host) == canonical_host(b.host)
        and a.port == b.port
    )


def _params_key(params: Params) -> dict[str | None, str | None]:
    return {_key(name): _key(value) for name, value in params}


def _same_sip_params(a: Params, b: Params) -> bool:
    ours, theirs = _params_key(a), _params_key(b)
    names = {*_NEVER_IGNORED, *(ours.keys() & theirs.keys())}
    return all(ours.get(name, "") == theirs.get(name, "") for name in names if name in ours or name in theirs)


def _headers_key(uri: SipUri) -> list[tuple[str | None, str | None]]:
    return sorted(((_key(name), _key(value)) for name, value in uri.headers), key=repr)
