"""Death of parts of a system, at a moment that is fair."""

import asyncio
from collections.abc import Awaitable, Callable

from .system import System
from .xcap_table import XcapTable


class Killer:
    """Kills parts of a system."""

    def __init__(self, system: System, table: XcapTable) -> None:
        self._system = system
        self._table = table

    async def __call__(self, *names: str, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        """Kill processes, do something before they are back, wait until they are."""
        await self._until_ends_are_saved()
        before = {name: self._system.kill(name) for name in names}
        if meanwhile is not None:
            await meanwhile()
        for name, pid in before.items():
            await asyncio.to_thread(self._system.back, name, pid)

    async def _until_ends_are_saved(self) -> None:
        """Wait until it is saved that watchers were told of their end: else they are, rightly, told again."""
        async with asyncio.timeout(5):
            query = "SELECT 1 FROM active_watchers WHERE status = 3"
            while await self._table.fetch(query):  # noqa: ASYNC110  # there is no event
                await asyncio.sleep(0.01)
