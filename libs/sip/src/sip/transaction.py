"""Non-INVITE transactions, server and client (RFC 3261 §17.1.2, §17.2.2, RFC 4320).

Rule 1: time is an argument, in seconds of any clock that never goes back; nothing here sends.
Rule 2: every kind of timer has one delay, so its queue is in order of deadlines and needs no heap.
Rule 3: what is over leaves its place in a queue, to be skipped when that comes up.
Rule 4: no 100 and no 408 is ever made here (RFC 4320 §4.1, §4.2): a server that is late stays silent.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from sip.fields import Via, parse_name_addr
from sip.model import Request
from sip.parsing import first_value

MAGIC_COOKIE = "z9hG4bK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """T1, T2 and T4 in seconds (RFC 3261 §17.1.1.1)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def lifetime(self) -> float:
        """Return 64*T1: timers F and J."""
        return 64 * self.t1


class Seen(Enum):
    """What a request is to the server transactions when there is no answer to repeat."""

    NEW = "new"
    ABSORBED = "absorbed"
    """A repeat of a request whose answer is still being found."""


NEW: Final = Seen.NEW
Absorbed: Final = Seen.ABSORBED


def server_key(request: Request) -> str:
    """Return what makes two requests one transaction (RFC 3261 §17.2.3), also for clients of RFC 2543."""
    line = request.headers.get("Via") or ""
    head, _, rest = line.partition(";branch=" + MAGIC_COOKIE)
    branch = rest.partition(";")[0].rstrip()
    if branch and "," not in line and '"' not in line:
        return f"{branch} {head.partition(';')[0].lower()} {request.method}"
    via = Via.parse(first_value(line))
    branch = via.branch
    if len(branch) > 7 and branch[:7].lower() == MAGIC_COOKIE.lower():
        return f"{branch[7:]} sip/2.0/{via.transport.lower()} {via.sent_by.lower()} {request.method}"
    return _old_key(request, via)


def _old_key(request: Request, via: Via) -> str:
    headers = request.headers
    tags = [parse_name_addr(headers.get(name) or "").tag for name in ("From", "To")]
    numbers = [headers.get(name) or "" for name in ("Call-ID", "CSeq")]
    return "\n".join((request.uri, *tags, *numbers, str(via)))


class _Answer(NamedTuple):
    ends: float
    """When timer J ends it, or when it is given up."""
    reliable: bool
    packet: bytes | None
    """None while there is no final response."""


class ServerTransactions:
    """Requests and the responses they got, for 64*T1: longer than any client repeats them (timer F).

    Over a reliable transport a transaction ends with its response (timer J is 0). When there are `max_entries`
    the oldest makes room: its repeats will be new requests, as after a restart.
    """

    def __init__(self, timers: Timers | None = None, max_entries: int = 500_000) -> None:
        self._lifetime = (timers or Timers()).lifetime
        self._max_entries = max_entries
        self._answers: dict[str, _Answer] = {}
        self._ends: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, key: str) -> bool:
        """Return whether a request is known."""
        return key in self._answers

    def receive(self, key: str, reliable: bool, now: float) -> Seen | bytes:
        """Take a request: NEW, Absorbed, or the response to send again."""
        answer = self._answers.get(key)
        if answer is not None:
            return Absorbed if answer.packet is None else answer.packet
        if len(self._answers) >= self._max_entries:
            self._make_room()
        self._keep(key, reliable, None, now)
        return NEW

    def complete(self, key: str, packet: bytes, now: float) -> None:
        """Take the final response of a request; for one that is not known any more there is nothing to do."""
        answer = self._answers.get(key)
        if answer is None:
            return
        if answer.reliable:
            del self._answers[key]
        else:
            self._keep(key, False, packet, now)

    def expire(self, now: float) -> int:
        """Forget what is over; return how many transactions that were."""
        before = len(self._answers)
        ends = self._ends
        while ends and ends[0][0] <= now:
            self._drop(*ends.popleft())
        return before - len(self._answers)

    def _keep(self, key: str, reliable: bool, packet: bytes | None, now: float) -> None:
        ends = now + self._lifetime
        self._answers[key] = _Answer(ends, reliable, packet)
        self._ends.append((ends, key))

    def _make_room(self) -> None:
        while self._ends and len(self._answers) >= self._max_entries:
            self._drop(*self._ends.popleft())

    def _drop(self, ends: float, key: str) -> None:
        answer = self._answers.get(key)
        if answer is not None and answer.ends == ends:
            del self._answers[key]


