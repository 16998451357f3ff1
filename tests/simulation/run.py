"""One run of one seed: a system, its clients, faults for a while, then quiet; and what it found."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random

from .agent import Agent
from .faults import Faults
from .promises import Broken, Key
from .publisher import Clock, Publisher
from .quiet import check_end
from .rows import Rows
from .rules import Rules
from .watcher import Watcher
from .world import CORES, EDGES, NOTIFIERS, World, edge_address

PRESENTITIES = 4
WATCHERS = 6
GRACE = 15.0
"""Seconds after which nothing that went wrong before is an excuse."""
PATIENCE = 2.0
"""Seconds in which every request is answered from then on."""
SHOWN = 60
"""Notes of the trace that are printed of a seed that failed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is made of; times in simulated seconds."""

    edges: int = 2
    cores: int = 3
    notifiers: int = 2
    faults: bool = True
    rules: bool = False
    """Whether rules say who may watch."""
    busy: float = 60.0
    """How long faults happen."""
    quiet: float = 50.0
    """How long everything works before the end is looked at; longer than a publication lives."""

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Return the plan of a seed: every one has a system of its own."""
        random = Random(f"plan {seed}")
        return cls(
            edges=random.choice((1, 2, 3)),
            cores=random.choice((1, 2, 3, 3, 4)),
            notifiers=random.choice((1, 2, 3)),
            rules=random.random() < 0.4,
        )


@dataclass
class Report:
    """What became of a run."""

    seed: int
    plan: Plan
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    digest: str = ""

    def __str__(self) -> str:
        where = f"seed {self.seed} failed after {self.seconds:.1f} simulated seconds: {self.plan}"
        what = [f"BROKEN: {one}" for one in self.broken]
        again = f"again, with more of the trace: python -m tests.simulation --seed {self.seed} --show 400"
        return "\n".join([where, *self.trace[-SHOWN:], *what, again])


class Run:
    """A world and its clients."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed, self.plan = seed, plan
        self.world = World(seed)
        self.publishers: list[Publisher] = []
        self.watchers: list[Watcher] = []
        self.agents: list[Agent] = []
        self._least = {"PUBLICATION_EXPIRES_MIN_SECONDS": "5", "SUBSCRIPTION_EXPIRES_MIN_SECONDS": "5"}
        self.world.settings[CORES].update(self._least)
        if plan.rules:
            self.world.settings[CORES].update({"POLICY": "rules", "XCAP": "integrated"})
        self.rules: Rules | None = None
        self.world.database.on_save = Rows(self.world).saved

    def report(self) -> Report:
        """Run it."""
        world = self.world
        with world.entered():
            asyncio.set_event_loop(world.loop)
            try:
                world.loop.run_until_complete(self._run())
            except Broken:
                pass
            finally:
                asyncio.set_event_loop(None)
            counts = world.counts | self._counted()
        return Report(
            self.seed,
            self.plan,
            world.loop.time(),
            counts,
            world.promises.broken,
            world.trace.lines(),
            world.trace.digest,
        )

    def _counted(self) -> dict[str, int]:
        network, server, database = self.world.network, self.world.server, self.world.database
        return {
            "rules changed": self.rules.changes if self.rules else 0,
            "publishes accepted": sum(one.accepted for one in self.publishers),
            "subscribes accepted": sum(one.accepted for one in self.watchers),
            "notifies taken": sum(one.notified for one in self.watchers),
            "notifies repeated": sum(one.repeats for one in self.watchers),
            "datagrams lost": network.lost,
            "datagrams doubled": network.doubled,
            "frames lost": server.lost,
            "frames doubled": server.doubled,
            "commits refused": database.refused,
            "commits in doubt": database.doubtful,
        }

    async def _run(self) -> None:
        plan, world = self.plan, self.world
        kinds = ((CORES, "core", plan.cores), (NOTIFIERS, "notifier", plan.notifiers), (EDGES, "edge", plan.edges))
        for kind, name, number in kinds:
            for index in range(number):
                world.start(kind, f"{name}-{index + 1}")
        await asyncio.sleep(1.0)
        clients = [asyncio.create_task(work) for work in self._clients()]
        faults = Faults(world) if plan.faults else None
        if faults is not None:
            clients.append(asyncio.create_task(faults.run()))
        await self._watched(plan.busy, clients)
        if faults is not None:
            clients.pop().cancel()
            await faults.end()
        for publisher in self.publishers:
            publisher.calm = True
        for watcher in self.watchers:
            watcher.calm = True
        if self.rules is not None:
            self.rules.calm = True
        await self._watched(GRACE, clients)
        for agent in self.agents:
            agent.patience = PATIENCE
        await self._watched(plan.quiet - GRACE, clients)
        await check_end(world, [one for one in self.watchers if one.may_watch()])
        self._raise(clients)

    async def _watched(self, seconds: float, clients: "list[asyncio.Task[None]]") -> None:
        end = self.world.loop.time() + seconds
        while self.world.loop.time() < end:
            await asyncio.sleep(0.5)
            self._raise(clients)

    def _raise(self, clients: "list[asyncio.Task[None]]") -> None:
        for member in list(self.world.members.values()):
            if member.work.done() and not member.stop.is_set():
                self.world.promises.violated(f"{member.name} ended: {member.work.exception()!r}")
        for client in clients:
            if client.done():
                client.result()
        if self.world.promises.broken:
            raise Broken(self.world.promises.broken[0])

    def _clients(self) -> "list[Coroutine[object, object, None]]":
        world, plan, clock = self.world, self.plan, Clock()
        edges = [edge_address(f"edge-{index + 1}") for index in range(plan.edges)]
        events = ("presence", "dialog")

        def agent(name: str, number: int) -> Agent:
            one = Agent(world.network, world.random, name, (f"198.51.100.{number}", 5060), world.trace.note)
            one.violated = world.promises.violated
            self.agents.append(one)
            return one

        for index in range(PRESENTITIES):
            self.publishers.append(
                Publisher(agent(f"p{index}", index), world.promises, events[index % 2], edges, clock)
            )
        for index in range(WATCHERS):
            publisher = self.publishers[index % PRESENTITIES]
            presentity = f"sip:p{index % PRESENTITIES}@example.com"
            one = Watcher(agent(f"w{index}", 100 + index), world.promises, presentity, publisher.event, edges, clock)
            self.watchers.append(one)
        if plan.rules:
            self.rules = self._ruled(world)
        return [
            *([self.rules.run()] if self.rules else []),
            *(one.run() for one in self.publishers),
            *(one.run() for one in self.watchers),
        ]

    def _ruled(self, world: World) -> Rules:
        watchers: dict[Key, list[str]] = {}
        for one in self.watchers:
            watchers.setdefault(one.key, []).append(one.agent.aor)
        rules = Rules(world, watchers)
        for one in self.watchers:
            one.ruled = rules.allowed
        return rules
