"""Whom a rule means and who watches (RFC 4745 §7.1, RFC 5025 §3.1.1).

Rule 1: identities are compared as SIP URIs, telephone numbers as numbers, never as text.
Rule 2: an anonymous watcher (RFC 3323 §4.1.1.3) has no identity.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sip.errors import ParseError
from sip.uri import TelUri, Uri, canonical_aor, canonical_host, parse_uri

UnreadableIdentity = ParseError
"""What `identity_of` raises, for those who know nothing else of SIP."""
ANONYMOUS_DOMAIN = "anonymous.invalid"
XML_SPACE = " \t\r\n"
MAX_LENGTH = 2_000
"""Of a URI, in characters; a longer one is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody, by the one spelling of the address."""

    aor: str
    number: str = ""
    """Telephone number without visual separators; a local one names its context, as `123;phone-context=example.com`."""
    domain: str = ""
    """In lower case; "" for a telephone number."""
    anonymous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """A set of identities in which one is looked up at once."""

    aors: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    def __contains__(self, identity: Identity) -> bool:
        return identity.aor in self.aors or (identity.number != "" and identity.number in self.numbers)


NOBODY = Identities()


def identity_of(uri: str) -> Identity:
    """Return whom a URI means; ParseError for one that cannot be read or is neither SIP nor tel, or too long."""
    uri = uri.strip(XML_SPACE)
    if len(uri) > MAX_LENGTH:
        raise ParseError("URI too long")
    parsed, aor = parse_uri(uri), canonical_aor(uri)
    if isinstance(parsed, TelUri):
        return Identity(aor=aor, number=_number(parsed))
    domain = canonical_host(parsed.host)
    return Identity(
        aor=aor, number=_number_in(aor, parsed, domain), domain=domain, anonymous=domain == ANONYMOUS_DOMAIN
    )


def same(a: Identity, b: Identity) -> bool:
    """Return whether two identities are one: equal addresses, or equal telephone numbers."""
    return a.aor == b.aor or (a.number != "" and a.number == b.number)


def identities(members: Iterable[Identity]) -> Identities:
    """Return a set of identities."""
    known = tuple(members)
    return Identities(
        aors=frozenset(one.aor for one in known), numbers=frozenset(one.number for one in known if one.number)
    )


def _number_in(aor: str, uri: Uri, domain: str) -> str:
    """Return the number that a SIP URI with `user=phone` has in its user part (RFC 3261 §19.1.6)."""
    if (uri.parameter("user") or "").lower() != "phone":
        return ""
    try:
        tel = parse_uri("tel:" + aor.removeprefix("sip:").rpartition("@")[0])
    except ParseError:
        return ""
    return _number(tel, domain) if isinstance(tel, TelUri) else ""


def _number(tel: TelUri, context: str = "") -> str:
    """Return the number; a local one only means something in its context (RFC 3966 §5.1.5)."""
    if tel.number.startswith("+"):
        return tel.digits
    context = (tel.parameter("phone-context") or context).lower()
    return f"{tel.digits};phone-context={context}" if context else tel.digits
