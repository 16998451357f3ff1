"""Delivery of state to one watcher (RFC 6665 §4.2.2), and what each outcome of a NOTIFY does.

Rule 1: at most one NOTIFY is in flight; what happens meanwhile is told by the next one, once, as it then is.
Rule 2: a CSeq is used once, and only below the limit that is reserved in the store.
Rule 3: a subscription that ended has exactly one more state to tell: that it ended.
"""

from dataclasses import dataclass
from enum import Enum

from msgspec.structs import replace

from event_packages.base import State
from presence_core.domain.subscription import Status, Subscription

CSEQ_BLOCK = 1000
"""CSeq numbers reserved at a time: a new owner begins above what its predecessor may have used."""


class Consequence(Enum):
    """What the final response to a NOTIFY does to its subscription."""

    CONFIRMED = "confirmed"
    TRY_AGAIN = "try again"
    ENDS = "ends"


_TRY_AGAIN = frozenset({401, 407, 408, 423, 429, 430, 480, 486, 491})
"""Answers of the moment (408, 430, 480, 486, 491), or of the transaction alone (RFC 5057 §5.1, §5.2): 401 and 407,
for which we hold no credentials, and every 3xx, for a dialog is not redirected."""


def consequence_of(status: int) -> Consequence:
    """Return what a final status does. The one table of design §2 and RFC 5057 §5.

    2xx confirms. 3xx, those of _TRY_AGAIN and 5xx (except 501) get further tries. Everything else (403, 404, 405,
    410, 416, 481, 489, 501, 603, 604, ...) is a refusal and ends the subscription.
    """
    if 200 <= status < 300:
        return Consequence.CONFIRMED
    if 300 <= status < 400 or status in _TRY_AGAIN:
        return Consequence.TRY_AGAIN
    if 500 <= status < 600 and status != 501:
        return Consequence.TRY_AGAIN
    return Consequence.ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a watcher that does not answer well is tried."""

    tries: int
    """NOTIFYs in a row that may fail before the subscription ends."""
    spacing: float
    """Seconds until the second try; doubles for each further one."""
    longest: float
    """Seconds between tries at most, also when Retry-After asks for more."""


@dataclass(slots=True, eq=False)
class Seen:
    """A state as watchers with one view see it. There is one of it for as long as they see no difference."""

    state: State | None
    round: int = 0
    """The composition of its presentity that it was compared with last."""
    digest: int | None = None
    """Hash of its document, when somebody has asked for it."""


NOTHING = Seen(None, digest=None)
"""What is seen by those who may see nothing yet."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """Where one watcher stands."""

    subscription: Subscription
    cseq: int
    cseq_limit: int
    """The last CSeq that the store has reserved for us."""
    sent: Seen | None = None
    confirmed: Seen | None = None
    in_flight: int = 0
    """CSeq of the NOTIFY whose outcome is awaited; 0: none."""
    left_at: float = 0.0
    """When it left."""
    heard: float = 0.0
    """When the notifier last gave word of it."""
    forced: bool = False
    """A NOTIFY is due even if the state is the one that was sent (RFC 6665 §4.2.1.2)."""
    whole: bool = True
    """The next document must be a full one: what the watcher has is not known for certain."""
    held: bool = False
    """Another decision about the subscription is on its way to the store: nothing is told before it is there."""
    failures: int = 0
    again_at: float = 0.0

    @property
    def over(self) -> bool:
        """Return whether the subscription has ended and only its last NOTIFY remains."""
        return self.subscription.status == Status.TERMINATED

    def due(self, seen: Seen, now: float) -> bool:
        """Return whether a NOTIFY has to leave now for what the watcher sees, if it has a CSeq."""
        wanted = self.forced or self.sent is not seen
        return wanted and not self.in_flight and not self.held and now >= self.again_at

    def decided(self, subscription: Subscription) -> None:
        """Take the subscription as it is in the store now: its watcher is told at once."""
        self.subscription, self.forced, self.held, self.again_at = subscription, True, False, 0.0

    def hold(self, subscription: Subscription) -> None:
        """Take the subscription, of which another version is on its way to the store; its watcher sees nothing."""
        self.subscription, self.held = replace(subscription, view=None), True

    @property
    def base(self) -> Seen | None:
        """Return what a partial document may build on: what the watcher surely has; None when that is not known."""
        return None if self.whole or self.forced or self.confirmed is not self.sent else self.confirmed

    @property
    def reserve(self) -> int:
        """Return how many reserved CSeq numbers are left."""
        return self.cseq_limit - self.cseq

    def send(self, seen: Seen, now: float) -> int:
        """Take note that what the watcher sees leaves now; return the CSeq of its NOTIFY."""
        self.cseq += 1
        self.in_flight, self.left_at, self.heard = self.cseq, now, now
        self.sent, self.forced, self.whole = seen, False, False
        return self.cseq

    def settle(self, cseq: int, status: int, retry_after: int, patience: Patience, now: float) -> Consequence | None:
        """Take the outcome of a NOTIFY; None when it is of no NOTIFY that is awaited."""
        if cseq != self.in_flight:
            return None
        self.in_flight = 0
        consequence = consequence_of(status)
        if consequence is Consequence.CONFIRMED:
            self.confirmed, self.failures, self.again_at = self.sent, 0, 0.0
        elif consequence is Consequence.TRY_AGAIN:
            consequence = self._failed(retry_after, patience, now)
        return consequence

    def _failed(self, retry_after: int, patience: Patience, now: float) -> Consequence:
        self.failures += 1
        self.whole = True
        if self.failures >= patience.tries:
            return Consequence.ENDS
        spacing = patience.spacing * 2 ** (self.failures - 1)
        self.again_at = now + min(max(spacing, retry_after), patience.longest)
        self.forced = True
        return Consequence.TRY_AGAIN

    def still_tried(self, longest: float, now: float) -> bool:
        """Take word that the NOTIFY in flight is still being tried; return whether that is believed.

        Over a connection nothing is retransmitted: what got lost on the bus stays lost, so word counts for a while.
        """
        if self.subscription.dialog.flow.transport != "UDP" and now - self.left_at > longest:
            return False
        self.heard = now
        return True

    def silent(self, now: float) -> None:
        """Give up waiting for word of the NOTIFY in flight: its notifier died, the state is told again."""
        self.in_flight, self.forced, self.whole = 0, True, True
