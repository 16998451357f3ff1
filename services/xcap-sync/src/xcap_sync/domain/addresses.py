"""Where a user's XCAP documents are: document URIs (RFC 4825 §6), and the way back to the user.

A document URI is root/usage/users/XUI/filename; it is what is fetched and what `xcap.doc_uri` says.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from event_packages.rules.identity import identity_of
from lamplighter_proto.documents import Dialect, doc_type

_SCHEME = re.compile(r"(sips?|tel):", re.IGNORECASE)
_PATH_SAFE = "!$&'()*+,;=:@-._~"
_PORTS = {"http": 80, "https": 443}


class WrongAddress(ValueError):
    """A root, a usage or a template of settings that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The two halves of a canonical AOR, as the tables have them."""

    username: str
    domain: str

    @property
    def aor(self) -> str:
        """Return the AOR."""
        return f"sip:{self.username}@{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """An XCAP root without a final slash, and the port that rows of it have."""

    url: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """An application usage and its number in the table."""

    name: str
    doc_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one document of one user is."""

    user: User
    root: Root
    usage: Usage
    uri: str

    @property
    def key(self) -> tuple[str, int]:
        """Return what tells its row from the user's other rows."""
        return self.uri, self.usage.doc_type


def user_of(aor: str) -> User | None:
    """Return the user of a canonical AOR; None for one that has no user part."""
    scheme, _, rest = aor.partition(":")
    username, at, domain = rest.rpartition("@")
    return User(username=username, domain=domain) if scheme == "sip" and at and username and domain else None


def aor_of(uri: str) -> str:
    """Return the canonical AOR of a user in any spelling, also without a scheme; "" for what has no user part."""
    uri = uri.strip()
    try:
        aor = identity_of(uri if _SCHEME.match(uri) else f"sip:{uri}").aor
    except Exception:
        # Its error is the SIP library's, which nothing here knows.
        return ""
    return aor if aor.startswith("tel:") or user_of(aor) else ""


def root_of(url: str) -> Root:
    """Return the XCAP root at a URL; WrongAddress for what is none."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise WrongAddress("an XCAP root begins with http:// or https://") from None
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise WrongAddress("an XCAP root is a host and a path, without credentials, query or fragment")
    return Root(url=url.rstrip("/"), port=port)


def usages_of(names: Iterable[str], dialect: Dialect) -> tuple[Usage, ...]:
    """Return usages with their numbers; WrongAddress for one that the dialect has no number for."""
    usages = []
    for name in names:
        number = doc_type(name, dialect)
        if number is None:
            raise WrongAddress(f"the {dialect} dialect has no doc_type for {name}")
        usages.append(Usage(name=name, doc_type=number))
    return tuple(usages)


class Addresses:
    """All places of a user's documents, and the user of a place."""

    def __init__(self, *, roots: Sequence[Root], usages: Sequence[Usage], xui: str, filename: str) -> None:
        self.roots = roots
        self.usages = usages
        self._xui = xui
        self._filename = quote(filename, safe=_PATH_SAFE)
        self._pattern = _xui_pattern(xui)

    def places(self, user: User, names: Iterable[str] | None = None) -> list[Place]:
        """Return where a user's documents are, those of some usages or of all."""
        xui = quote(self._xui.format(user=user.username, domain=user.domain), safe=_PATH_SAFE)
        if xui in ("", ".", ".."):
            return []
        wanted = None if names is None else set(names)
        return [
            Place(user=user, root=root, usage=usage, uri=f"{root.url}/{usage.name}/users/{xui}/{self._filename}")
            for root in self.roots
            for usage in self.usages
            if wanted is None or usage.name in wanted
        ]

    def place(self, uri: str) -> Place | None:
        """Return the place that a document URI names; None when it is none of ours."""
        for root in self.roots:
            if uri.startswith(f"{root.url}/"):
                return self._place_below(root, uri)
        return None

    def _place_below(self, root: Root, uri: str) -> Place | None:
        name, _, rest = uri[len(root.url) + 1 :].partition("/users/")
        match = self._pattern.fullmatch(unquote(rest.partition("/")[0]))
        if match is None:
            return None
        user = User(username=match["user"], domain=match.groupdict().get("domain", ""))
        places = self.places(user, [name])
        return next((place for place in places if place.root == root and place.uri == uri), None)

    def named(self, selectors: Iterable[str]) -> frozenset[str] | None:
        """Return the usages that document selectors name; None, for all, when they name none of ours."""
        paths = [f"/{selector.lstrip('/')}" for selector in selectors]
        named = {usage.name for usage in self.usages for path in paths if f"/{usage.name}/users/" in path}
        return frozenset(named) or None


def _xui_pattern(template: str) -> re.Pattern[str]:
    """Return what reads an XUI back; WrongAddress for a template that does not name the user once."""
    parts = re.split(r"(\{[^{}]*\})", template)
    if parts.count("{user}") != 1 or parts.count("{domain}") > 1 or any("{" in part for part in _literals(parts)):
        raise WrongAddress("an XUI template has {user} once and at most one {domain}")
    names = {"{user}": "(?P<user>.+)", "{domain}": "(?P<domain>[^@]+)"}
    return re.compile("".join(names.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _literals(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part not in ("{user}", "{domain}")]
