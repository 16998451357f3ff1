"""Watchers of a presentity as a document of their own: the template package winfo (RFC 3857, RFC 3858).

Rule 1: the documents that a winfo package composes are Watchers; nobody publishes them.
Rule 2: a watcher that is terminated is told of in a partial document and is in no full one (RFC 3857 §4.7.1).
"""

from dataclasses import dataclass, field, replace

from event_packages.base import EventPackage

CONTENT_TYPE = "application/watcherinfo+xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """One subscription, or one that waits for a decision (RFC 3857 §4.7.1). Times are epoch seconds."""

    id: str
    uri: str
    status: str
    """pending, active, waiting or terminated."""
    event: str
    """What brought it there: subscribe, approved, deactivated, probation, rejected, timeout, giveup, noresource."""
    display_name: str = ""
    since: int = field(default=0, compare=False)
    """When it subscribed; 0: not known."""
    expires: int = field(default=0, compare=False)
    """When the subscription ends, or is given up while it waits; 0: not known. A refresh is no change of state."""


def winfo_of(package: EventPackage) -> EventPackage:
    """Return the winfo package of a package."""
    raise NotImplementedError
