"""What a Request-URI names: a presentity of ours, ourselves, or nothing we serve (RFC 3261 §8.2.2.1).

Rule 1: without configured domains every domain is served.
"""

from dataclasses import dataclass
from functools import lru_cache

from lamplighter_proto.ownership import shard_of
from sip.errors import ParseError
from sip.uri import SipUri, canonical_aor, parse_uri
from sip_edge.addresses import Address
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
            aor, ours = canonical_aor(uri), self.is_ours(uri)
        except ParseError as error:
            raise BadRequest("Bad Request-URI") from error
        served = ours or not self._domains or scheme.lower() == "tel"
        return Target(aor=aor, shard=shard_of(aor, self._shards), ours=ours, served=served)

    def is_ours(self, uri: str) -> bool:
        """Return whether a URI's host is this edge or a configured domain; ParseError when it is no URI."""
        parsed = parse_uri(uri)
        if not isinstance(parsed, SipUri):
            return False
        host = parsed.host.lower()
        return host in self._domains or (host.strip("[]"), parsed.port or DEFAULT_PORT) in self._own
