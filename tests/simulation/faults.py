"""What goes wrong, and when."""

import asyncio

from .world import World


class Faults:
    """Faults of a run."""

    def __init__(self, world: World, cores: int) -> None:
        self._world = world

    async def run(self) -> None:
        """Break things for ever."""
        await asyncio.sleep(1000)

    async def end(self) -> None:
        """Let everything work again."""
