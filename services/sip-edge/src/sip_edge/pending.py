"""Commands that wait for the core's answer: one table, one sweep, no timer of their own (design §3).

Rule 1: time is an argument; the table is in order of `since`, so that a sweep looks at old entries only.
Rule 2: a core never has so many commands that it would answer them only when their clients have repeated them.
Rule 3: commands are repeat-safe: whenever in doubt, a command is sent again.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from msgspec.structs import replace

from lamplighter_proto import Command
from lamplighter_proto.commands import ANSWER_SECONDS
from sip.message import Request
from sip_edge.addresses import Peer
from sip_edge.flows import Channel
from sip_edge.shares import Shares


@dataclass(slots=True)
class Waiting:
    """A request whose command is with the core, or has no core to go to yet."""

    command: Command
    request: Request
    channel: Channel
    peer: Peer
    key: str
    since: float
    """Monotonic seconds."""
    owner: str | None = None
    """The core that has the command."""
    repeated: bool = False


class Pending:
    """Waiting requests by the id of their command."""

    def __init__(
        self,
        send: Callable[[str, Command], None],
        owner_of: Callable[[int], str | None],
        *,
        limit: int,
        limit_of_name: int,
        limit_of_core: int,
        timeout: float,
        repeat: float,
    ) -> None:
        self.repeats = 0
        self._send = send
        self._owner_of = owner_of
        self._limit = limit
        self._timeout = timeout
        self._repeat = repeat
        self._table: dict[int, Waiting] = {}
        self._again: set[int] = set()
        self._shares = Shares(limit_of_name)
        self._limit_of_core = limit_of_core
        self._at: Counter[str] = Counter()
        """How many commands each core has, also those that had some and have none now."""

    def __len__(self) -> int:
        return len(self._table)

    @property
    def full(self) -> bool:
        """Return whether no other request may wait, whatever it is about: in all, or at any core that has some."""
        return len(self._table) >= self._limit or min(self._at.values(), default=0) >= self._limit_of_core

    def is_crowded(self, command: Command) -> bool:
        """Return whether too many commands wait already about the same one, or for the same core."""
        owner = self._owner_of(command.shard)
        busy = owner is not None and self._at[owner] >= self._limit_of_core
        return busy or self._shares.is_full(command)

    def add(self, waiting: Waiting) -> None:
        """Keep a request and send its command, or hold the command until its shard has an owner."""
        self._table[waiting.command.id] = waiting
        self._shares.add(waiting.command)
        self._dispatch(waiting)

    def take(self, number: int) -> Waiting | None:
        """Remove and return the request whose command bears `number`."""
        waiting = self._table.pop(number, None)
        if waiting is not None:
            self._shares.remove(waiting.command)
            self._count(waiting.owner, -1)
        return waiting

    def moved(self, number: int) -> None:
        """Send a command to the owner that the directory knows; if that one denied it, with the next sweep."""
        waiting = self._table.get(number)
        if waiting is None:
            return
        owner = self._owner_of(waiting.command.shard)
        if owner is not None and owner != waiting.owner:
            self._send_again(waiting)
        else:
            self._again.add(number)

    def asked(self, number: int, at: float, now: float) -> None:
        """Tell the core which asked at `at` that a request still waits, if it will for long enough (ADR 0010)."""
        waiting = self._table.get(number)
        if waiting is not None and now - waiting.since <= self._timeout - ANSWER_SECONDS:
            waiting.command = replace(waiting.command, asked=at)
            self._send_again(waiting)

    def reassign(self, shards: Collection[int]) -> None:
        """Send the commands of `shards` to their owners of now, and forget owners that have none."""
        for waiting in self._table.values():
            if waiting.command.shard in shards:
                self._send_again(waiting)
        self._at = Counter({owner: commands for owner, commands in self._at.items() if commands})

    def resend(self) -> None:
        """Send every command again, as after a time without the bus."""
        for waiting in self._table.values():
            self._send_again(waiting)

    def sweep(self, now: float) -> list[Waiting]:
        """Send again what was denied or met silence; remove and return what is overdue."""
        again, self._again = self._again, set()
        for number in again:
            if number in self._table:
                self._send_again(self._table[number])
        overdue = self._look_at_old(now)
        for waiting in overdue:
            self.take(waiting.command.id)
        return overdue

    def _look_at_old(self, now: float) -> list[Waiting]:
        overdue: list[Waiting] = []
        for waiting in self._table.values():
            age = now - waiting.since
            if age < self._repeat and age < self._timeout:
                break
            if age >= self._timeout:
                overdue.append(waiting)
            elif not waiting.repeated:
                waiting.repeated = True
                self._send_again(waiting)
        return overdue

    def _send_again(self, waiting: Waiting) -> None:
        if waiting.owner is not None:
            self.repeats += 1
        self._dispatch(waiting)

    def _dispatch(self, waiting: Waiting) -> None:
        command = waiting.command
        owner = self._owner_of(command.shard)
        if owner != waiting.owner:
            self._count(waiting.owner, -1)
            self._count(owner, 1)
            waiting.owner = owner
        if owner is not None:
            self._send(owner, command)

    def _count(self, owner: str | None, change: int) -> None:
        if owner is not None:
            self._at[owner] += change
