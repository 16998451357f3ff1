"""The NOTIFY request of a dialog (RFC 6665 §4.2.2, RFC 3261 §12.2.1.1).

All that is the same for every NOTIFY of a dialog is rendered once, into a head; a NOTIFY is one `%` of it.

Rule 1: text from the bus enters a message through `_line`, `_uri` or `_word` only: none can end its line.
Rule 2: what those return has its `%` doubled, for it becomes part of a format.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from lamplighter_proto import Dialog, Target
from sip.dialog import Routed, route_request
from sip.errors import SipError
from sip.uri import SipUri, parse_uri

SERVER_NAME = "Lamplighter"
_UNRELIABLE = "UDP"

_LINE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]+")
_URI = re.compile(r'[^\x00-\x20\x7f<>"]+')
_WORD = re.compile(r'[^\x00-\x20\x7f<>";,]+')
_LIVE = {"active": b"active;expires=%d", "pending": b"pending;expires=%d"}


class Unbuildable(Exception):
    """A field of this NOTIFY cannot stand in a SIP message; the text names it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What every NOTIFY of a dialog has in common."""

    dialog: Dialog
    template: bytes
    """Format of a NOTIFY: branch, CSeq number, Subscription-State, then the entity."""
    reliable: bool
    """Whether the transport delivers by itself (RFC 3261 §17.1.2.2)."""
    next_hop: str
    """`host:port` to connect to when a connection is gone; empty for UDP."""

    def notify(self, branch: str, cseq: int, state: bytes, entity: bytes) -> bytes:
        """Return the NOTIFY; `state` and `entity` come from the functions of those names."""
        return self.template % (branch.encode(), cseq, state, entity)


class Heads:
    """Heads of the dialogs that were notified last, `limit` of them at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heads: OrderedDict[str, Head] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heads)

    def of(self, dialog: Dialog) -> Head:
        """Return the head of a dialog as it is now; Unbuildable when it cannot have one."""
        head = self._heads.get(dialog.local_tag)
        if head is not None and head.dialog == dialog:
            self._heads.move_to_end(dialog.local_tag)
            return head
        head = self._heads[dialog.local_tag] = prepare(dialog)
        self._heads.move_to_end(dialog.local_tag)
        if len(self._heads) > self._limit:
            self._heads.popitem(last=False)
        return head


def prepare(dialog: Dialog) -> Head:
    """Return the head of a dialog; Unbuildable when a field of it cannot stand in a message."""
    route = dialog.route
    try:
        routed = route_request(route.remote_target, route.route_set)
        sent_by = _sent_by(route.contact)
    except (SipError, ValueError) as error:
        raise Unbuildable(f"route: {error}") from error
    transport = _word("transport", dialog.flow.transport)
    reliable = transport != _UNRELIABLE
    return Head(
        dialog=dialog,
        template=_template(dialog, routed, f"{transport} {_line('contact', sent_by)}").encode(),
        reliable=reliable,
        next_hop=routed.next_hop if reliable else "",
    )


def _template(dialog: Dialog, routed: Routed, via: str) -> str:
    lines = [
        f"NOTIFY {_uri('remote target', routed.request_uri)} SIP/2.0",
        f"Via: SIP/2.0/{via};rport;branch=%b",
        "Max-Forwards: 70",
        *(f"Route: {_line('route', route)}" for route in routed.routes),
        f"From: <{_uri('local URI', dialog.local_uri)}>;tag={_word('local tag', dialog.local_tag)}",
        f"To: <{_uri('remote URI', dialog.remote_uri)}>{_tag(dialog.remote_tag)}",
        f"Call-ID: {_line('Call-ID', dialog.call_id)}",
        "CSeq: %d NOTIFY",
        f"Contact: {_line('contact', dialog.route.contact)}",
        f"Event: {_line('event', dialog.event)}",
        f"User-Agent: {SERVER_NAME}",
        "Subscription-State: %b",
        "%b",
    ]
    return "\r\n".join(lines)


def _tag(remote_tag: str) -> str:
    # A peer of RFC 2543 has none (RFC 3261 §12.2.1.1).
    return f";tag={_word('remote tag', remote_tag)}" if remote_tag else ""


def _sent_by(contact: str) -> str:
    """Return the host and port of our Contact: where responses find us when they cannot use the flow."""
    text = contact.partition("<")[2].partition(">")[0] if "<" in contact else contact.partition(";")[0]
    uri = parse_uri(text.strip())
    if not isinstance(uri, SipUri):
        raise ValueError(f"our Contact is no SIP URI: {contact!r}")
    return uri.host if uri.port is None else f"{uri.host}:{uri.port}"


def subscription_state(target: Target) -> bytes:
    """Return the value of Subscription-State (RFC 6665 §8.2.3)."""
    live = _LIVE.get(target.state)
    if live is not None:
        return live % max(target.expires, 0)
    if target.state != "terminated":
        raise Unbuildable(f"state: {target.state!r}")
    reason = f";reason={_checked(_WORD, 'reason', target.reason)}" if target.reason else ""
    retry_after = f";retry-after={target.retry_after}" if target.retry_after > 0 else ""
    return f"terminated{reason}{retry_after}".encode()


def entity(content_type: str, document: bytes, version_at: int = -1) -> "bytes | Versioned":
    """Return the last header lines, the empty line and the body: shared by all watchers of one state.

    Where `version_at` is not negative, they differ by the version that belongs there in the document.
    """
    if version_at > len(document):
        raise Unbuildable(f"version at {version_at} of {len(document)} bytes")
    if not content_type or not document:
        return b"Content-Length: 0\r\n\r\n"
    kind = b"Content-Type: %b\r\nContent-Length: " % _checked(_LINE, "content type", content_type).encode()
    if version_at < 0:
        return b"%b%d\r\n\r\n%b" % (kind, len(document), document)
    return Versioned(kind, document[:version_at], document[version_at:])


class Versioned(NamedTuple):
    """An entity whose document has another version for every watcher (RFC 4235 §4.1, RFC 3858 §4.1)."""

    kind: bytes
    """Header lines up to the number of Content-Length."""
    before: bytes
    after: bytes

    def of(self, version: int) -> bytes:
        """Return the entity with a version in it."""
        digits = b"%d" % version
        length = len(self.before) + len(digits) + len(self.after)
        return b"%b%d\r\n\r\n%b%b%b" % (self.kind, length, self.before, digits, self.after)


def _checked(pattern: re.Pattern[str], name: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise Unbuildable(f"{name}: {text[:80]!r}")
    return text


def _line(name: str, text: str) -> str:
    return _checked(_LINE, name, text).replace("%", "%%")


def _uri(name: str, text: str) -> str:
    return _checked(_URI, name, text).replace("%", "%%")


def _word(name: str, text: str) -> str:
    return _checked(_WORD, name, text).replace("%", "%%")
