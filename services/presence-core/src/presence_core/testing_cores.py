"""Several cores over one store that hear each other (store=database): for tests alone."""

from collections.abc import Iterable

from event_packages.base import EventPackage
from event_packages.registry import Registry
from lamplighter_proto import Answer, FrameCodec, Moved, Refresh, subjects
from lamplighter_proto.commands import Command
from lamplighter_proto.ownership import shard_of
from presence_core.testing import Core, FakeDirectory, GatedStore, outcome, to_tag
from presence_core.testing_commands import ALICE

NAMES = ("core-1", "core-2")


class Cores:
    """Two cores; the first minds Alice, whatever the table says of others."""

    def __init__(self, package: "EventPackage | Registry", directory: FakeDirectory, **settings: str) -> None:
        self.store = GatedStore()
        self.directory = directory
        directory.view.cores = set(NAMES)
        made = {name: Core(name, package, self.store, directory, store="database", **settings) for name in NAMES}
        self._made = made

    async def start(self) -> None:
        """Start both."""
        await self.store.open(64)
        for core in self._made.values():
            await core.start()
            for other in self._made.values():
                subject = subjects.core_refreshes(other.settings.instance)
                await core.bus.subscribe(subject, FrameCodec[Refresh](Refresh), other.shards.on_refreshes)

    @property
    def minder(self) -> Core:
        """Return the core that minds Alice."""
        return self._made[self.directory.owner_of(shard_of(ALICE, 64)) or ""]

    @property
    def other(self) -> Core:
        """Return the other one."""
        (other,) = (core for core in self.all if core is not self.minder)
        return other

    @property
    def all(self) -> list[Core]:
        """Return those that live."""
        return list(self._made.values())

    async def quiet(self) -> None:
        """Let them finish what they are at."""
        for _ in range(3):
            for core in self.all:
                await core.quiet()

    async def ask(self, core: Core, command: Command) -> Answer | Moved:
        """Ask a core; return its reply."""
        (reply,) = await core.ask(command)
        await self.quiet()
        return reply

    async def tick(self, now: float) -> None:
        """Let the clock say `now`."""
        for core in self.all:
            core.tick(now)
        await self.quiet()

    async def settle(self, status: int = 200, cores: Iterable[Core] | None = None) -> None:
        """Answer every NOTIFY in flight, and those that follow, to the core that sent them."""
        await self.quiet()
        for _ in range(50):
            answered = 0
            for core in self.all if cores is None else cores:
                answered += await settle_once(core, status)
            await self.quiet()
            if not answered:
                return
        raise AssertionError("NOTIFYs without end")

    def numbers(self, reply: Answer | Moved) -> list[int]:
        """Return the CSeqs of the NOTIFYs of a dialog, of all cores."""
        return [cseq for cseq, _ in self._told(reply)]

    def last(self, reply: Answer | Moved) -> bytes:
        """Return the document that a watcher ends with: that of the highest CSeq."""
        return max(self._told(reply))[1]

    def _told(self, reply: Answer | Moved) -> list[tuple[int, bytes]]:
        return [
            (target.cseq, document)
            for core in self.all
            for target, document in zip(core.targets, core.documents, strict=True)
            if target.dialog.local_tag == to_tag(reply)
        ]

    async def die(self, *cores: Core) -> None:
        """Let cores die, and everybody see it."""
        for core in cores:
            await core.die()
            self.directory.view.cores = self.directory.view.cores - {core.settings.instance}
            del self._made[core.settings.instance]
        self.directory.members_changed()
        await self.quiet()


async def settle_once(core: Core, status: int) -> int:
    """Report one outcome of all NOTIFYs of a core; return how many they are."""
    deliveries = [one for shard in core.shards.memory() for one in shard.in_flight.values()]
    awaited = {(one.subscription.local_tag, one.in_flight) for one in deliveries}
    flying = [target for target in core.targets if (target.dialog.local_tag, target.cseq) in awaited]
    core.shards.on_outcomes([outcome(target, status) for target in flying])
    await core.quiet()
    return len(flying)
