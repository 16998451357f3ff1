"""What one source address may send (RFC 3261 §21.5.4, §26.3.2.4): token buckets, one state for each source.

Rule 1: a source is an IPv4 address or an IPv6 /64, the least that one subscriber has.
Rule 2: over its rate a source is refused, once for as many as may come at once, then for a tenth of its rate; the rest
is not even read, so that a flood costs as little as it can: those who send it do not mind answers.
Rule 3: the table is bounded; who has been silent longest is forgotten, and had a full bucket as a rule.
"""

from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
MOST_SOURCES = 65_536
RESPONSES_PER_REQUEST = 10
"""One request may make so many NOTIFYs behind one proxy that are answered, before its answers count as a flood."""

REFUSALS_PER_REQUEST = 0.1
"""Of its rate, a source that goes on is refused; a client by UDP comes again anyway (RFC 3261 §17.1.2.2)."""


class Verdict(Enum):
    """What becomes of a request."""

    PASS = "pass"
    REFUSE = "refuse"
    DROP = "drop"


class Bucket:
    """What a source may still send."""

    __slots__ = ("at", "refusals", "requests", "responses")

    def __init__(self, at: float, burst: float) -> None:
        self.at = at
        self.requests = burst
        self.refusals = burst
        self.responses = burst * RESPONSES_PER_REQUEST

    def fill(self, now: float, rate: float, burst: float) -> None:
        """Add what the time since the last message brings."""
        more = (now - self.at) * rate
        self.at = now
        self.requests = min(burst, self.requests + more)
        self.refusals = min(burst, self.refusals + more * REFUSALS_PER_REQUEST)
        self.responses = min(burst * RESPONSES_PER_REQUEST, self.responses + more * RESPONSES_PER_REQUEST)


class Sources:
    """The sources heard of lately. `rate` is in requests per second; 0: nothing is limited."""

    def __init__(self, *, rate: float, burst: float, trusted: Iterable[str] = (), most: int = MOST_SOURCES) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._trusted = read_networks(trusted)
        self._most = most
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()
        self.key = lru_cache(maxsize=most)(self._key)

    def __len__(self) -> int:
        return len(self._buckets)

    def _key(self, host: str) -> bytes | None:
        """Return what stands for the source that `host` belongs to; None for one that is trusted."""
        address = ip_address(host)
        if any(address in network for network in self._trusted):
            return None
        return address.packed[:8]

    def limited(self, host: str) -> bytes | None:
        """Return what stands for a source; None for one that nothing limits."""
        return self.key(host) if self._rate else None

    def judge(self, host: str, now: float) -> Verdict:
        """Return what becomes of a request that comes now."""
        bucket = self._bucket(host, now)
        if bucket is None:
            return Verdict.PASS
        if bucket.requests >= 1:
            bucket.requests -= 1
            return Verdict.PASS
        if bucket.refusals >= 1:
            bucket.refusals -= 1
            return Verdict.REFUSE
        return Verdict.DROP

    def admits_response(self, host: str, now: float) -> bool:
        """Return whether a response that comes now is heard."""
        bucket = self._bucket(host, now)
        if bucket is None:
            return True
        if bucket.responses < 1:
            return False
        bucket.responses -= 1
        return True

    def _bucket(self, host: str, now: float) -> Bucket | None:
        """Return the bucket of a source, filled; None for one that nothing limits."""
        key = self.limited(host)
        if key is None:
            return None
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(now, self._burst)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(key)
        bucket.fill(now, self._rate, self._burst)
        return bucket


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of texts like `192.0.2.0/24` or `2001:db8::1`; ValueError for others."""
    return tuple(ip_network(text, strict=False) for text in texts)
