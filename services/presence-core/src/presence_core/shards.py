"""Which shards are ours (design §3 "Ownership"): claim, load, serve, drop, hand over.

Rule 1: a shard is served from memory only between a load under an epoch of ours and the first sign that the epoch
is not the newest; then it is dropped, and loaded again if it is still ours.
Rule 2: while NATS is away we keep what we have: the fence in the store keeps that safe.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from nats.errors import Error as NatsError

from lamplighter_proto import Command, Moved, Outcome, Refresh, subjects
from lamplighter_proto.ownership import ShardOwner, ShardTable, chosen
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Directory, claimed
from presence_core.commit import Committer
from presence_core.deliver import Teller
from presence_core.handlers import Handlers
from presence_core.loading import Loader
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.store import Store, StoreAway, StoreError
from presence_core.xcap import XcapDocuments

logger = logging.getLogger(__name__)

SERVICE = "presence-core"
RETRY_SECONDS = 0.25


class Shards:
    """The shards of this process."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, directory: Directory) -> None:
        self.served: dict[int, Shard] = {}
        self.store_away = False
        self._settings = settings
        self._me = settings.instance
        self._bus = bus
        self._store = store
        self._directory = directory
        self._coming: dict[int, deque[Command]] = {}
        self._claimed: set[int] = set()
        self._awake_at = clock.monotonic()
        self._wake = asyncio.Event()
        directory.on_members(self._wake.set)
        directory.on_change(self._on_change)

    def use(
        self, handlers: Handlers, teller: Teller, committer: Committer, loader: Loader, documents: XcapDocuments
    ) -> None:
        """Take the parts that work on the shards."""
        self._handlers, self._teller, self._committer, self._loader = handlers, teller, committer, loader
        self._documents = documents
        documents.use(self.served, lambda: not self._coming, handlers.handle, handlers.refuse)

    # --- messages

    def on_commands(self, commands: list[Command]) -> None:
        """Handle the commands of a frame."""
        self._awake()
        now = clock.wall()
        for command in commands:
            shard = self.served.get(command.shard)
            if shard is not None:
                self._handlers.handle(shard, command, now)
            else:
                self._not_served(command)
        self._teller.tell(now)

    def _not_served(self, command: Command) -> None:
        waiting = self._coming.get(command.shard)
        if waiting is not None and len(waiting) < self._settings.waiting_commands and not self.store_away:
            waiting.append(command)
        elif self._directory.owner_of(command.shard) == self._me:
            self._handlers.refuse(command)
        else:
            self._bus.send(subjects.edge_replies(command.edge), Moved(id=command.id, shard=command.shard))

    def on_refreshes(self, refreshes: list[Refresh]) -> None:
        """Take word of changed XCAP documents."""
        self._awake()
        self._documents.on_refreshes(refreshes)

    def on_outcomes(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a frame."""
        self._awake()
        now = clock.wall()
        for outcome in outcomes:
            shard = self.served.get(outcome.shard)
            if shard is not None:
                self._teller.on_outcome(shard, outcome, now)
        self._teller.tell(now)

    def on_committed(self) -> None:
        """Tell what the actions of a batch have left to tell."""
        self._teller.tell(clock.wall())

    # --- losing

    def _awake(self) -> None:
        """Trust no memory after we stood still for longer than our lease: another core may have served since."""
        now = clock.monotonic()
        stood_still, self._awake_at = now - self._awake_at, now
        if stood_still > self._settings.lease_seconds and self.served:
            logger.warning("stood still", extra={"seconds": round(stood_still, 1)})
            self.drop(list(self.served))

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
        self.store_away = self.store_away or isinstance(error, StoreAway)
        logger.warning("shards dropped", extra={"shards": len(dropped), "error": repr(error) if error else ""})
        self._wake.set()

    def _on_change(self, shard: int) -> None:
        owner = self._directory.owner_of(shard)
        if owner != self._me:
            self._claimed.discard(shard)
            self.drop([shard])
            for command in self._coming.pop(shard, ()):
                self._not_served(command)
        self._wake.set()

    # --- getting

    async def run(self) -> None:
        """Keep serving the shards that shall be ours."""
        while True:
            try:
                await self._balance()
                self.store_away = False
            except (StoreError, NatsError, TimeoutError) as error:
                self.store_away = self.store_away or isinstance(error, StoreError)
                logger.warning("shards not claimed", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    def wanted(self) -> set[int]:
        """Return the shards that shall be ours; those we serve while we are not seen alive."""
        alive = self._directory.view.alive(SERVICE)
        if self._me not in alive:
            return set(self.served) | (self._claimed - set(self._coming))
        return {number for number in range(self._settings.shards) if chosen(number, alive) == self._me}

    async def _balance(self) -> None:
        wanted = self.wanted()
        surplus = set(self.served) - wanted
        if surplus:
            await self.release(surplus)
        missing = [number for number in wanted if number not in self.served and self._free(number)]
        if missing:
            await self._acquire(missing)

    def _free(self, number: int) -> bool:
        owner = self._directory.owner_of(number)
        return owner in (None, self._me) or owner not in self._directory.view.alive(SERVICE)

    async def _acquire(self, numbers: list[int]) -> None:
        started = clock.monotonic()
        for number in numbers:
            self._coming.setdefault(number, deque())
        table = await self._claim_in_table([number for number in numbers if number not in self._claimed])
        # The epochs of the store go on, whatever became of the table.
        least = {number: table.owners[number].epoch if number in table.owners else 1 for number in numbers}
        epochs = await self._store.claim(least, self._me)
        rows = await self._store.load(numbers)
        self.store_away = False
        documents = await self._documents.load(rows)
        built = self._loader.build(rows, documents, epochs, clock.wall())
        self._awake_at = clock.monotonic()
        # What another has claimed meanwhile is not ours.
        self.served |= {number: shard for number, shard in built.items() if number in self._claimed}
        logger.info(
            "shards loaded",
            extra={
                "shards": len(built),
                "subscriptions": len(rows.subscriptions),
                "publications": len(rows.publications),
                "seconds": round(clock.monotonic() - started, 3),
            },
        )
        for number in numbers:
            self.on_commands(list(self._coming.pop(number, ())))
        self._teller.tell(clock.wall())

    async def _claim_in_table(self, numbers: list[int]) -> ShardTable:
        """Write ourselves into the table, so that the edges send us what they hold."""
        if numbers:

            def change(table: ShardTable) -> ShardTable:
                for number in numbers:
                    table = claimed(table, number, self._me)
                return table

            await self._directory.change_table(change, self._settings.shards)
            self._claimed.update(numbers)
        table = self._directory.view.table
        assert table is not None, "we have just written it"
        return table

    async def release(self, numbers: Iterable[int]) -> None:
        """Hand shards over: save, forget, and say that they are free."""
        numbers = set(numbers)
        for number in numbers:
            self._teller.save_all_progress(self.served[number])
        if not await self._committer.settled(numbers):
            raise StoreAway("what was answered before it was saved is not saved yet")
        for number in numbers:
            self.served.pop(number, None)
        self._committer.forget(numbers)
        self._claimed -= numbers
        await self._directory.change_table(lambda table: _released(table, numbers, self._me), self._settings.shards)
        logger.info("shards released", extra={"shards": len(numbers)})

    # --- time

    async def every(self, seconds: float, work: Callable[[Shard, float], None]) -> None:
        """Do `work` on every shard again and again."""
        while True:
            await asyncio.sleep(seconds)
            self._awake()
            now = clock.wall()
            for shard in list(self.served.values()):
                work(shard, now)
            self._teller.tell(now)

    def epochs(self) -> Mapping[int, int]:
        """Return the epochs of the shards we serve."""
        return {number: shard.epoch for number, shard in self.served.items()}


def _released(table: ShardTable, numbers: set[int], owner: str) -> ShardTable:
    owners = dict(table.owners)
    for number in numbers:
        if number in owners and owners[number].owner == owner:
            owners[number] = ShardOwner(owner="", epoch=owners[number].epoch)
    return table.model_copy(update={"owners": owners})
