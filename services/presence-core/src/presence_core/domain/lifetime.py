"""How long soft state may live (RFC 3903 §6 step 4, RFC 6665 §4.2.1.1, RFC 3261 §10.3 step 7)."""

from dataclasses import dataclass

from event_packages.errors import IntervalTooBrief


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds that are granted: at least, at most, and when nothing is asked for."""

    least: int
    most: int
    default: int


def grant(asked: int | None, bounds: Bounds) -> int:
    """Return the lifetime to grant in seconds, 0 for a removal; raise IntervalTooBrief for too short a one."""
    if asked is None:
        return min(bounds.default, bounds.most)
    if asked == 0:
        return 0
    if asked < bounds.least:
        raise IntervalTooBrief(bounds.least)
    return min(asked, bounds.most)
