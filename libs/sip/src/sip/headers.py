"""Header fields of a message: in order, names without regard to case, compact forms expanded (RFC 3261 §7.3).

Rule 1: values are kept as text without surrounding whitespace; typed readers are in `fields`.
Rule 2: lines of one name keep their order; the order between names means nothing (§7.3.1) and is that of first lines.
"""

from collections.abc import Iterable, Iterator

from sip.errors import ParseError
from sip.grammar import WHITESPACE, is_token, split_values

_COMPACT = {
    "Accept-Contact": "a",
    "Allow-Events": "u",
    "Call-ID": "i",
    "Contact": "m",
    "Content-Encoding": "e",
    "Content-Length": "l",
    "Content-Type": "c",
    "Event": "o",
    "From": "f",
    "Identity": "y",
    "Refer-To": "r",
    "Referred-By": "b",
    "Reject-Contact": "j",
    "Request-Disposition": "d",
    "Session-Expires": "x",
    "Subject": "s",
    "Supported": "k",
    "To": "t",
    "Via": "v",
}

# fmt: off
_OTHERS = (
    "Accept", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Authentication-Info", "Authorization",
    "CSeq", "Call-Info", "Content-Disposition", "Content-Language", "Date", "Error-Info", "Expires", "Flow-Timer",
    "Geolocation", "History-Info", "In-Reply-To", "MIME-Version", "Max-Forwards", "Min-Expires", "Min-SE",
    "Organization", "P-Access-Network-Info", "P-Asserted-Identity", "P-Preferred-Identity", "Path", "Priority",
    "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck", "RSeq", "Reason", "Record-Route",
    "Replaces", "Reply-To", "Require", "Retry-After", "Route", "SIP-ETag", "SIP-If-Match", "Server", "Service-Route",
    "Subscription-State", "Suppress-If-Match", "Timestamp", "Unsupported", "User-Agent", "WWW-Authenticate",
    "Warning",
)
# fmt: on


def _spellings() -> dict[str, str]:
    names: dict[str, str] = {}
    for name in [*_COMPACT, *_OTHERS]:
        names |= dict.fromkeys((name, name.lower(), name.upper(), name.title(), name.capitalize()), name)
    for name, letter in _COMPACT.items():
        names |= {letter: name, letter.upper(): name}
    return names


NAMES = _spellings()
"""Usual spellings of the names that we know, each with the one that we write."""


def canonical_name(name: str) -> str:
    """Return a header name as we write it, in full; ParseError when it is no token."""
    known = NAMES.get(name) or NAMES.get(name.rstrip(WHITESPACE).lower())
    if known is not None:
        return known
    name = name.rstrip(WHITESPACE)
    if not is_token(name):
        raise ParseError("Header name not readable")
    return "-".join([part.capitalize() for part in name.split("-")])


class Headers:
    """The header fields of one message."""

    __slots__ = ("_first", "_more")
    __hash__ = None  # type: ignore[assignment]  # they change

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._first: dict[str, str] = {}
        self._more: dict[str, list[str]] = {}
        for name, value in fields:
            self.add(name, value)

    @classmethod
    def of(cls, first: dict[str, str], more: dict[str, list[str]]) -> "Headers":
        """Return headers over these very dicts: the first line of every canonical name, and all further ones."""
        self = cls()
        self._first = first
        self._more = more
        return self

    def get(self, name: str) -> str | None:
        """Return the value of the first line of a name."""
        value = self._first.get(name)
        if value is None and NAMES.get(name) != name:
            return self._first.get(canonical_name(name))
        return value

    def all(self, name: str) -> list[str]:
        """Return the values of all lines of a name, one per line."""
        name = canonical_name(name)
        first = self._first.get(name)
        return [] if first is None else [first, *self._more.get(name, ())]

    def values(self, name: str) -> list[str]:
        """Return all values of a name whose lines are lists; ParseError when quotes or brackets do not balance."""
        return [value for line in self.all(name) for value in split_values(line) if value]

    def repeated(self) -> Iterable[str]:
        """Return the names that have more than one line."""
        return self._more

    def add(self, name: str, value: str) -> None:
        """Append a line."""
        name = canonical_name(name)
        if name in self._first:
            self._more.setdefault(name, []).append(value)
        else:
            self._first[name] = value

    def set(self, name: str, value: str) -> None:
        """Replace all lines of a name by one."""
        name = canonical_name(name)
        self._first[name] = value
        self._more.pop(name, None)

    def replace_first(self, name: str, value: str) -> None:
        """Replace the first line of a name, or append it."""
        self._first[canonical_name(name)] = value

    def remove(self, name: str) -> None:
        """Remove all lines of a name."""
        name = canonical_name(name)
        self._first.pop(name, None)
        self._more.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._first or canonical_name(name) in self._first

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, value in self._first.items():
            yield name, value
            for further in self._more.get(name, ()):
                yield name, further

    def __len__(self) -> int:
        return len(self._first) + sum(map(len, self._more.values()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._first == other._first and self._more == other._more

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"