class Retransmit(NamedTuple):
    """Timer E: send the request again."""

    branch: str
    packet: bytes


class TimedOut(NamedTuple):
    """Timer F: nobody answered."""

    branch: str


class _Open(NamedTuple):
    packet: bytes
    reliable: bool
    ends: float
    """When timer F gives up."""
    proceeding: bool


class ClientTransactions:
    """Requests without a final response, by branch; a branch must never be used twice.

    Timer K needs no state: a final response that is repeated belongs to no branch any more.
    """

    def __init__(self, timers: Timers | None = None) -> None:
        timers = timers or Timers()
        self._lifetime = timers.lifetime
        self._open: dict[str, _Open] = {}
        self._delays = _delays(timers)
        self._repeats: list[deque[tuple[float, str]]] = [deque() for _ in self._delays]
        # Filled at the first repeat, for most have been answered by then.
        self._ends: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, branch: str) -> bool:
        return branch in self._open

    def start(self, branch: str, packet: bytes, reliable: bool, now: float) -> None:
        """Begin a transaction whose request is being sent."""
        self._open[branch] = _Open(packet, reliable, now + self._lifetime, False)
        self._repeats[0].append((now + self._delays[0], branch))

    def receive(self, branch: str, status: int, now: float) -> bool:
        """Take a response; return whether it is the final one of an open transaction, which is over then."""
        transaction = self._open.get(branch)
        if transaction is None:
            return False
        if status >= 200:
            del self._open[branch]
            return True
        if not transaction.proceeding:
            self._open[branch] = transaction._replace(proceeding=True)
        return False

    def abandon(self, branch: str) -> None:
        """Send a request no more and wait for no response to it."""
        self._open.pop(branch, None)

    def due(self, now: float) -> list[Retransmit | TimedOut]:
        """Return what it is time for."""
        found: list[Retransmit | TimedOut] = []
        ends = self._ends
        while ends and ends[0][0] <= now:
            branch = ends.popleft()[1]
            if self._open.pop(branch, None) is not None:
                found.append(TimedOut(branch))
        for stage, repeats in enumerate(self._repeats):
            while repeats and repeats[0][0] <= now:
                self._repeat(*repeats.popleft(), stage, now, found)
        return found

    def next_due(self) -> float | None:
        """Return when `due` may have something, None when nothing is open."""
        times = [time for queue in (*self._repeats, self._ends) if (time := self._first(queue)) is not None]
        return min(times, default=None)

    def _first(self, queue: deque[tuple[float, str]]) -> float | None:
        while queue and queue[0][1] not in self._open:
            queue.popleft()
        return queue[0][0] if queue else None

    def _repeat(self, due: float, branch: str, stage: int, now: float, found: list[Retransmit | TimedOut]) -> None:
        transaction = self._open.get(branch)
        if transaction is None:
            return
        if transaction.ends <= now:
            del self._open[branch]
            found.append(TimedOut(branch))
            return
        if stage == 0:
            self._ends.append((transaction.ends, branch))
        if transaction.reliable:
            return
        found.append(Retransmit(branch, transaction.packet))
        last = len(self._delays) - 1
        following = last if transaction.proceeding else min(stage + 1, last)
        delay = self._delays[following]
        # In step with the first sending, unless we are so late that repeats would come in a burst.
        self._repeats[following].append((due + delay if due + delay > now else now + delay, branch))


def _delays(timers: Timers) -> list[float]:
    """Return the delays between repeats: T1, doubled each time, T2 at most (§17.1.2.2)."""
    delays = [min(timers.t1, timers.t2)]
    while delays[-1] < timers.t2:
        delays.append(min(2 * delays[-1], timers.t2))
    return delays
