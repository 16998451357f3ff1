"""Which shards are ours (design §3 "Ownership"): claim, load, serve, drop, hand over.

Rule 1: a shard is served from memory only between a load under an epoch of ours and the first sign that the epoch
is not the newest; then it is dropped, and loaded again if it is still ours.
Rule 2: while NATS is away we keep what we have: the fence in the store keeps that safe.
Rule 3: shards are loaded a few at a time, so that signs of life and work on the others go on meanwhile.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping

from lamplighter_proto import Command, Moved, Outcome, Refresh, subjects
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Directory
from presence_core.claims import Claims, balance_for_ever
from presence_core.commit import Committer
from presence_core.deliver import Teller
from presence_core.domain.publication import TOMBSTONE_SECONDS
from presence_core.handlers import Handlers
from presence_core.loading import Loader
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.standstill import Standstill
from presence_core.store import Store, StoreAway, StoreError
from presence_core.xcap import XcapDocuments

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.25
TICK_SECONDS = 0.1
PROGRESS_ROWS = 500
"""Rows of progress in a commit."""
_NONE = -1
CLEAN_SECONDS = 30.0
FIRST_PIECE = 2
"""Shards that are loaded first; how long they take says how many come next."""
PIECE_SECONDS = 0.2
QUIET_SECONDS = 0.15
"""How long a shard that leaves waits for the answers to its NOTIFYs, which its next owner would tell again."""


class Shards:
    """The shards of this process."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, directory: Directory) -> None:
        self.served: dict[int, Shard] = {}
        self.store_away = False
        self._settings = settings
        self._me = settings.instance
        self._bus = bus
        self._store = store
        self._coming: dict[int, deque[Command]] = {}
        self._leaving: set[int] = set()
        self._claims = Claims(directory, settings.instance, settings.shards)
        self._standstill = Standstill(directory, settings.lease_seconds)
        self._wake = asyncio.Event()
        directory.on_members(self._wake.set)
        directory.on_change(self._on_change)

    def use(
        self, handlers: Handlers, teller: Teller, committer: Committer, loader: Loader, documents: XcapDocuments
    ) -> None:
        """Take the parts that work on the shards."""
        self._handlers, self._teller, self._committer, self._loader = handlers, teller, committer, loader
        self._documents = documents
        documents.use(self.served, lambda: not self._coming, handlers.handle, handlers.refuse, self._tell)

    # --- messages

    def on_commands(self, commands: list[Command]) -> None:
        """Handle the commands of a frame."""
        now, unsure = clock.wall(), self._unsure()
        for command in commands:
            shard = self.served.get(command.shard)
            if unsure or command.shard in self._leaving:
                self._moved(command)
            elif shard is not None:
                self._handlers.handle(shard, command, now)
            else:
                self._not_served(command)
        self._tell(now)

    def _unsure(self) -> bool:
        return self._standstill.look(clock.monotonic())

    def _tell(self, now: float) -> None:
        if not self._unsure():
            self._teller.tell(now)

    def _not_served(self, command: Command) -> None:
        waiting = self._coming.get(command.shard)
        if self.store_away and self._claims.is_ours(command.shard):
            self._handlers.refuse(command)
        elif waiting is None:
            # Also while it is ours and about to be loaded or released: the edge asks again.
            self._moved(command)
        elif len(waiting) < self._settings.waiting_commands:
            waiting.append(command)
        else:
            self._handlers.refuse(command)

    def _moved(self, command: Command) -> None:
        self._bus.send(subjects.edge_replies(command.edge), Moved(id=command.id, shard=command.shard))

    def on_refreshes(self, refreshes: list[Refresh]) -> None:
        """Take word of changed XCAP documents; what comes while we are unsure is not confirmed, and comes again."""
        if not self._unsure():
            self._documents.on_refreshes(refreshes)

    def on_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a frame."""
        now = clock.wall()
        for outcome in outcomes:
            shard = self.served.get(outcome.shard)
            if shard is not None:
                self._teller.on_outcome(shard, outcome, now)
        self._tell(now)

    def on_committed(self) -> None:
        """Tell what the actions of a batch have left to tell."""
        self._tell(clock.wall())

    # --- losing

    def drop(self, numbers: Iterable[int], error: Exception | None = None) -> None:
        """Forget shards whose memory cannot be trusted any more, and load again what is ours.

        Without the database none can serve: then all are dropped, and say so at once.
        """
        if isinstance(error, StoreAway):
            numbers = list(self.served)
        dropped = [number for number in numbers if self.served.pop(number, None) is not None]
        if not dropped:
            return
        self._committer.forget(dropped)
        self._teller.forget_shards(dropped)
        self.store_away = self.store_away or isinstance(error, StoreAway)
        logger.warning("shards dropped", extra={"shards": len(dropped), "error": repr(error) if error else ""})
        self._wake.set()

    def _on_change(self, shard: int) -> None:
        if not self._claims.is_ours(shard):
            self._claims.claimed.discard(shard)
            self.drop([shard])
            for command in self._coming.pop(shard, ()):
                self._not_served(command)
        self._wake.set()

    # --- getting

    async def run(self) -> None:
        """Keep serving the shards that shall be ours."""
        await balance_for_ever(self._balance_when_sure, self._wake, self._not_claimed, retry=RETRY_SECONDS)

    async def _balance_when_sure(self) -> None:
        if self._unsure():
            await asyncio.sleep(TICK_SECONDS)
            self._wake.set()
            return
        await self._balance()
        self.store_away = False

    def _not_claimed(self, error: Exception) -> None:
        self.store_away = self.store_away or isinstance(error, StoreError)

    def wanted(self) -> set[int]:
        """Return the shards that shall be ours; those we serve while we are not seen alive."""
        wanted = self._claims.wanted()
        return set(self.served) | (self._claims.claimed - set(self._coming)) if wanted is None else wanted

    async def _balance(self) -> None:
        wanted = self.wanted()
        surplus = (set(self.served) - wanted) | self._claims.surplus()
        if surplus:
            await self.release(surplus)
        missing = [number for number in wanted if number not in self.served and self._claims.free(number)]
        if missing:
            await self._acquire(missing)

    async def _acquire(self, numbers: list[int]) -> None:
        for number in numbers:
            self._coming.setdefault(number, deque())
        table = await self._claims.claim([number for number in numbers if number not in self._claims.claimed])
        # The epochs of the store go on, whatever became of the table.
        least = {number: table.owners[number].epoch if number in table.owners else 1 for number in numbers}
        epochs = await self._store.claim(least, self._me)
        self.store_away = False
        size = FIRST_PIECE
        while numbers:
            piece, numbers = numbers[:size], numbers[size:]
            seconds = await self._load({number: epochs[number] for number in piece})
            size = max(1, int(size * PIECE_SECONDS / max(seconds, 0.001)))

    async def _load(self, epochs: Mapping[int, int]) -> float:
        """Load shards that we have claimed and serve them; return how many seconds that took."""
        started = clock.monotonic()
        rows = await self._store.load(list(epochs))
        documents = await self._documents.load(rows)
        built = self._loader.build(rows, documents, epochs, clock.wall())
        # What another has claimed meanwhile is not ours.
        self.served |= {number: shard for number, shard in built.items() if number in self._claims.claimed}
        seconds = clock.monotonic() - started
        sizes = {"subscriptions": len(rows.subscriptions), "publications": len(rows.publications)}
        logger.info("shards loaded", extra={"shards": len(built), **sizes, "seconds": round(seconds, 3)})
        for number in epochs:
            self.on_commands(list(self._coming.pop(number, ())))
        self._tell(clock.wall())
        await asyncio.sleep(0)
        return seconds

    async def release(self, numbers: Iterable[int]) -> None:
        """Hand shards over: save, forget, and say that they are free."""
        leaving = self._leaving = set(numbers)
        try:
            await self._quiet(leaving)
            await self._save(leaving)
            await self._claims.release(leaving)
        finally:
            self._leaving = set()
        logger.info("shards released", extra={"shards": len(leaving)})

    async def _quiet(self, leaving: set[int]) -> None:
        """Wait a little until nothing is under way to watchers; what is new waits at the edges."""
        until = clock.monotonic() + QUIET_SECONDS
        shards = [self.served[number] for number in leaving & self.served.keys()]
        while clock.monotonic() < until and any(shard.in_flight for shard in shards):  # noqa: ASYNC110
            await asyncio.sleep(QUIET_SECONDS / 15)

    async def _save(self, leaving: set[int]) -> None:
        for number in leaving & self.served.keys():
            self._teller.save_all_progress(self.served[number])
        if not await self._committer.settled(leaving):
            raise StoreAway("what was answered before it was saved is not saved yet")
        for number in leaving:
            self.served.pop(number, None)
        self._committer.forget(leaving)
        self._teller.forget_shards(leaving)

    # --- for the service

    def ready(self) -> Mapping[str, bool]:
        """Return whether the database is there and all that shall be ours is served."""
        return {"database": not self.store_away, "shards": self.wanted() <= set(self.served)}

    def memory(self) -> Iterable[Shard]:
        """Return what is in memory."""
        return self.served.values()

    async def find(self, aor: str) -> Shard | None:
        """Return the shard that a presentity is in; None for one that is not served here."""
        return self.served.get(shard_of(aor, self._settings.shards))

    def work(self) -> Mapping[str, Coroutine[object, object, None]]:
        """Return what has to run, by name."""
        return {
            "commits": self._committer.run(),
            "documents": self._documents.run(),
            "shards": self.run(),
            "ticks": self._every(TICK_SECONDS, self._handlers.on_tick),
            "progress": self._save_progress_for_ever(),
            "cleaner": self._clean_for_ever(),
        }

    async def leave(self) -> None:
        """Hand everything over; the commits have to run until then."""
        await self.release(list(self.served))

    async def _every(self, seconds: float, work: Callable[[Shard, float], None]) -> None:
        """Do `work` on every shard again and again."""
        while True:
            await asyncio.sleep(seconds)
            if self._unsure():
                continue
            now = clock.wall()
            for shard in list(self.served.values()):
                work(shard, now)
            self._teller.tell(now)

    async def _save_progress_for_ever(self) -> None:
        """Save how far every watcher has come, shard by shard and a few rows at a time: others wait for that commit."""
        while True:
            for number in list(self.served) or [_NONE]:
                await asyncio.sleep(self._settings.progress_seconds / max(1, len(self.served)))
                while self._save_some_progress(number):  # noqa: ASYNC110
                    await asyncio.sleep(TICK_SECONDS)

    def _save_some_progress(self, number: int) -> bool:
        """Return whether there is more."""
        shard = self.served.get(number)
        if shard is None or self._unsure():
            return False
        self._teller.save_all_progress(shard, PROGRESS_ROWS)
        self._teller.tell(clock.wall())
        return len(shard.unsaved) >= PROGRESS_ROWS

    async def _clean_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_SECONDS)
            epochs = {number: shard.epoch for number, shard in self.served.items()}
            try:
                await self._store.clean(epochs, int(clock.wall()) - TOMBSTONE_SECONDS)
            except StoreError as error:
                logger.warning("not cleaned", extra={"error": str(error)})
