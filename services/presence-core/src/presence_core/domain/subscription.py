"""Subscriptions on the notifier's side as values (RFC 6665 §4.2.1); the rules are in `subscribing`.

Rule 1: a Subscription is a value; a decision makes a new one.
"""

from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from event_packages.base import View
from lamplighter_proto import Dialog, Subscribe


class Status(IntEnum):
    """The states of a watcher, numbered as in `active_watchers.status`."""

    ACTIVE = 1
    PENDING = 2
    TERMINATED = 3
    WAITING = 4


STATE_NAMES = {Status.ACTIVE: "active", Status.PENDING: "pending", Status.TERMINATED: "terminated"}
"""Names of the Subscription-State header (RFC 6665 §4.1.3)."""


Call = tuple[str, str, str, str, str]
"""Call-ID, tag of the watcher, presentity, event, event id: what names a SUBSCRIBE outside a dialog."""


def call_of(command: Subscribe) -> Call:
    """Return what names an initial SUBSCRIBE."""
    transaction = command.transaction
    return (transaction.call_id, transaction.from_tag, command.presentity, command.event, command.event_id)


class Subscription(Struct, frozen=True, kw_only=True, gc=False):
    """One watcher's dialog. `expires` is epoch seconds; `reason` goes with a status that needs one."""

    presentity: str
    event: str
    event_id: str
    watcher: str
    dialog: Dialog
    remote_cseq: int
    expires: int
    accept: tuple[str, ...] | None
    status: Status = Status.ACTIVE
    reason: str = ""
    display_name: str = ""
    since: int = 0
    """Epoch second at which it began."""
    cause: str = "subscribe"
    """What brought it to its status, as watcher information says it (RFC 3857 §4.7.1)."""
    view: View | None = View()
    """What its watcher may see; None: nothing. Follows from the rules and is not stored."""

    @property
    def local_tag(self) -> str:
        """Return the tag of ours that names the dialog."""
        return self.dialog.local_tag

    @property
    def call(self) -> "Call":
        """Return what a repeated initial SUBSCRIBE would share."""
        return (self.dialog.call_id, self.dialog.remote_tag, self.presentity, self.event, self.event_id)


class Subscribed(Struct, frozen=True, kw_only=True, gc=False):
    """An accepted SUBSCRIBE; a repeat changes and tells nothing. `fetch`: one NOTIFY and gone, nothing to keep."""

    subscription: Subscription
    lifetime: int
    repeated: bool = False
    fetch: bool = False


def ended(subscription: Subscription, reason: str) -> Subscription:
    """Return the subscription as terminated for `reason` (RFC 6665 §4.1.3)."""
    return replace(subscription, status=Status.TERMINATED, reason=reason, cause=reason)
