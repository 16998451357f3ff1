"""A whole core on a bus and a store in memory, and a directory that a test leads: for tests alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import cast

from event_packages.base import EventPackage
from event_packages.registry import Registry as Packages
from lamplighter_proto import Answer, FrameCodec, Moved, Notify, Outcome, Target, subjects
from lamplighter_proto.commands import Command, Reply
from lamplighter_proto.ownership import ShardTable, shard_of
from lamplighter_runtime import clock
from lamplighter_runtime.bus import MemoryBus
from lamplighter_runtime.metrics import Registry
from presence_core.assembly import assemble
from presence_core.commit import Committer
from presence_core.metrics import Metrics
from presence_core.presentities import Presentities
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.shards import Shards
from presence_core.storage.memory import LockedInMemory, MemoryStore
from presence_core.store import Changes, StoreAway
from presence_core.turns import Turns


class GatedStore(MemoryStore):
    """A store whose saves wait at a gate, and may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0
        """How many of the next saves fail."""
        self.doubtful = 0
        """After how many of the next commits of a presentity the connection breaks."""

    async def save(self, changes: Changes) -> None:
        await self._pass()
        await super().save(changes)

    @asynccontextmanager
    async def presentity(self, aor: str, shard: int) -> AsyncIterator[LockedInMemory]:
        async with super().presentity(aor, shard) as locked:
            yield locked
            if locked.saved:
                await self._pass()
        if locked.saved and self.doubtful:
            self.doubtful -= 1
            raise StoreAway("told to break")

    async def _pass(self) -> None:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreAway("told to fail")


@dataclass
class View:
    """Who is alive, as a test says."""

    table: ShardTable | None = None
    cores: set[str] = field(default_factory=lambda: {"core-1"})

    def alive(self, service: str) -> set[str]:
        return self.cores


class FakeDirectory:
    """The directory of one or more cores without NATS."""

    known_at = inf

    def __init__(self) -> None:
        self.view = View()
        self.on_members_called: list[Callable[[], None]] = []
        self.on_change_called: list[Callable[[int], None]] = []

    def on_members(self, listener: Callable[[], None]) -> None:
        self.on_members_called.append(listener)

    def on_change(self, listener: Callable[[int], None]) -> None:
        self.on_change_called.append(listener)

    def owner_of(self, shard: int) -> str | None:
        owner = self.view.table.owners.get(shard) if self.view.table else None
        return owner.owner or None if owner else None

    async def change_table(self, change: Callable[[ShardTable], ShardTable | None], shards: int) -> ShardTable | None:
        before = self.view.table or ShardTable(shards=shards)
        after = change(before)
        if after is not None:
            self.view.table = after
            for shard, owner in after.owners.items():
                if before.owners.get(shard) != owner:
                    for listener in self.on_change_called:
                        listener(shard)
        return after

    def members_changed(self) -> None:
        for listener in self.on_members_called:
            listener()


class StoppedClock:
    """A clock that says what a test says, in the place of the one that was there before."""

    def __init__(self, now: float) -> None:
        before = clock.wall
        self.real: Callable[[], float] = before.real if isinstance(before, StoppedClock) else before
        self._now = now

    def __call__(self) -> float:
        return self._now


