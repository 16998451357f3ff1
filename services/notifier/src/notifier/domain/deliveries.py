"""Open transactions of NOTIFYs (RFC 3261 §17.1.2): what to send, what to report.

Rule 1: every target gets exactly one final outcome, as long as this process lives; but none where a later NOTIFY of the
dialog has left: another core owns it now, and the one that asked is not to think that the flow is gone.
Rule 2: a NOTIFY without one is reported as still tried (100) again and again: silence means that we are dead.
Rule 3: what a final status means for the subscription is the core's to decide.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from lamplighter_proto import Dialog, Notify, Outcome, Received, Send, Target
from notifier.domain.edges import Edges
from notifier.domain.notify import Heads, Unbuildable, Versioned, entity, subscription_state
from sip.errors import ParseError
from sip.message import parse
from sip.transaction import ClientTransactions, TimedOut

SUPERSEDED = 1
"""Of a `Received`: not sent, for a later NOTIFY of the dialog was."""
STILL_TRYING = 100
TIMED_OUT = 408
FLOW_GONE = 430
"""RFC 5626 §11.5: Flow Failed."""
UNBUILDABLE = 500
OVERLOADED = 503

_SECONDS = re.compile(r"\s*(\d{1,9})(?!\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What open transactions may take."""

    transactions: int
    transaction_bytes: int
    """Of all their packets together."""
    retry_after: int
    """Seconds after which a NOTIFY that went over a limit may be asked for again."""
    still_trying: float
    """Seconds between reports of a NOTIFY without an answer."""


Report = tuple[str, str, Outcome]
"""The core that shall hear of an outcome, the event package, the outcome."""


class Refusal(NamedTuple):
    """A NOTIFY that could not be built, and why."""

    target: Target
    problem: str


@dataclass(slots=True)
class Effects:
    """What the shell has to do, in order."""

    sends: list[Send] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


_Open = tuple[str, str, Target, Send]
"""Core, event, target and packet of a transaction: what its outcome needs, and not the Notify with all the others."""


