"""From the core's decision to tell a watcher to the outcome of its NOTIFY.

core ──Notify──▶ notifier ──Send──▶ edge ──Received──▶ notifier ──Outcome──▶ core
"""

from lamplighter_proto.commands import DialogRoute, Flow
from lamplighter_proto.contract import Message


class Dialog(Message, frozen=True):
    """A subscription's dialog as a NOTIFY needs it (RFC 6665 §4.2.2); `local` is our side."""

    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    event: str
    """The Event header's value, parameters included, as the watcher sent it."""
    route: DialogRoute
    flow: Flow


class Target(Message, frozen=True):
    """One NOTIFY to one watcher."""

    shard: int
    presentity: str
    dialog: Dialog
    cseq: int
    version: int
    """Document version of this dialog, for packages that carry one."""
    state: str
    """active, pending or terminated (RFC 6665 §4.1.3)."""
    expires: int
    """Seconds left; ignored when terminated."""
    reason: str = ""
    retry_after: int = 0


class Notify(Message, frozen=True, tag="notify"):
    """One state of one presentity for all the watchers that shall hear of it."""

    core: str
    """Instance that hears the outcomes."""
    event: str
    content_type: str
    """Empty: a NOTIFY without a body."""
    document: bytes
    targets: tuple[Target, ...]
    version_at: int = -1
    """Offset in the document at which the version of each target belongs, in decimal; negative: nowhere."""


class Send(Message, frozen=True, tag="send"):
    """Bytes for an edge to put on a flow; `branch` comes back with whatever answers them.

    `next_hop` is `host:port`, used when a connection-oriented flow is gone; empty: do not try.
    """

    notifier: str
    branch: str
    flow: Flow
    packet: bytes
    next_hop: str = ""
    local_tag: str = ""
    """Names the dialog."""
    cseq: int = 0
    again: bool = False
    """Whether it was sent before."""


class Received(Message, frozen=True, tag="received"):
    """A response to a `Send`: `packet` holds it whole unless it is a plain 2xx.

    Status 0: the flow is gone and nothing was sent. Status 1: nothing was sent, for a later NOTIFY of the dialog was.
    """

    branch: str
    status: int
    packet: bytes = b""


class Outcome(Message, frozen=True, tag="outcome"):
    """How a NOTIFY ended, or (status 100) that it is still being tried."""

    shard: int
    presentity: str
    local_tag: str
    """Names the dialog: our tags are 128-bit random."""
    cseq: int
    status: int
    """Final status; 408 for a transaction that timed out; 430 for a flow that is gone."""
    retry_after: int = 0
    """Seconds from a Retry-After header; 0 without one."""
