"""Which services, persons and devices a rule provides (RFC 5025 §3.3.1, OMA-TS-Presence_SIMPLE_XDM §5.1).

Rule 1: a selector is looked up, never compared with one after the other: rules and documents may both be long.
"""

from collections.abc import Callable, Hashable, Iterable

from event_packages.documents.pidf_reading import DATA_MODEL, PIDF, RPID
from event_packages.rules.permissions import ALL, Selector
from event_packages.xml import Element, text_of
from sip.errors import ParseError
from sip.uri import TelUri, canonical_aor, parse_uri

OMA_PRES = "urn:oma:xml:prs:pidf:oma-pres"

_CONTACT = f"{{{PIDF}}}contact"
_CLASS = f"{{{RPID}}}class"
_DEVICE_ID = f"{{{DATA_MODEL}}}deviceID"
_SERVICE_ID = f"{{{OMA_PRES}}}service-description/{{{OMA_PRES}}}service-id"

_TELLING = ("user", "ttl", "method", "maddr", "transport", "gr", "ext", "isub")
"""Parameters that make a URI another one also where only one has them (RFC 3261 §19.1.4, RFC 3966 §4, RFC 5627 §3)."""


class Selectors:
    """Selectors of one kind of thing."""

    __slots__ = ("_all", "_wanted")

    def __init__(self, selectors: Iterable[Selector]) -> None:
        self._wanted: dict[str, set[Hashable]] = {}
        self._all = False
        for selector in selectors:
            if selector == ALL:
                self._all = True
            elif selector.kind in _TEXTS and selector.value:
                self._wanted.setdefault(selector.kind, set()).add(_key(selector.kind, selector.value))

    def select(self, element: Element) -> bool:
        """Return whether a service, person or device is one of those that are meant."""
        return self._all or any(
            _key(kind, text) in wanted for kind, wanted in self._wanted.items() for text in _TEXTS[kind](element)
        )


def _key(kind: str, text: str) -> Hashable:
    """Return what is equal for texts that mean the same."""
    if kind in ("service-uri", "deviceID"):
        return _uri_key(text)
    return text.removesuffix(":").lower() if kind == "service-uri-scheme" else text


def _uri_key(uri: str) -> Hashable:
    """Return what is equal for equal URIs; parameters that tell nothing are passed over."""
    try:
        parsed = parse_uri(uri)
    except ParseError:
        return _canonical(uri)
    values = (parsed.parameter(name) for name in _TELLING)
    telling = tuple(value and value.lower() for value in values)
    place = () if isinstance(parsed, TelUri) else (parsed.scheme, parsed.port)
    return canonical_aor(uri), place, telling


def _canonical(uri: str) -> str:
    """Return a URI with all that its scheme compares without case in lower case (RFC 3859 §2, RFC 8141 §3)."""
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if scheme in ("pres", "im"):
        user, at, host = rest.rpartition("@")
        rest = f"{user}{at}{host.lower()}"
    elif scheme == "urn":
        namespace, _, name = rest.partition(":")
        namespace = namespace.lower()
        rest = f"{namespace}:{name.lower() if namespace == 'uuid' else name}"
    return f"{scheme}{colon}{rest}"


def _at(path: str) -> Callable[[Element], list[str]]:
    return lambda element: [text_of(found).strip() for found in element.iterfind(path)]


def _schemes(element: Element) -> list[str]:
    return [uri.partition(":")[0] for uri in _at(_CONTACT)(element) if ":" in uri]


_TEXTS: dict[str, Callable[[Element], list[str]]] = {
    "class": _at(_CLASS),
    "occurrence-id": lambda element: [element.get("id") or ""],
    "service-uri": _at(_CONTACT),
    "service-uri-scheme": _schemes,
    "deviceID": _at(_DEVICE_ID),
    "service-id": _at(_SERVICE_ID),
}
"""What of an element is compared, by the kind of selector."""
