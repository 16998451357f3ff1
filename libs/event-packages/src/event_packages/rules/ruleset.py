"""Rules as they are decided (RFC 4745 §6, RFC 5025 §3): read once, immutable, asked for every watcher."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum

from event_packages.rules.anchors import Anchor
from event_packages.rules.identity import NOBODY, Identities, Identity
from event_packages.rules.permissions import NOTHING, Permissions

MAX_SHOWN = 80
"""Characters of a document's text in an explanation."""


class Handling(IntEnum):
    """What happens to a subscription (RFC 5025 §3.2.1); the highest of the rules that match wins."""

    BLOCK = 0
    CONFIRM = 10
    POLITE_BLOCK = 20
    ALLOW = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Everybody, or all of a domain, but those who are excepted (RFC 4745 §7.1.2)."""

    domain: str = ""
    except_ids: Identities = NOBODY
    except_domains: frozenset[str] = frozenset()
    unreadable: str = ""
    """What could not be read: whom it would have excepted is unknown, so that nobody matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityCondition:
    """Who is meant: one of these suffices (RFC 4745 §7.1)."""

    one: Identities = NOBODY
    many: tuple[Many, ...] = ()

    def failure(self, watcher: Identity) -> str:
        """Return why a watcher is not meant; "" when it is."""
        if watcher.anonymous:
            return "identity: the watcher is anonymous"
        if watcher in self.one:
            return ""
        why = ""
        for many in self.many:
            here = _not_among(many, watcher)
            if not here:
                return ""
            why = why or here
        return f"identity: {why or f'{watcher.aor} is not among them'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere:
    """Where the presentity has to be (RFC 4745 §7.2)."""

    value: str

    def failure(self, sphere: str) -> str:
        """Return why the condition is false; without a sphere of the presentity it always is."""
        if not sphere:
            return f"sphere: the presentity has none, wanted is {shown(self.value)}"
        return "" if sphere == self.value else f"sphere: it is {shown(sphere)}, wanted is {shown(self.value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When a rule holds, in epoch seconds: from a start until before its end (RFC 4745 §7.3)."""

    periods: tuple[tuple[float, float], ...] = ()
    unreadable: str = ""

    def failure(self, now: float) -> str:
        """Return why the condition is false at a time."""
        if self.unreadable:
            return f"validity: {self.unreadable} is not readable"
        return "" if any(start <= now < end for start, end in self.periods) else "validity: not at this time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions, all of which must be true, and what the rule gives when they are."""

    id: str
    unreadable: str = ""
    """Why the rule never matches, whatever its conditions say."""
    identity: tuple[IdentityCondition, ...] = ()
    external: tuple[tuple[Anchor, ...], ...] = ()
    """Resource lists, for each of OMA's `external-list` conditions."""
    anonymous: bool = False
    """OMA's `anonymous-request`."""
    other: bool = False
    """OMA's `other-identity`."""
    sphere: tuple[Sphere, ...] = ()
    validity: tuple[Validity, ...] = ()
    unknown: str = ""
    """Name of a condition that nobody here knows: it is not true (RFC 4745 §7)."""
    handling: Handling | None = None
    permissions: Permissions = NOTHING

    @property
    def names_watchers(self) -> bool:
        """Return whether a condition says by itself who is meant."""
        return bool(self.identity or self.external or self.anonymous)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """A document of rules."""

    rules: tuple[Rule, ...] = ()
    uses_sphere: bool = False
    """Whether a change of the presentity's sphere may change a decision."""
    boundaries: tuple[float, ...] = ()
    """All times at which a validity begins or ends, in epoch seconds, ascending."""

    def next_change(self, now: float) -> float | None:
        """Return the first boundary after a time."""
        at = bisect_right(self.boundaries, now)
        return self.boundaries[at] if at < len(self.boundaries) else None


def shown(text: str) -> str:
    """Return text in quotes, the beginning of a long one."""
    return repr(text) if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]!r}…"


def _not_among(many: Many, watcher: Identity) -> str:
    """Return why a watcher is not one of the many; "" when it is."""
    if many.domain and watcher.domain != many.domain:
        return f"{watcher.aor} is not of {many.domain}"
    if many.unreadable:
        return f"{many.unreadable} is not readable"
    if watcher in many.except_ids:
        return f"{watcher.aor} is excepted"
    return f"domain {watcher.domain} is excepted" if watcher.domain in many.except_domains else ""
