"""How many requests of one presentity or one watcher may wait at a time: so none fills the queues of the others.

Rule 1: the queue of a core is served in its order, so what one name has waiting is what all others wait for.
"""

from lamplighter_proto import Command, Register, Subscribe


class Shares:
    """Waiting requests by the names that they are about."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def is_full(self, command: Command) -> bool:
        """Return whether a name of the command has all waiting that it may have."""
        return any(self._waiting.get(name, 0) >= self._limit for name in names_of(command))

    def add(self, command: Command) -> None:
        """Count a command that begins to wait."""
        for name in names_of(command):
            self._waiting[name] = self._waiting.get(name, 0) + 1

    def remove(self, command: Command) -> None:
        """Count a command that waits no longer."""
        for name in names_of(command):
            left = self._waiting[name] - 1
            if left:
                self._waiting[name] = left
            else:
                del self._waiting[name]


def names_of(command: Command) -> tuple[str, ...]:
    """Return the presentity of a command, and the watcher where there is one; these begin with a `<`."""
    if isinstance(command, Subscribe):
        return command.presentity, f"<{command.watcher}"
    return (command.aor if isinstance(command, Register) else command.presentity,)
