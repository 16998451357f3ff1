"""Refreshes that no core has confirmed yet.

Rule 1: of one presentity at most one is under way; what is asked meanwhile is one more, sent after it.
Rule 2: a confirmation of what was sent before a change says nothing of that change: the later one has an id of its own.
Rule 3: it goes to whoever owns the shard when it is sent; without an owner it waits.
Rule 4: only so many are under way at a time, lest cores that have much to read get it all again every second.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from lamplighter_proto import Refresh
from lamplighter_proto.ownership import shard_of

Done = Callable[[bool], None]
"""Hears whether a refresh was confirmed; False when it was given up."""
OwnerOf = Callable[[int], str | None]

ALL_SHARDS = -1
_CHANGES = 8
"""Of one presentity, each sent in a second of its own, that are told apart while none is confirmed."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A presentity, or everything (presentity "") of one core."""

    presentity: str
    core: str = ""


@dataclass(slots=True)
class _Change:
    """What one id stands for: those who asked before it was sent."""

    id: int
    deadline: float
    sent: bool = False
    done: list[Done] = field(default_factory=list)


@dataclass(slots=True)
class _Pending:
    """Changes of one key that nobody confirmed, oldest first; all but the last were sent."""

    next_send: float
    changes: list[_Change] = field(default_factory=list)

    @property
    def last(self) -> _Change:
        """Return the change that stands for all before it."""
        return self.changes[-1]

    @property
    def sent(self) -> bool:
        """Return whether anything is under way."""
        return self.changes[0].sent


class Refreshes:
    """The table of refreshes under way; `first_id` differs from life to life of a process."""

    def __init__(
        self,
        instance: str,
        shards: int,
        *,
        patience: float,
        resend: float = 1.0,
        window: int = 5000,
        first_id: int = 1,
    ) -> None:
        self._instance = instance
        self._shards = shards
        self._patience = patience
        self._resend = resend
        self._window = window
        self._under_way = 0
        self._fresh: deque[_Key] = deque()
        self._ids = count(first_id)
        self._pending: dict[_Key, _Pending] = {}
        self._keys: dict[int, _Key] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, presentity: str, now: float, done: Done | None = None) -> None:
        """Want a presentity decided anew by the owner of its shard; `fresh` and `due` say what to send."""
        self._ask(_Key(presentity), now, done)

    def ask_all(self, cores: Iterable[str], now: float) -> None:
        """Want everything decided anew by each of some cores."""
        for core in cores:
            self._ask(_Key("", core), now, None)

    def _ask(self, key: _Key, now: float, done: Done | None) -> None:
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(next_send=now)
            self._fresh.append(key)
        if not pending.changes or pending.last.sent:
            pending.changes.append(_Change(id=next(self._ids), deadline=0.0))
            self._keys[pending.last.id] = key
        pending.last.deadline = now + self._patience
        if done is not None:
            pending.last.done.append(done)

    def fresh(self, now: float, owner_of: OwnerOf) -> list[tuple[str, Refresh]]:
        """Return what was not sent yet, each with the core it is for; what has no owner is left to `due`."""
        sends = []
        while self._fresh and self._under_way < self._window:
            key = self._fresh.popleft()
            pending = self._pending.get(key)
            if pending is not None and not pending.sent and (send := self._send(key, pending, now, owner_of)):
                sends.append(send)
        return sends

    def due(self, now: float, owner_of: OwnerOf) -> list[tuple[str, Refresh]]:
        """Return what is to be sent again, or has waited for an owner, each with the core it is for."""
        sends = []
        for key, pending in self._pending.items():
            full = not pending.sent and self._under_way >= self._window
            if pending.next_send <= now and not full and (send := self._send(key, pending, now, owner_of)):
                sends.append(send)
        return sends

    def _send(self, key: _Key, pending: _Pending, now: float, owner_of: OwnerOf) -> tuple[str, Refresh] | None:
        shard = shard_of(key.presentity, self._shards) if key.presentity else ALL_SHARDS
        owner = key.core or owner_of(shard)
        if owner is None:
            return None
        self._under_way += not pending.sent
        pending.last.sent, pending.next_send = True, now + self._resend
        self._merge(pending)
        return owner, Refresh(id=pending.last.id, xcap_sync=self._instance, shard=shard, presentity=key.presentity)

    def _merge(self, pending: _Pending) -> None:
        """Let the second oldest change stand for the oldest where a core is long in confirming either."""
        if len(pending.changes) > _CHANGES:
            oldest = pending.changes.pop(0)
            del self._keys[oldest.id]
            pending.changes[0].done += oldest.done

    def confirmed(self, number: int, now: float) -> bool:
        """Take a Refreshed, which stands for all changes before it too; return whether it was waited for."""
        key = self._keys.get(number)
        if key is None:
            return False
        pending = self._pending[key]
        known = [change for change in pending.changes if change.id <= number]
        if not known[-1].sent:
            return False
        self._under_way -= 1
        pending.changes = pending.changes[len(known) :]
        self._go_on(key, pending, now)
        self._end(known, well=True)
        return True

    def _go_on(self, key: _Key, pending: _Pending, now: float) -> None:
        """Send at once what was asked since, if it was not sent again already."""
        if not pending.changes:
            del self._pending[key]
        elif pending.sent:
            self._under_way += 1
        else:
            pending.next_send = now
            self._fresh.append(key)

    def _end(self, changes: Iterable[_Change], *, well: bool) -> None:
        for change in changes:
            del self._keys[change.id]
            for done in change.done:
                done(well)

    def given_up(self, now: float) -> list[str]:
        """Forget what nobody confirmed in time; return its presentities, "" for everything of a core."""
        late = [key for key, pending in self._pending.items() if pending.last.deadline <= now]
        for key in late:
            self._drop(key)
        return [key.presentity for key in late]

    def forget_cores(self, alive: Iterable[str]) -> None:
        """Forget refreshes of everything for cores that are gone: who follows them reads everything anyway."""
        cores = set(alive)
        for key in [key for key in self._pending if key.core and key.core not in cores]:
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        pending = self._pending.pop(key)
        self._under_way -= pending.sent
        self._end(pending.changes, well=False)
