"""Whose watchers and timers we mind (store=database): shards by the table, taken over from others, and their clock."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from typing import Protocol

from lamplighter_runtime import clock
from lamplighter_runtime.membership import Directory
from presence_core.claims import SERVICE, Claims, balance_for_ever
from presence_core.domain.expiry import Wheel
from presence_core.domain.publication import TOMBSTONE_SECONDS
from presence_core.in_use import NEVER, InUse
from presence_core.looking import Looking
from presence_core.settings import Settings
from presence_core.store import Store, StoreAway, StoreError
from presence_core.turns import Turns

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SWEEP_SECONDS = 0.5
RETRY_SECONDS = 0.5
CLEAN_SECONDS = 30.0
SETTLE_SECONDS = 2.0


class Minded(Protocol):
    """The presentities that are in use."""

    uses: dict[str, InUse]
    due: Wheel[str]

    def in_use(self, aor: str) -> InUse:
        """Return what is known of a presentity."""

    def rest(self, use: InUse) -> None:
        """Keep what has watchers here until something is due; forget the rest."""

    def forget(self, numbers: Iterable[int]) -> None:
        """Leave the watchers of shards to another core."""

    def save_progress(self, use: InUse) -> None:
        """Have it saved which watchers have the state."""


class Minding:
    """The shards whose watchers we have taken over."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        directory: Directory,
        claims: Claims,
        turns: Turns,
        looking: Looking,
        minded: Minded,
    ) -> None:
        self.taken: set[int] = set()
        self._settings = settings
        self._store = store
        self._directory = directory
        self._claims = claims
        self._turns = turns
        self._looking = looking
        self._minded = minded
        self._alive = set(directory.view.alive(SERVICE))
        self._wake = asyncio.Event()
        directory.on_members(self._on_members)
        directory.on_change(self._on_change)

    def work(self) -> Mapping[str, Coroutine[object, object, None]]:
        """Return what has to run, by name."""
        claims = balance_for_ever(self._balance, self._wake, self._not_claimed, retry=RETRY_SECONDS)
        return {"claims": claims, "ticks": self._tick_for_ever(), "cleaner": self._clean_for_ever()}

    # --- shards

    def _on_members(self) -> None:
        alive = set(self._directory.view.alive(SERVICE))
        if self._alive - alive:
            # Who is gone may have used what is ours to mind, and not told of it.
            self._looking.add([use for use in self._minded.uses.values() if use.watched], anew=True)
        self._alive = alive
        self._wake.set()

    def _on_change(self, number: int) -> None:
        if not self._claims.is_ours(number):
            self._claims.claimed.discard(number)
            if number in self.taken:
                self.taken.discard(number)
                self._minded.forget([number])
        self._wake.set()

    def _not_claimed(self, error: Exception) -> None:
        self._turns.away = self._turns.away or isinstance(error, StoreAway)

    async def _balance(self) -> None:
        wanted = self._claims.wanted()
        if wanted is None:
            return
        if surplus := self._ours() - wanted:
            await self._release(surplus)
        missing = [number for number in wanted - self.taken if self._claims.free(number)]
        if missing:
            await self._claims.claim([number for number in missing if number not in self._claims.claimed])
            watched = await self._store.watched(missing)
            self._turns.away = False
            self.taken |= set(missing) & self._claims.claimed
            self._looking.add([self._minded.in_use(aor) for aor in watched], anew=True)
            logger.info("shards taken", extra={"shards": len(missing), "watched": len(watched)})

    def _ours(self) -> set[int]:
        return self._claims.claimed | {one for one in range(self._settings.shards) if self._claims.is_ours(one)}

    async def _release(self, numbers: set[int]) -> None:
        for use in [use for use in self._minded.uses.values() if use.number in numbers]:
            self._minded.save_progress(use)
        await self._turns.settled(SETTLE_SECONDS)
        await self._claims.release(numbers)

    # --- time

    async def _tick_for_ever(self) -> None:
        swept_at = saved_at = clock.wall()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = clock.wall()
            self.tick(now)
            if now - swept_at >= SWEEP_SECONDS:
                swept_at, saving = now, now - saved_at >= self._settings.progress_seconds
                saved_at = now if saving else saved_at
                self.sweep(now, saving=saving)

    def tick(self, now: float) -> None:
        """Look at what is due."""
        found = [use for aor in self._minded.due.due(now) if (use := self._minded.uses.get(aor)) is not None]
        for use in found:
            use.due_at = NEVER
            if use.next_at() <= now:
                use.again_at = NEVER
                self._looking.add([use])
            else:
                self._minded.rest(use)

    def sweep(self, now: float, *, saving: bool) -> None:
        """See to NOTIFYs of which no word comes, to progress that is not saved, and to what is not ours to mind."""
        before = now - self._settings.notifier_silence_seconds
        for use in list(self._minded.uses.values()):
            if use.busy or use.shard is None:
                continue
            if use.shard.is_silent(before):
                self._looking.add([use])
            if saving and use.shard.unsaved:
                use.unsaved |= use.shard.unsaved
                use.shard.unsaved.clear()
                self._looking.add([use])
            if use.number not in self.taken:
                self._minded.rest(use)

    async def _clean_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_SECONDS)
            try:
                await self._store.clean_all(sorted(self.taken), int(clock.wall()) - TOMBSTONE_SECONDS)
            except StoreError as error:
                logger.warning("not cleaned", extra={"error": str(error)})
