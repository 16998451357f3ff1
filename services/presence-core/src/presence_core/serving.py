"""What the service and its endpoint need of whatever serves presentities, in each mode of the store."""

from collections.abc import Coroutine, Iterable, Mapping
from typing import Protocol

from lamplighter_proto import Command, Outcome, Refresh
from presence_core.shard import Shard


class Serving(Protocol):
    """Serves presentities, in shards or one by one."""

    def on_commands(self, commands: list[Command]) -> None:
        """Take the commands of a frame."""

    def on_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a frame."""

    def on_refreshes(self, refreshes: list[Refresh]) -> None:
        """Take word of changed XCAP documents."""

    def ready(self) -> Mapping[str, bool]:
        """Return what must hold for work to be sent here."""

    def memory(self) -> Iterable[Shard]:
        """Return what is in memory."""

    async def find(self, aor: str) -> Shard | None:
        """Return the memory of a presentity; None for one that is not served here; raise StoreError."""

    def work(self) -> Mapping[str, Coroutine[object, object, None]]:
        """Return what has to run, by name; `commits`, if there are any, until `leave` is over."""

    async def leave(self) -> None:
        """Save what is not saved, and hand over."""
