"""A presentity that somebody is busy with, or whose watchers are minded here (store=database)."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from lamplighter_proto import Command, Outcome, Refresh
from presence_core.domain.documents import NO_DOCUMENTS, Documents
from presence_core.shard import Shard

NEVER = float("inf")


@dataclass(slots=True, kw_only=True)
class Turn:
    """What one transaction is to do."""

    commands: list[Command]
    refreshes: list[Refresh]
    outcomes: list[Outcome]
    unsaved: set[str]
    anew: bool
    in_doubt: bool = False
    """Whether a commit is begun of which we do not know the end."""


@dataclass(slots=True, eq=False)
class InUse:
    """What is to be done about a presentity, and what is known of it."""

    aor: str
    number: int
    shard: Shard | None = None
    commands: deque[Command] = field(default_factory=deque)
    refreshes: list[Refresh] = field(default_factory=list)
    look: bool = False
    """Whether it has to be looked at without a command."""
    anew: bool = False
    """Whether whoever told its watchers may not be there any more: who is not known to have the state is told."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Of NOTIFYs, which have to be seen to in a turn."""
    unsaved: set[str] = field(default_factory=set)
    """Local tags whose progress has to be saved."""
    busy: bool = False
    failures: int = 0
    again_at: float = NEVER
    """Epoch second at which a turn that failed is taken again."""
    due_at: float = NEVER
    """Epoch second for which a look is planned."""
    wanted_at: float = 0.0
    refreshed: asyncio.Event = field(default_factory=asyncio.Event)
    documents: Documents = NO_DOCUMENTS

    @property
    def waiting(self) -> bool:
        """Return whether there is something to do; after a failure only commands do not wait."""
        rest = self.refreshes or self.look or self.outcomes or self.unsaved
        return bool(self.commands or (rest and self.again_at == NEVER))

    @property
    def idle(self) -> bool:
        """Return whether nobody is busy with it or has to be."""
        return not (self.busy or self.waiting) and self.again_at == NEVER

    @property
    def watched(self) -> bool:
        """Return whether there is anything that time, or a watcher's answer, may change."""
        shard = self.shard
        return shard is not None and bool(shard.deliveries or shard.known or shard.boundaries)

    def take(self) -> Turn:
        """Return and forget what is to be done; after a failure one command at a time, so that one is at fault."""
        most = 1 if self.failures else len(self.commands)
        turn = Turn(
            commands=[self.commands.popleft() for _ in range(min(most, len(self.commands)))],
            refreshes=self.refreshes,
            outcomes=self.outcomes,
            unsaved=self.unsaved,
            anew=self.anew,
        )
        self.refreshes, self.outcomes, self.unsaved = [], [], set()
        self.look = self.anew = False
        return turn

    def put_back(self, turn: Turn) -> None:
        """Take back what a turn has not done, but for its commands."""
        self.anew = self.anew or turn.anew
        self.refreshes += [one for one in turn.refreshes if one not in self.refreshes]

    def next_at(self) -> float:
        """Return the epoch second at which it has to be looked at next."""
        at = self.shard.wheel.next() if self.shard is not None else None
        return min(self.again_at, NEVER if at is None else at)
