"""Watchers of a presentity as a document of their own: the template package winfo (RFC 3857, RFC 3858).

Rule 1: the documents that a winfo package composes are Watchers; nobody publishes them.
Rule 2: a watcher that is terminated is told of once, in a partial document, and is in no full one (RFC 3857 §4.7.1).
Rule 3: those that ended come oldest first, and only so many of the last ones: two states are equal when those who
watch or wait are and the last that ended is the same, so that forgetting an old one is no change.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from event_packages.base import Body, EventPackage, State
from event_packages.errors import BadRequest
from event_packages.xml import escape, quote

CONTENT_TYPE = "application/watcherinfo+xml"
SUFFIX = ".winfo"
TERMINATED = "terminated"

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="'
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherList:
    """The watchers of a presentity in a package (RFC 3858 §3.2)."""

    presentity: str
    package: str
    watchers: tuple[Watcher, ...]
    """Those that watch or wait, by id."""
    ended: tuple[Watcher, ...] = field(default=(), compare=False)
    """The last ones that are terminated, oldest first."""
    last: Watcher | None = None
    """The last of `ended`."""

    def since(self, base: "WatcherList") -> list[Watcher]:
        """Return the watchers whose state is another than in `base`; those gone without a word timed out."""
        known = {one.id: one for one in base.watchers}
        buried = {one.id for one in base.ended}
        changed = [one for one in self.watchers if known.get(one.id) != one]
        ended = [one for one in self.ended if one.id not in buried]
        named = {one.id for one in (*self.watchers, *self.ended)}
        lost = [replace(one, status=TERMINATED, event="timeout") for one in base.watchers if one.id not in named]
        return [*changed, *ended, *lost]


def winfo_of(package: EventPackage) -> EventPackage:
    """Return the winfo package of a package; ValueError when that can have none (RFC 6665 §8.4, RFC 3857 §4.1)."""
    if ";" in package.name or package.watches:
        raise ValueError(f"no watcher information for {package.name!r}")

    def compose(presentity: str, documents: Sequence[object]) -> WatcherList:
        return _compose(presentity, package.name, documents)

    return EventPackage(
        name=package.name + SUFFIX,
        content_types=(CONTENT_TYPE,),
        parse=_parse,
        compose=compose,
        write=write,
        watches=package.name,
        winfo=False,
        published=False,
    )


def _parse(body: bytes) -> object:
    raise BadRequest("watcher information is not published")


def _compose(presentity: str, package: str, documents: Sequence[object]) -> WatcherList:
    """Return the list of some Watchers; of one id the last counts, and goes before any that ended."""
    watchers = [document for document in documents if isinstance(document, Watcher)]
    live = {one.id: one for one in watchers if one.status != TERMINATED}
    ended = {one.id: one for one in watchers if one.status == TERMINATED and one.id not in live}
    return WatcherList(
        presentity=presentity,
        package=package,
        watchers=tuple(live[id_] for id_ in sorted(live)),
        ended=tuple(ended.values()),
        last=next(reversed(ended.values()), None),
    )


def write(state: State, base: State | None, now: int) -> Body:
    """Return the full document, or the partial one of what has changed since `base` (RFC 3858 §3.1)."""
    if not isinstance(state, WatcherList):
        raise TypeError(f"no list of watchers: {state!r}")
    if isinstance(base, WatcherList):
        return _body(state, "partial", state.since(base), now)
    return _body(state, "full", state.watchers, now)


def _body(state: WatcherList, completeness: str, watchers: Iterable[Watcher], now: int) -> Body:
    rest = "".join(
        [
            f'" state="{completeness}">\n',
            f"<watcher-list resource={_quote(state.presentity)} package={_quote(state.package)}>\n",
            *[_watcher(one, now) for one in watchers],
            "</watcher-list>\n</watcherinfo>\n",
        ]
    )
    return Body(content_type=CONTENT_TYPE, document=(_HEAD + rest).encode(), version_at=len(_HEAD))


def _watcher(watcher: Watcher, now: int) -> str:
    """Return the element of a watcher (RFC 3858 §3.3)."""
    attributes = [f"id={_quote(watcher.id)} status={_quote(watcher.status)} event={_quote(watcher.event)}"]
    if watcher.display_name:
        attributes.append(f"display-name={_quote(watcher.display_name)}")
    if watcher.expires and watcher.status != TERMINATED:
        attributes.append(f'expiration="{max(watcher.expires - now, 0)}"')
    if watcher.since:
        attributes.append(f'duration-subscribed="{max(now - watcher.since, 0)}"')
    return f"<watcher {' '.join(attributes)}>{escape(_readable(watcher.uri))}</watcher>\n"


def _quote(value: str) -> str:
    return quote(_readable(value))


def _readable(text: str) -> str:
    """Return text without the characters that no XML document may hold (XML 1.0 §2.2)."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
