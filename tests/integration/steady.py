"""Clients that go on whatever happens to the server, as phones do: a crowd of publishers and watchers.

Rule 1: an attempt without an answer, or with 503, is made again; what became of it is not known until one succeeds.
Rule 2: a 412 or 481 to those who know what they have means that the server lost what it accepted: that is a fault.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from sip.message import Response

from .agent import Agent, NoAnswer
from .conftest import close_all, unique
from .documents import numbered
from .publication import Publication
from .served import Door
from .watch import Watch
from .wires import Address, open_wire

ATTEMPT_SECONDS = 8.0
"""Longer than an edge waits for a core."""
LONGEST_PAUSE = 1.0
GATHER_SECONDS = 60.0
AWAY = (503, 408)
NO_ANSWER = 0


class Publisher:
    """Publishes a step after the other."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.step = -1
        self.outcomes: Counter[int] = Counter()
        self._publication = Publication(agent, agent.aor)

    async def next(self) -> None:
        """Publish the next step until it is accepted."""
        self.step += 1
        unsure = False
        while True:
            status = await self._attempt()
            if status == 200:
                return
            if status == 412 and unsure:
                self._publication.etag = ""
            elif status in (NO_ANSWER, *AWAY):
                unsure = True
            else:
                raise AssertionError(f"{self.agent.aor}: {status} to step {self.step}\n{self.agent.report()}")

    async def _attempt(self) -> int:
        body = numbered(self.agent.aor, self.step)
        status = await attempt(lambda: self._publication.send(body, timeout=ATTEMPT_SECONDS))
        self.outcomes[status] += 1
        return status


class Watcher:
    """Keeps a subscription alive."""

    def __init__(self, agent: Agent, presentity: str) -> None:
        self.watch = agent.watch(presentity)
        self.outcomes: Counter[int] = Counter()

    async def refresh(self) -> None:
        """Refresh the subscription until that is accepted."""
        while True:
            status = await attempt(lambda: self.watch.subscribe(timeout=ATTEMPT_SECONDS))
            self.outcomes[status] += 1
            if status == 200:
                return
            assert status in (NO_ANSWER, *AWAY), f"{status} to a refresh of {self.watch}\n{self.watch.party.report()}"


async def attempt(send: Callable[[], Awaitable[Response]]) -> int:
    """Return the status of one attempt, NO_ANSWER without one; after a 503 wait as it says, but not for long."""
    try:
        response = await send()
    except NoAnswer:
        return NO_ANSWER
    if response.status in AWAY:
        await asyncio.sleep(min(float(response.headers.get("Retry-After") or 1), LONGEST_PAUSE))
    return response.status


class Crowd:
    """Publishers and watchers of both transports, each publisher watched by both."""

    def __init__(self) -> None:
        self.publishers: list[Publisher] = []
        self.watchers: list[Watcher] = []
        self._agents: list[Agent] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    @classmethod
    async def gather(cls, door: Door, pairs: int = 3, transports: tuple[str, ...] = ("udp", "tcp")) -> "Crowd":
        """Return a crowd that has subscribed and published once."""
        crowd = cls()
        for transport in transports * pairs:
            agent = Agent(await open_wire(transport, door.sip), unique("publisher"))
            crowd._agents.append(agent)
            crowd.publishers.append(Publisher(agent))
        for transport in transports:
            agent = Agent(await open_wire(transport, door.sip), unique("watcher"))
            crowd._agents.append(agent)
            crowd.watchers += [Watcher(agent, publisher.agent.aor) for publisher in crowd.publishers]
        async with asyncio.timeout(GATHER_SECONDS):
            await asyncio.gather(*(watcher.refresh() for watcher in crowd.watchers))
            await asyncio.gather(*(publisher.next() for publisher in crowd.publishers))
        return crowd

    def move(self, server: Address) -> None:
        """Let everybody find the server at another address from now on."""
        for agent in self._agents:
            agent.wire.server = server

    def begin(self) -> None:
        """Let everybody publish and refresh until `finish`."""
        for publisher in self.publishers:
            self._tasks.append(asyncio.create_task(self._go_on(publisher.next, 0.1)))
        for watcher in self.watchers:
            self._tasks.append(asyncio.create_task(self._go_on(watcher.refresh, 1.5)))

    async def _go_on(self, act: Callable[[], Awaitable[None]], pause: float) -> None:
        while not self._stop.is_set():
            await act()
            await asyncio.sleep(pause)

    async def finish(self, timeout: float = 40.0) -> None:
        """Stop, publish a last step, and see that every watcher comes to it with nothing out of order."""
        self._stop.set()
        async with asyncio.timeout(timeout):
            await asyncio.gather(*self._tasks)
        await asyncio.gather(*(publisher.next() for publisher in self.publishers))
        await asyncio.gather(*(watcher.watch.ends_with(self._step(watcher.watch), 30.0) for watcher in self.watchers))
        for watcher in self.watchers:
            assert watcher.watch.steps == sorted(watcher.watch.steps), watcher.watch

    def _step(self, watch: Watch) -> int:
        return next(one.step for one in self.publishers if one.agent.aor == watch.presentity)

    @property
    def outcomes(self) -> Counter[int]:
        """Return how often each status came, 0 for none."""
        publishers = sum((one.outcomes for one in self.publishers), Counter[int]())
        return sum((one.outcomes for one in self.watchers), publishers)

    async def close(self) -> None:
        """Leave; raise what anybody did not like."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await close_all(self._agents)
