"""Basic rules of RFC 3261 §25.1, as patterns and functions.

Rule 1: every repeat that input can lengthen is atomic or of one class: time is linear in the input. A repeat of a group
is `(?>(?:…)*)`: CPython before 3.11.5 gets `(?:…)*+` wrong where the group fails half-way (its issue 106052).
Rule 2: whitespace is SP and HTAB; header folding is gone before any of this is used (§7.3.1).
"""

import re

from sip.errors import ParseError

Params = tuple[tuple[str, str | None], ...]
"""Parameters in order: lower-case names; values as received, a quoted string with its quotes; None without a value."""

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"
QUOTED_STRING = r'"[^"\\\r\n]*+(?>(?:\\[^\r\n][^"\\\r\n]*+)*)"'
# Without NUL, not even escaped: databases cannot take it.
_PARAM_STRING = r'"[^"\\\r\n\0]*+(?>(?:\\[^\r\n\0][^"\\\r\n\0]*+)*)"'
# Wider than gen-value (token / host / quoted-string): peers put addresses and base64 there.
_GEN_VALUE = rf"{_PARAM_STRING}|[!#-+\-.-:=?-\[\]-~]++"
_WSP = r"[ \t]*+"
_PARAM = re.compile(rf"{_WSP};{_WSP}({TOKEN})(?>(?:{_WSP}={_WSP}({_GEN_VALUE}))?){_WSP}")
_TOKEN = re.compile(TOKEN)
_ELEMENT = re.compile(rf'(?>(?:[^",<]++|{QUOTED_STRING}|<[^>]*+>)*)')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_QUOTED_PAIR = re.compile(r'(["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f])')
_CLEAN = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]*+")

WHITESPACE = " \t"


def is_token(text: str) -> bool:
    """Return whether text is a token."""
    return _TOKEN.fullmatch(text) is not None


def is_clean(text: str) -> bool:
    """Return whether text is Unicode without controls but HTAB; bytes that were no UTF-8 when they came are none."""
    return text.isprintable() or _CLEAN.fullmatch(text) is not None


def quote(text: str) -> str:
    """Return text as a quoted-string."""
    return '"' + _NEEDS_QUOTED_PAIR.sub(r"\\\1", text) + '"'


def unquote(text: str) -> str:
    """Return what a quoted-string says; other text as it is."""
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        return text
    return _QUOTED_PAIR.sub(r"\1", text[1:-1])


def parse_params(text: str, start: int = 0) -> Params:
    """Return the parameters that `text` holds from `start` to its end, each with its leading `;`."""
    params: dict[str, str | None] = {}
    end = len(text)
    while start < end:
        match = _PARAM.match(text, start)
        if match is None:
            raise ParseError("Parameter not readable")
        name = match[1].lower()
        if name in params:
            raise ParseError("Parameter given twice")
        params[name] = match[2]
        start = match.end()
    return tuple(params.items())


def parameter(params: Params, name: str) -> str | None:
    """Return the value of the parameter with a lower-case name, "" without a value, None when it is not there."""
    for known, value in params:
        if known == name:
            return value or ""
    return None


def without(params: Params, *names: str) -> Params:
    """Return the parameters of other names."""
    return tuple([item for item in params if item[0] not in names])


def format_params(params: Params) -> str:
    """Return parameters as text, each with its leading `;`."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])


def split_values(text: str) -> list[str]:
    """Return the values of a comma-separated line, trimmed; commas in quotes and `<>` do not count (§7.3.1)."""
    if "," not in text:
        return [text.strip(WHITESPACE)]
    values: list[str] = []
    start, end = 0, len(text)
    while True:
        match = _ELEMENT.match(text, start)
        stop = match.end() if match else start
        values.append(text[start:stop].strip(WHITESPACE))
        if stop == end:
            return values
        if text[stop] != ",":
            raise ParseError("Quotes or brackets do not balance")
        start = stop + 1


def parse_number(text: str, limit: int) -> int | None:
    """Return the number that decimal digits say, None when it is above `limit` or they are none."""
    if not text.isascii() or not text.isdecimal():
        return None
    digits = text.lstrip("0")
    # int() refuses thousands of digits with an error of its own.
    if len(digits) > 20:
        return None
    number = int(digits or "0")
    return number if number <= limit else None
