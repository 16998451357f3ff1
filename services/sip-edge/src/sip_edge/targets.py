"""What a Request-URI names: a presentity of ours, ourselves, or nothing we serve (RFC 3261 §8.2.2.1).

Rule 1: without configured domains every domain is served.
"""

from dataclasses import dataclass
from functools import lru_cache

from lamplighter_proto.ownership import shard_of
from sip.errors import ParseError
from sip.uri import SipUri, TelUri, canonical_aor, parse_uri
from sip_edge.addresses import Address, canonical
from sip_edge.places import DEFAULT_PORT
from sip_edge.refusals import BadRequest, UnsupportedUriScheme

SCHEMES = frozenset({"sip", "sips", "tel"})
CACHED = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Request-URI as judged."""

    aor: str
    """Canonical address-of-record."""
    shard: int
    ours: bool
    """Whether its host is this edge or a configured domain, not just a domain that nobody excluded."""
    served: bool
    """Whether requests outside a dialog may name it."""
    contact: bool = False
    """Whether it is our Contact: this edge, and nobody there."""


class Targets:
    """Judges Request-URIs, each but once as long as it is remembered."""

    def __init__(self, *, own: frozenset[Address], domains: frozenset[str], shards: int) -> None:
        self._own = own
        self._domains = domains
        self._shards = shards
        self.judge = lru_cache(maxsize=CACHED)(self._judge)

    def _judge(self, uri: str) -> Target:
        """Return what `uri` names; BadRequest or UnsupportedUriScheme when it is nothing that anybody could serve."""
        scheme, colon, _ = uri.partition(":")
        if colon and scheme.lower() not in SCHEMES:
            raise UnsupportedUriScheme()
        try:
            aor, parsed, ours = canonical_aor(uri), parse_uri(uri), self.is_ours(uri)
        except ParseError as error:
            raise BadRequest("Bad Request-URI") from error
        return Target(
            aor=aor,
            shard=shard_of(aor, self._shards),
            ours=ours,
            served=ours or not self._domains or isinstance(parsed, TelUri),
            contact=isinstance(parsed, SipUri) and parsed.user is None and self._is_this_edge(parsed),
        )

    def is_ours(self, uri: str) -> bool:
        """Return whether a URI's host is this edge or a configured domain; ParseError when it is no URI."""
        parsed = parse_uri(uri)
        if not isinstance(parsed, SipUri):
            return False
        return parsed.host.lower() in self._domains or self._is_this_edge(parsed)

    def _is_this_edge(self, uri: SipUri) -> bool:
        return (canonical(uri.host.strip("[]")), uri.port or DEFAULT_PORT) in self._own
