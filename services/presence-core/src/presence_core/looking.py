"""Looks at many presentities without commands, a few at a time: commands go first."""

import asyncio
from collections.abc import Iterable

from presence_core.in_use import InUse
from presence_core.turns import Turns


class Looking:
    """What is to be looked at, in the order in which it came."""

    def __init__(self, turns: Turns, *, at_a_time: int) -> None:
        self._turns = turns
        self._slots = asyncio.Semaphore(at_a_time)
        self._waiting: dict[InUse, None] = {}
        self._wake = asyncio.Event()

    def add(self, uses: Iterable[InUse], *, anew: bool = False) -> None:
        """Have presentities looked at; `anew`: whoever told their watchers may not be there any more."""
        for use in uses:
            use.anew = use.anew or anew
            use.look = True
            self._waiting[use] = None
        self._wake.set()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._slots.acquire()
                self._begin()

    def _begin(self) -> None:
        use = next(iter(self._waiting))
        del self._waiting[use]
        task = self._turns.begin(use)
        if task is None:
            self._slots.release()
        else:
            task.add_done_callback(lambda _: self._slots.release())