class Deliveries:
    """The NOTIFYs that await their final response."""

    def __init__(
        self,
        *,
        notifier: str,
        new_branch: Callable[[], str],
        heads: Heads,
        transactions: ClientTransactions,
        limits: Limits,
        edges: Edges,
    ) -> None:
        self.retransmissions = 0
        self.unmatched = 0
        self.superseded = 0
        self.open_bytes = 0
        self._notifier = notifier
        self._new_branch = new_branch
        self._heads = heads
        self._transactions = transactions
        self._limits = limits
        self._edges = edges
        self._open: dict[str, _Open] = {}
        self._trying: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, notify: Notify, now: float, effects: Effects) -> None:
        """Start a transaction for every target of a `Notify`."""
        try:
            rest = entity(notify.content_type, notify.document, notify.version_at)
        except Unbuildable as problem:
            for target in notify.targets:
                _refuse(notify, target, problem, effects)
            return
        for target in notify.targets:
            if self._full():
                _report(effects, notify.core, notify.event, target, OVERLOADED, self._limits.retry_after)
                continue
            if self._edges.lost(target.dialog.flow, now):
                _report(effects, notify.core, notify.event, target, FLOW_GONE, 0)
                continue
            try:
                self._start(notify, target, rest, now, effects)
            except Unbuildable as problem:
                _refuse(notify, target, problem, effects)

    def _full(self) -> bool:
        limits = self._limits
        return len(self._open) >= limits.transactions or self.open_bytes >= limits.transaction_bytes

    def _start(self, notify: Notify, target: Target, rest: bytes | Versioned, now: float, effects: Effects) -> None:
        head = self._heads.of(self._as_now(target.dialog, now))
        branch = self._new_branch()
        whole = rest if isinstance(rest, bytes) else rest.of(target.version)
        packet = head.notify(branch, target.cseq, subscription_state(target), whole)
        send = Send(
            notifier=self._notifier,
            branch=branch,
            flow=target.dialog.flow,
            packet=packet,
            next_hop=head.next_hop,
            local_tag=target.dialog.local_tag,
            cseq=target.cseq,
        )
        self._transactions.start(branch, packet, head.reliable, now)
        self._open[branch] = (notify.core, notify.event, target, send)
        self._trying.append((now + self._limits.still_trying, branch))
        self.open_bytes += len(packet)
        effects.sends.append(send)

    def _as_now(self, dialog: Dialog, now: float) -> Dialog:
        """Return the dialog with the Contact of the edge by which its NOTIFY leaves: so the watcher finds it, too."""
        edge = self._edges.edge_of(dialog.flow, now)
        address = "" if edge == dialog.flow.edge else self._edges.address(edge)
        if not address:
            return dialog
        self._edges.moved += 1
        return replace(dialog, route=replace(dialog.route, contact=f"<sip:{address}>"))

    def receive(self, received: Received, now: float, effects: Effects) -> None:
        """Take a response, or word that nothing was sent."""
        if received.status == SUPERSEDED:
            self._drop(received.branch)
            return
        status = received.status or FLOW_GONE
        if self._transactions.receive(received.branch, status, now):
            self._close(received.branch, status, _retry_after(status, received.packet), effects)
        elif received.branch not in self._open:
            self.unmatched += 1

    def sweep(self, now: float, effects: Effects) -> None:
        """Send again, give up and report progress, as far as it is time to."""
        for due in self._transactions.due(now):
            if isinstance(due, TimedOut):
                self._close(due.branch, TIMED_OUT, 0, effects)
            elif (opened := self._open.get(due.branch)) is not None:
                self.retransmissions += 1
                effects.sends.append(replace(opened[3], again=True))
        self._tell_progress(now, effects)

    def _tell_progress(self, now: float, effects: Effects) -> None:
        trying = self._trying
        while trying and trying[0][0] <= now:
            branch = trying.popleft()[1]
            opened = self._open.get(branch)
            if opened is not None:
                core, event, target, _ = opened
                _report(effects, core, event, target, STILL_TRYING, 0)
                trying.append((now + self._limits.still_trying, branch))

    def _close(self, branch: str, status: int, retry_after: int, effects: Effects) -> None:
        opened = self._forget(branch)
        if opened is not None:
            core, event, target, _ = opened
            _report(effects, core, event, target, status, retry_after)

    def _drop(self, branch: str) -> None:
        self._transactions.abandon(branch)
        if self._forget(branch) is not None:
            self.superseded += 1

    def drop_all(self) -> int:
        """Give up whatever is open, without an outcome; return how many NOTIFYs that were."""
        branches = list(self._open)
        for branch in branches:
            self._transactions.abandon(branch)
            self._forget(branch)
        return len(branches)

    def _forget(self, branch: str) -> _Open | None:
        opened = self._open.pop(branch, None)
        if opened is not None:
            self.open_bytes -= len(opened[3].packet)
        return opened


def _refuse(notify: Notify, target: Target, problem: Unbuildable, effects: Effects) -> None:
    effects.refusals.append(Refusal(target, str(problem)))
    _report(effects, notify.core, notify.event, target, UNBUILDABLE, 0)


def _report(effects: Effects, core: str, event: str, target: Target, status: int, retry_after: int) -> None:
    outcome = Outcome(
        shard=target.shard,
        presentity=target.presentity,
        local_tag=target.dialog.local_tag,
        cseq=target.cseq,
        status=status,
        retry_after=retry_after,
    )
    effects.reports.append((core, event, outcome))


def _retry_after(status: int, packet: bytes) -> int:
    """Return the seconds of a Retry-After header (RFC 3261 §20.33), 0 without a readable one."""
    if status < 300 or not packet:
        return 0
    try:
        value = parse(packet).headers.get("Retry-After")
    except ParseError:
        return 0
    match = _SECONDS.match(value or "")
    return int(match[1]) if match else 0
