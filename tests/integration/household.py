"""A presentity with a watcher of each kind, and whether they are still what they were."""

import asyncio

from . import rules
from .conftest import Agents
from .privacy import LATE, RulesOf, Scene, is_neutral, parts, tells_nothing
from .system import System
from .watch import Watch

Known = tuple[str, str, str, str]


class Household:
    """Who watches Alice: one is shown less, one is politely blocked, one is pending; one waits and has left."""

    def __init__(self, scene: Scene, less: Watch, polite: Watch, pending: Watch, waiting: str) -> None:
        self.scene = scene
        self.less, self.polite, self.pending, self.waiting = less, polite, pending, waiting

    def rules(self, *more: str) -> bytes:
        """Return the rules that made everybody what it is, and more."""
        return _rules(self.less.party.aor, self.polite.party.aor, *more)

    @classmethod
    async def of(cls, system: System, agents: Agents, rules_of: RulesOf) -> "Household":
        """Return the household, once everybody is what it is."""
        scene = await Scene.of(system, agents, rules_of)
        scene.watchers.jumps = True
        carol, dave, erin = await agents("carol"), await agents("dave"), await agents("erin")
        less = await scene.asks(scene.bob)
        await scene.put(_rules(scene.bob.aor, carol.aor))
        await less.state(lambda one: one.step == scene.step)
        polite = await scene.asks(carol, "active")
        pending, left = await scene.asks(dave), await scene.asks(erin)
        await left.end()
        household = cls(scene, less, polite, pending, erin.aor)
        await scene.watchers.until(*household.statuses)
        return household

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """Return what winfo says of them."""
        return [
            (self.less.party.aor, "active"),
            (self.polite.party.aor, "active"),
            (self.pending.party.aor, "pending"),
            (self.waiting, "waiting"),
        ]

    async def known(self) -> set[Known]:
        """Return watcher, event, status and reason of everybody whom the core knows to watch Alice."""
        answer = await asyncio.to_thread(self.scene.system.get, "presence-core", f"/watchers/{self.scene.alice.aor}")
        return {(one["watcher"], one["event"], one["status"], one["reason"]) for one in answer.json()}

    async def is_as_it_was(self, *statuses: tuple[str, str]) -> None:
        """Publish, and see that everybody is told what was decided before, and no more."""
        count = len(self.polite.notifications)
        step = await self.scene.publish()
        await self.less.state(lambda one: one.step == step)
        await asyncio.sleep(LATE)
        assert tells_nothing(self.pending)
        assert {one.state.state for one in self.pending.notifications} == {"pending"}
        assert all(is_neutral(one) for one in self.polite.notifications)
        assert len(self.polite.notifications) <= count + 1
        assert all(parts(one.body) == ["tuple"] for one in self.less.notifications if one.body)
        await self.scene.watchers.watch.subscribe()
        await self.scene.watchers.until(*(statuses or self.statuses))


def _rules(less: str, polite: str, *more: str) -> bytes:
    return rules.ruleset(
        rules.rule(rules.one(less), "allow", provides=rules.NOTES, id_="l"),
        rules.rule(rules.one(polite), "polite-block", id_="p"),
        *more,
    )
