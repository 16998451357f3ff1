"""Where the parts put what has to be saved, and what must follow the save."""

from collections.abc import Callable
from typing import ParamSpec, Protocol

from presence_core.store import Changes

P = ParamSpec("P")
Action = Callable[[], None]


class Commits(Protocol):
    """Gathers changes and actions."""

    def changes(self, shard: int, epoch: int) -> Changes:
        """Return the batch to add rows of a shard to, at once."""

    def then(self, shard: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` when everything that was added until now counts as done."""

    def saved(self, shard: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` after the commit of everything that was added until now."""

    def checked(self, shard: int, epoch: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `action` when it is certain that nobody else has had the shard until now."""

    @property
    def waiting(self) -> int:
        """Return how much waits for a commit."""

    @property
    def overloaded(self) -> bool:
        """Return whether more than waits would be committed too late for its clients."""


class Gathered:
    """The changes and actions of one turn, for whoever takes them to save them in a transaction of his own."""

    def __init__(self) -> None:
        self.waiting = 0
        self.overloaded = False
        self._changes = Changes()
        self._actions: list[Action] = []

    def changes(self, shard: int, epoch: int) -> Changes:
        """Return the batch to add rows to; there is no epoch, for the presentity is locked."""
        return self._changes

    def then(self, shard: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have `action` run after the commit."""
        self._actions.append(lambda: action(*args, **kwargs))

    saved = then

    def checked(self, shard: int, epoch: int, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have `action` run after the commit: what was read is locked."""
        self.then(shard, action, *args, **kwargs)

    def __bool__(self) -> bool:
        """Return whether anything is gathered."""
        return bool(self._actions or self._changes.rows())

    def take(self) -> tuple[Changes, list[Action]]:
        """Return and forget what was gathered."""
        taken = self._changes, self._actions
        self._changes, self._actions = Changes(), []
        return taken