class Core:
    """A core and what it says on the bus."""

    def __init__(
        self,
        name: str,
        package: "EventPackage | Packages",
        store: MemoryStore,
        directory: FakeDirectory,
        /,
        **settings: str,
    ) -> None:
        self.store = store
        self.bus = MemoryBus()
        self.replies: list[Answer | Moved] = []
        self.targets: list[Target] = []
        self.documents: list[bytes] = []
        self.notifies: list[Notify] = []
        self.settings_given = settings
        environ = {f"PRESENCE_CORE_{key.upper()}": value for key, value in settings.items()}
        self.settings = Settings.load(environ | {"PRESENCE_CORE_INSTANCE": name})
        self.metrics = metrics = Metrics(Registry())
        ids = iter(range(1, 10_000))
        packages = package if isinstance(package, Packages) else Packages([package])
        self.core = assemble(
            self.settings,
            packages,
            self.bus,
            store,
            directory,  # type: ignore[arg-type]
            metrics,
            new_id=lambda: f"{name}{next(ids):0{32 - len(name)}d}",
        )
        self.shards, self.committer = cast(Shards, self.core.shards), cast(Committer, self.core.parts.committer)
        self.presentities = cast(Presentities, self.core.shards)
        """The same with store=database."""
        self.teller, self.handlers = self.core.parts.teller, self.core.parts.handlers

    async def start(self) -> None:
        await self.bus.subscribe(subjects.NOTIFY, FrameCodec[Notify](Notify), self._on_notify)
        await self.bus.subscribe(subjects.edge_replies("edge-1"), FrameCodec[Answer | Moved](Reply), self._on_reply)
        self.tasks = [asyncio.create_task(one) for one in self.shards.work().values()]
        await self.until(lambda: self.shards.ready()["shards"])
        await self.quiet()

    async def die(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if isinstance(clock.wall, StoppedClock):
            clock.wall = clock.wall.real

    @property
    def database(self) -> bool:
        """Return whether presentities are used one by one."""
        return self.settings.store == "database"

    @property
    def turns(self) -> Turns:
        """Return who takes turns for presentities (store=database)."""
        return self.presentities._turns

    def memory(self, aor: str = "sip:alice@example.com") -> Shard | None:
        """Return the memory in which a presentity is."""
        if not self.database:
            return self.shards.served.get(shard_of(aor, 64))
        use = self.presentities.uses.get(aor)
        return use.shard if use is not None else None

    async def save_progress(self) -> None:
        """Save how far every watcher has come."""
        if self.database:
            for use in self.presentities.uses.values():
                self.presentities.save_progress(use)
        else:
            for shard in self.shards.served.values():
                self.teller.save_all_progress(shard)
        await self.quiet()

    def tick(self, now: float) -> None:
        """Let the clock say `now`, and do what it asks for."""
        if not self.database:
            for shard in self.shards.served.values():
                self.handlers.on_tick(shard, now)
            self.teller.tell(now)
            return
        clock.wall = StoppedClock(now)
        minding = self.presentities._minding
        minding.tick(now)
        minding.sweep(now, saving=False)

    def _on_notify(self, messages: list[Notify]) -> None:
        for notify in messages:
            self.notifies += [notify] * len(notify.targets)
            self.targets += notify.targets
            self.documents += [notify.document] * len(notify.targets)

    def _on_reply(self, messages: list[Answer | Moved]) -> None:
        self.replies += messages

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(3):
            while not holds():
                await asyncio.sleep(0)

    async def ask(self, *commands: Command) -> list[Answer | Moved]:
        """Send commands in one frame; return their replies."""
        before = len(self.replies)
        self.shards.on_commands(list(commands))
        await self.until(lambda: len(self.replies) >= before + len(commands))
        await self.quiet()
        return self.replies[before:]

    async def quiet(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        if self.database:
            for _ in range(500):
                await asyncio.sleep(0)
                if not self.turns.tasks:
                    break
            for _ in range(20):
                await asyncio.sleep(0)

    async def confirm(self, status: int = 200, targets: Iterable[Target] | None = None) -> None:
        """Report the outcome of NOTIFYs, by default of the last one."""
        for target in self.targets[-1:] if targets is None else targets:
            self.shards.on_outcomes([outcome(target, status)])
        await self.quiet()


def outcome(target: Target, status: int) -> Outcome:
    return Outcome(
        shard=target.shard,
        presentity=target.presentity,
        local_tag=target.dialog.local_tag,
        cseq=target.cseq,
        status=status,
    )


def etag(reply: Answer | Moved) -> str:
    assert isinstance(reply, Answer)
    return dict(reply.headers)["SIP-ETag"]


def to_tag(reply: Answer | Moved) -> str:
    assert isinstance(reply, Answer)
    return reply.to_tag


def statuses(replies: Iterable[Answer | Moved]) -> list[int]:
    return [reply.status for reply in replies if isinstance(reply, Answer)]


def gated(core: Core) -> GatedStore:
    assert isinstance(core.store, GatedStore)
    return core.store


def gate(core: Core) -> asyncio.Event:
    return gated(core).gate


async def successor(
    core: Core, package: "EventPackage | Packages", directory: FakeDirectory, name: str = "core-1"
) -> Core:
    """Let a core die and return the next one of its store."""
    await core.die()
    directory.on_change_called.clear()
    directory.on_members_called.clear()
    following = Core(name, package, core.store, directory, **core.settings_given)
    await following.start()
    return following


def tick(core: Core, now: float) -> None:
    core.tick(now)
