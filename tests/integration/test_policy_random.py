"""Rules, publications and subscriptions that change in any order, with nobody waiting for anybody.

Rule 1: whatever happens in between, nobody ever sees more than the widest rules there were about it.
Rule 2: when it is quiet again everybody has what the last rules say.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from . import rules
from .agent import Agent
from .conftest import Agents, over_udp
from .privacy import Scene, ended, is_neutral, parts, tells_nothing
from .system import System
from .watch import Notification, Watch
from .xcap_table import XcapTable

pytestmark = over_udp
STEPS = 120
LONGEST_PAUSE = 0.02
HANDLINGS = ("", "block", "confirm", "polite-block", "allow")


@pytest.fixture(scope="module")
def system(integrated: System) -> System:
    """Take the system whose rules are in its table."""
    return integrated


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table, which tells of its changes itself."""
    async with XcapTable.open(system.dsn) as table:
        yield table


class Watcher:
    """Somebody who subscribes, refreshes and leaves; `widest` is the most that rules ever give it."""

    def __init__(self, agent: Agent, presentity: str, widest: str) -> None:
        self.agent = agent
        self.widest = widest
        self.handling = ""
        self.watches: list[Watch] = []
        self._presentity = presentity

    @property
    def live(self) -> Watch | None:
        """Return the subscription that it has, as far as it knows."""
        watch = self.watches[-1] if self.watches else None
        over = watch is None or (watch.notifications and watch.last.state.state == "terminated")
        return None if over else watch

    async def subscribe(self) -> Watch:
        """Refresh the subscription, or make one."""
        watch = self.live
        if watch is None:
            watch = self.agent.watch(self._presentity)
            self.watches.append(watch)
        response = await watch.subscribe()
        if response.status == 481:
            # It ended on the way.
            await watch.state(lambda one: one.state.state == "terminated")
            return await self.subscribe()
        assert response.status == 200
        return watch

    async def leave(self) -> None:
        """Unsubscribe."""
        if self.live is not None:
            assert (await self.live.subscribe(0)).status in (200, 481)

    def draw(self, chance: random.Random) -> str:
        """Return the next rule about it, "" for none."""
        most = HANDLINGS.index(self.widest)
        self.handling = chance.choice(HANDLINGS[: most + 1])
        provides = rules.EVERYTHING if self.handling == "allow" else ""
        name = self.agent.aor.partition("-")[0].partition(":")[2]
        return (
            rules.rule(rules.one(self.agent.aor), self.handling, provides=provides, id_=name) if self.handling else ""
        )

    def is_settled(self, one: Notification, step: int) -> bool:
        """Return whether that is what it is to have in the end."""
        state, reason = one.state.state, one.state.reason
        match self.handling:
            case "allow":
                return state == "active" and one.step == step and len(parts(one.body)) == 3
            case "polite-block":
                return state == "active" and is_neutral(one)
            case "block":
                return ended("rejected")(one)
            case _:
                return (state, one.body) == ("pending", b"") or (state, reason) == ("terminated", "deactivated")

    def check(self) -> None:
        """Assert that it never saw more than the widest rules about it allow."""
        told = [one for watch in self.watches for one in watch.notifications]
        if self.widest == "polite-block":
            assert all(not one.body or is_neutral(one) for one in told)
        elif self.widest != "allow":
            assert all(tells_nothing(watch) for watch in self.watches)


@pytest.mark.parametrize("seed", range(4))
async def test_everybody_ends_with_what_the_last_rules_say_and_never_saw_more(
    system: System, agents: Agents, table: XcapTable, seed: int
) -> None:
    chance = random.Random(seed)
    scene = await Scene.of(system, agents, table)
    widest = {"bob": "allow", "carol": "allow", "dave": "polite-block", "erin": "confirm", "mallory": "block"}
    watchers = [Watcher(await agents(name), scene.alice.aor, most) for name, most in widest.items()]

    for _ in range(STEPS):
        await _something(scene, watchers, chance)
        await asyncio.sleep(chance.random() * LONGEST_PAUSE)

    await _draw(scene, watchers, chance)
    last = await scene.publish()
    for one in watchers:
        await scene.decided(one.handling or "confirm", one.agent.aor)
        await _settled(one, last)
        one.check()
    await _winfo_agrees(scene)


async def _something(scene: Scene, watchers: list[Watcher], chance: random.Random) -> None:
    match chance.randrange(8):
        case 0 | 1:
            await scene.publish()
        case 2 | 3:
            await _draw(scene, watchers, chance)
        case 4:
            for one in watchers:
                one.handling = ""
            await scene.remove()
        case 5:
            await chance.choice(watchers).leave()
        case _:
            await chance.choice(watchers).subscribe()


async def _draw(scene: Scene, watchers: list[Watcher], chance: random.Random) -> None:
    await scene.put(rules.ruleset(*(one.draw(chance) for one in watchers)))


async def _settled(one: Watcher, step: int) -> None:
    """Wait until the watcher has what it is to have or nothing any more, and gets it when it asks again."""
    watch = one.live
    if watch is not None:
        await watch.state(lambda told: told is watch.last and (_is_over(told) or one.is_settled(told, step)))
    asked = await one.subscribe()
    await asked.state(lambda told: told is asked.last and one.is_settled(told, step))


def _is_over(told: Notification) -> bool:
    return told.state.state == "terminated"


async def _winfo_agrees(scene: Scene) -> None:
    """Wait until winfo tells of those whom the core shows."""
    answer = await asyncio.to_thread(scene.system.get, "presence-core", f"/watchers/{scene.alice.aor}")
    shown = [(one["watcher"], one["status"]) for one in answer.json() if one["event"] == "presence"]
    await scene.watchers.until(*(one for one in shown if one[1] != "terminated"))
