"""What goes wrong, and when: every seed has its own mixture of kinds of fault.

Rule 1: nothing lasts longer than what a client tries for (Timer F) or a subscription survives.
"""

import asyncio
from collections.abc import Callable, Coroutine

from lamplighter_proto.ownership import MEMBER_PREFIX

from . import nats, network, store
from .world import CORES, World

Work = Coroutine[object, object, None]


class Faults:
    """Faults of a run. Each kind that the seed chose happens again and again."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random
        self._tasks: list[asyncio.Task[None]] = []
        self._busy: set[str] = set()
        """Processes that something happens to already."""
        kinds: list[Callable[[], Work]] = [
            self._kill,
            self._stop,
            self._terminate,
            self._cut,
            self._stall,
            self._nats_away,
            self._store_away,
            self._lose_lease,
            self._come_and_go,
            self._bad_bus,
            self._bad_network,
            self._bad_store,
        ]
        self._kinds = [kind for kind in kinds if self._random.random() < 0.45] or kinds
        self._pace = self._random.choice((1.5, 4.0, 10.0))

    async def run(self) -> None:
        """Break things until cancelled."""
        world, random = self._world, self._random
        world.trace.note("faults", *(kind.__name__ for kind in self._kinds))
        while True:
            await asyncio.sleep(random.expovariate(1 / self._pace))
            kind = random.choice(self._kinds)
            world.count(kind.__name__.strip("_"))
            self._tasks = [task for task in self._tasks if not task.done()]
            self._tasks.append(asyncio.create_task(kind()))

    async def end(self) -> None:
        """Wait until everything works again."""
        for task in self._tasks:
            await task

    # --- processes

    def _victim(self, kind: str = "") -> str | None:
        names = [name for name, one in self._world.members.items() if kind in ("", one.kind)]
        free = [name for name in sorted(names) if name not in self._busy]
        return self._random.choice(free) if free else None

    async def _kill(self) -> None:
        name = self._victim()
        if name is not None:
            await self._replace(name, self._world.members[name].kind)

    async def _replace(self, name: str, kind: str) -> None:
        self._busy.add(name)
        self._world.kill(name)
        await asyncio.sleep(self._random.choice((0.3, 1.0, 5.0)))
        self._world.start(kind, name)
        self._busy.discard(name)

    async def _stop(self) -> None:
        name = self._victim()
        if name is None:
            return
        self._busy.add(name)
        process = self._world.members[name].process
        self._world.trace.note(name, "is stopped")
        process.stop()
        await asyncio.sleep(self._random.choice((0.5, 2.5, 4.0, 8.0)) * self._random.uniform(0.8, 1.2))
        self._world.trace.note(name, "goes on")
        process.go_on()
        self._busy.discard(name)

    async def _terminate(self) -> None:
        name = self._victim()
        if name is None:
            return
        self._busy.add(name)
        member = self._world.members[name]
        self._world.trace.note(name, "is told to stop")
        member.process.context.copy().run(member.stop.set)
        await asyncio.wait([member.work], timeout=member.service.settings.stop_seconds)
        await self._replace(name, member.kind)

    async def _come_and_go(self) -> None:
        name = "core-9"
        if name in self._world.members or name in self._busy:
            return
        self._busy.add(name)
        self._world.start(CORES, name)
        await asyncio.sleep(self._random.uniform(2.0, 12.0))
        member = self._world.members[name]
        if self._random.random() < 0.5:
            member.process.context.copy().run(member.stop.set)
            await asyncio.wait([member.work], timeout=member.service.settings.stop_seconds)
        self._world.kill(name)
        self._busy.discard(name)

    # --- what is between them

    async def _cut(self) -> None:
        name = self._victim()
        if name is None:
            return
        clients = self._world.clients_of(name)
        self._world.trace.note(name, "loses its connection")
        for client in clients:
            client.cut()
        await asyncio.sleep(self._random.choice((0.1, 1.0, 4.0)))
        for client in clients:
            client.rejoin()
        self._world.trace.note(name, "has a connection again")

    async def _stall(self) -> None:
        name = self._victim()
        if name is None:
            return
        seconds = self._random.choice((0.5, 2.0, 5.0))
        self._world.trace.note(name, "has a slow connection for", seconds)
        for client in self._world.clients_of(name):
            client.stall(seconds)
        await asyncio.sleep(seconds)

    async def _nats_away(self) -> None:
        server = self._world.server
        if not server.up:
            return
        self._world.trace.note("nats goes")
        server.go_down()
        await asyncio.sleep(self._random.choice((0.2, 2.0, 6.0)))
        self._world.trace.note("nats comes")
        server.come_back()

    async def _lose_lease(self) -> None:
        bucket = self._world.server.bucket
        keys = [key for key in bucket.names() if key.startswith(f"{MEMBER_PREFIX}{CORES}")]
        if keys:
            key = self._random.choice(keys)
            self._world.trace.note(key, "expires")
            bucket.delete(key)

    async def _bad_bus(self) -> None:
        random, server = self._random, self._world.server
        server.faults = nats.Faults(
            loss=random.choice((0.0, 0.02, 0.2)), doubles=random.choice((0.0, 0.05)), late=random.choice((0.0, 0.1))
        )
        await asyncio.sleep(random.uniform(1.0, 10.0))
        server.faults = nats.Faults()

    async def _bad_network(self) -> None:
        random, net = self._random, self._world.network
        net.faults = network.Faults(
            loss=random.choice((0.0, 0.05, 0.3)),
            doubles=random.choice((0.0, 0.1)),
            late=random.choice((0.0, 0.3)),
        )
        await asyncio.sleep(random.uniform(1.0, 20.0))
        net.faults = network.Faults()

    # --- the database

    async def _store_away(self) -> None:
        await self._store(store.Faults(refused=1.0), self._random.choice((0.2, 1.0, 3.0)))

    async def _bad_store(self) -> None:
        random = self._random
        faults = store.Faults(
            refused=random.choice((0.0, 0.05, 0.3)),
            in_doubt=random.choice((0.0, 0.05, 0.3)),
            late=random.choice((0.0, 0.2)),
        )
        await self._store(faults, random.uniform(1.0, 8.0))

    async def _store(self, faults: store.Faults, seconds: float) -> None:
        self._world.trace.note("store", faults)
        self._world.database.faults = faults
        await asyncio.sleep(seconds)
        self._world.database.faults = store.Faults()
        self._world.trace.note("store is well")
