"""Which users' documents are wanted, and when each is looked at.

Rule 1: what somebody asks for goes before what is looked at by the clock, and users that were never looked at, for
whom a watcher may wait, go before all: cores say of everybody now and then that they are still wanted.
A user's documents are looked at at most once in `spacing` seconds; what is asked meanwhile is one look more.
Rule 2: every replica knows all users, only the chosen one looks; so it can follow another that dies.
Rule 3: while a user is looked at it is not looked at twice.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xcap_sync.domain.refreshes import Done

Usages = frozenset[str] | None
"""Names of application usages; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One look at a user's documents."""

    presentity: str
    usages: Usages
    owed: bool
    """A refresh follows even if nothing has changed."""
    done: tuple[Done, ...]
    """They hear of that refresh."""

    @property
    def insists(self) -> bool:
        """Return whether an operator waits, who may have mended what is left alone."""
        return bool(self.done)


@dataclass(slots=True)
class _Asked:
    usages: Usages
    owed: bool
    done: list[Done]


@dataclass(slots=True)
class _User:
    wanted: int
    """Epoch second of the last Wanted."""
    due: float = float("inf")
    """When the clock says to look."""
    urgent: float = float("inf")
    """When to look because somebody asked."""
    begun: float = float("-inf")
    ours: bool = False
    busy: bool = False
    asked: _Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often users are looked at, in seconds."""

    period: float
    """By the clock; 0: never."""
    spacing: float = 1.0
    first: float = 30.0
    """Longest time to the first look at a user of whom we know but that nobody asked for now, where period is 0."""


class Watchlist:
    """Users by canonical AOR; `fraction` returns a number in [0, 1)."""

    def __init__(self, pace: Pace, *, limit: int, fraction: Callable[[], float]) -> None:
        self._pace = pace
        self._limit = limit
        self._fraction = fraction
        self._users: dict[str, _User] = {}
        self._clock: list[tuple[float, str]] = []
        self._urgent: list[tuple[float, str]] = []
        self._first: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._users)

    def __contains__(self, presentity: str) -> bool:
        return presentity in self._users

    def wanted_at(self, presentity: str) -> int:
        """Return the epoch second of a user's last Wanted; 0 for one that is not wanted."""
        user = self._users.get(presentity)
        return user.wanted if user else 0

    def want(self, presentity: str, wanted: int, *, ours: bool = False) -> bool:
        """Take that a user is wanted, and that we look at it; False when there are too many."""
        user = self._users.get(presentity)
        if user is None:
            if len(self._users) >= self._limit:
                return False
            user = self._users[presentity] = _User(wanted)
        user.wanted = max(user.wanted, wanted)
        user.ours |= ours
        return True

    def ask(
        self, presentity: str, now: float, *, usages: Usages = None, owed: bool = True, done: Iterable[Done] = ()
    ) -> None:
        """Have a wanted user looked at as soon as may be; KeyError for another."""
        user = self._users[presentity]
        if user.asked is None:
            user.asked = _Asked(usages, owed, list(done))
        else:
            user.asked.usages = _both(user.asked.usages, usages)
            user.asked.owed |= owed
            user.asked.done += done
        if not user.busy:
            self._hurry(presentity, user, max(now, user.begun + self._pace.spacing))

    def _hurry(self, presentity: str, user: _User, when: float) -> None:
        if when < user.urgent:
            user.urgent = when
            heapq.heappush(self._first if user.begun == float("-inf") else self._urgent, (when, presentity))

    def watch(self, presentity: str, now: float) -> bool:
        """Begin to look at a wanted user, some time in the coming period; False when it was ours already."""
        user = self._users[presentity]
        if user.ours:
            return False
        user.ours = True
        if not user.busy:
            self._set_due(presentity, user, now + self._fraction() * (self._pace.period or self._pace.first))
        return True

    def leave(self, presentity: str) -> None:
        """Look no more at a user that another replica looks at."""
        user = self._users.get(presentity)
        if user is not None:
            user.ours, user.due = False, float("inf")

    def retry(self, presentity: str, when: float) -> None:
        """Look at a user at a time at the latest, because something went wrong."""
        user = self._users.get(presentity)
        if user is not None and when < user.due:
            self._set_due(presentity, user, when)

    def _set_due(self, presentity: str, user: _User, when: float) -> None:
        user.due = when
        heapq.heappush(self._clock, (when, presentity))

    def take(self, now: float) -> Job | None:
        """Return the next look that is due, None when none is; `finished` must follow."""
        presentity = (
            self._pop(self._first, now, lambda user: user.urgent)
            or self._pop(self._urgent, now, lambda user: user.urgent)
            or self._pop(self._clock, now, lambda user: user.due)
        )
        if presentity is None:
            return None
        user = self._users[presentity]
        asked, user.asked = user.asked or _Asked(None, False, []), None
        if asked.usages is None:
            user.due = float("inf")
        user.busy, user.begun, user.urgent = True, now, float("inf")
        return Job(presentity=presentity, usages=asked.usages, owed=asked.owed, done=tuple(asked.done))

    def _pop(self, heap: list[tuple[float, str]], now: float, time_of: Callable[[_User], float]) -> str | None:
        while heap and heap[0][0] <= now:
            when, presentity = heapq.heappop(heap)
            user = self._users.get(presentity)
            if user is not None and not user.busy and time_of(user) == when:
                return presentity
        return None

    def next_due(self) -> float:
        """Return when to call `take` again; it may be too early."""
        return min(heap[0][0] if heap else float("inf") for heap in (self._first, self._urgent, self._clock))

    def finished(self, presentity: str, now: float) -> None:
        """Take that a look is over, and plan the next one if the user is ours."""
        user = self._users.get(presentity)
        if user is None:
            return
        user.busy = False
        by_clock = now + self._pace.period * (0.9 + self._fraction() / 5)
        if user.ours and self._pace.period and by_clock < user.due:
            self._set_due(presentity, user, by_clock)
        elif user.due <= now:
            # It came due while we looked, and was passed over.
            self._set_due(presentity, user, user.due)
        if user.asked is not None:
            self._hurry(presentity, user, max(now, user.begun + self._pace.spacing))

    def forget(self, before: int) -> list[str]:
        """Forget users whose last Wanted was before an epoch second; return them."""
        gone = [
            presentity
            for presentity, user in self._users.items()
            if user.wanted < before and user.asked is None and not user.busy
        ]
        for presentity in gone:
            del self._users[presentity]
        return gone

    def presentities(self) -> list[str]:
        """Return all wanted users."""
        return list(self._users)


def _both(one: Usages, other: Usages) -> Usages:
    return None if one is None or other is None else one | other
