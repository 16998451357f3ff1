"""A presentity and those who watch it, and what happens to them when its rules come, change and go."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypedDict
from urllib.parse import urlencode

from . import rules
from .agent import Agent
from .conftest import Agents
from .documents import numbered, read, tuple_ids
from .publication import Publication
from .served import Served
from .watch import STATE_SECONDS, Notification, Watch
from .watchers import Watchers

LATE = 0.4
"""Seconds that a NOTIFY which must not come is waited for."""


class RulesOf(Protocol):
    """Where presentities keep their rules, and how the server hears of a change."""

    async def put(self, aor: str, body: bytes) -> None:
        """Store the rules of a user, or replace them; see to it that the server gets to know."""

    async def remove(self, aor: str) -> None:
        """Remove them."""


class Rule(TypedDict):
    """A rule of an explanation."""

    id: str
    matched: bool
    why: str


class Explanation(TypedDict):
    """What `/explain` says."""

    decision: str
    why: str
    dry_run: bool
    decided_again_at: float | None
    documents: list[dict[str, str | int]]
    rules: list[Rule]
    permissions: list[str]
    removed: list[str]
    document: str | None


class Scene:
    """Alice publishes, watches her watchers and has rules; Bob watches her. Mallory would, too, if she were let."""

    def __init__(self, system: Served, alice: Agent, bob: Agent, mallory: Agent, rules_of: RulesOf) -> None:
        self.system = system
        self.alice, self.bob, self.mallory = alice, bob, mallory
        self.rules = rules_of
        self.publication = Publication(alice, alice.aor)
        self.watchers = Watchers(alice.watch(alice.aor, event="presence.winfo"))
        self._step = 0

    @classmethod
    async def of(cls, system: Served, agents: Agents, rules_of: RulesOf) -> "Scene":
        """Return the scene in which Alice has published and nobody watches her."""
        scene = cls(system, await agents("alice"), await agents("bob"), await agents("mallory"), rules_of)
        await scene.publish()
        await scene.watchers.watch.active()
        await scene.watchers.until()
        return scene

    async def publish(self) -> int:
        """Publish the next state, with everything in it, and return its number."""
        self._step += 1
        await self.publication.accepted(full(self.alice.aor, self._step))
        return self._step

    @property
    def step(self) -> int:
        return self._step

    async def asks(self, agent: Agent, state: str = "pending") -> Watch:
        """Have an agent subscribe and wait for the state of its subscription."""
        return await agent.watch(self.alice.aor).subscribed(state)

    async def put(self, body: bytes) -> None:
        await self.rules.put(self.alice.aor, body)

    async def handle(self, handling: str, provides: str = rules.EVERYTHING) -> None:
        """Handle everybody but Mallory in such a way."""
        others = rules.many(but=[self.mallory.aor])
        await self.put(rules.ruleset(rules.rule(others, handling, provides=provides)))

    async def remove(self) -> None:
        await self.rules.remove(self.alice.aor)

    async def explained(self, watcher: str = "") -> Explanation:
        """Return what is decided about a watcher, Bob unless said otherwise, and why."""
        query = urlencode({"presentity": self.alice.aor, "watcher": watcher or self.bob.aor})
        answer = await asyncio.to_thread(self.system.get, "presence-core", f"/explain?{query}")
        explained: Explanation = answer.json()
        return explained

    async def known(self) -> set[tuple[str, str, str]]:
        """Return watcher, status and reason of everybody who watches Alice's presence or waits."""
        answer = await asyncio.to_thread(self.system.get, "presence-core", f"/watchers/{self.alice.aor}")
        return {(one["watcher"], one["status"], one["reason"]) for one in answer.json() if one["event"] == "presence"}

    async def decided(self, decision: str, watcher: str = "") -> None:
        """Wait until it is decided so about a watcher, of which nobody is told while it does not watch."""
        async with asyncio.timeout(STATE_SECONDS):
            while (await self.explained(watcher))["decision"] != decision:  # noqa: ASYNC110  # there is no event
                await asyncio.sleep(0.02)


def full(aor: str, step: int) -> bytes:
    """Return a document with a numbered tuple, a person and a device."""
    person = '<dm:person id="me"><r:activities><r:busy/></r:activities></dm:person>'
    device = '<dm:device id="desk"><dm:deviceID>urn:x-mac:0003ba4811e3</dm:deviceID></dm:device>'
    document = numbered(aor, step).replace(b"</presence>", f"{person}{device}</presence>".encode())
    return document.replace(b"xmlns:rpid=", b"xmlns:r=")


def parts(body: bytes) -> list[str]:
    """Return the names of what a document is made of, in order."""
    return [str(child.tag).rpartition("}")[2] for child in read(body)]


def is_neutral(one: Notification) -> bool:
    """Return whether a document says no more than that somebody is closed."""
    return parts(one.body) == ["tuple"] and one.basics == ["closed"] and b"phone" not in one.body and not one.notes


def tells_nothing(watch: Watch) -> bool:
    """Return whether a watcher has never been told anything of the presentity."""
    return all(not one.body for one in watch.notifications)


async def after(
    watch: Watch, act: Callable[[], Awaitable[object]], told: Callable[[Notification], bool]
) -> Notification:
    """Do something and return the first NOTIFY after it that is so."""
    count = len(watch.notifications)
    await act()
    return await watch.state(told, after=count)


def ended(reason: str) -> Callable[[Notification], bool]:
    """Return whether a NOTIFY ends a subscription for this reason and says nothing else."""
    return lambda one: (one.state.state, one.state.reason, one.body) == ("terminated", reason, b"")


async def live(scene: Scene) -> None:
    """Go through all that rules can do to a watcher, and see that they do nothing for one that they except."""
    mallory = await scene.asks(scene.mallory)
    await _allowed(scene, await scene.asks(scene.bob))
    await _ended(scene)
    assert tells_nothing(mallory)
    assert {one.state.state for one in mallory.notifications} == {"pending"}


async def _watch(scene: Scene, *expected: tuple[str, str]) -> None:
    """Wait until these watch Alice or wait, and Mallory."""
    await scene.watchers.until((scene.mallory.aor, "pending"), *expected)


async def _allowed(scene: Scene, watch: Watch) -> None:
    bob = scene.bob.aor
    assert tells_nothing(watch)
    await _watch(scene, (bob, "pending"))

    shown = await after(watch, lambda: scene.handle("allow"), lambda one: one.state.state == "active")
    assert (shown.step, parts(shown.body)) == (scene.step, ["tuple", "person", "device"])
    await scene.watchers.told(bob, "active", "approved")
    await _watch(scene, (bob, "active"))

    less = await after(watch, lambda: scene.handle("allow", rules.NOTES), lambda one: bool(one.body))
    assert (less.state.state, less.step, parts(less.body)) == ("active", scene.step, ["tuple"])
    assert tuple_ids(less.body) == tuple_ids(shown.body)

    await _politely_blocked(scene, watch)

    again = await after(watch, lambda: scene.handle("allow"), lambda one: one.step >= 0)
    assert (again.step, len(parts(again.body))) == (scene.step, 3)

    await after(watch, lambda: scene.handle("block"), ended("rejected"))
    await scene.watchers.told(bob, "terminated", "rejected")
    await _watch(scene)


async def _politely_blocked(scene: Scene, watch: Watch) -> None:
    neutral = await after(watch, lambda: scene.handle("polite-block"), lambda one: bool(one.body))
    assert neutral.state.state == "active"
    assert is_neutral(neutral)
    await scene.publish()
    await scene.publish()
    await watch.nothing_more(LATE)
    await _watch(scene, (scene.bob.aor, "active"))
    refreshed = await after(watch, watch.subscribe, lambda one: bool(one.body))
    assert refreshed.body == neutral.body


async def _ended(scene: Scene) -> None:
    bob = scene.bob.aor
    blocked = await scene.asks(scene.bob, "terminated")
    assert ended("rejected")(blocked.last)

    await scene.handle("allow")
    await scene.decided("allow")
    watch = await scene.asks(scene.bob, "active")
    await watch.ends_with(scene.step)
    await after(watch, scene.remove, ended("deactivated"))
    await scene.watchers.told(bob, "terminated", "deactivated")

    again = await scene.asks(scene.bob)
    await scene.publish()
    await again.nothing_more(LATE)
    assert tells_nothing(again)
    await _watch(scene, (bob, "pending"))
    await again.end()
    await _watch(scene, (bob, "waiting"))

    await scene.handle("allow")
    await scene.watchers.told(bob, "terminated", "approved")
    await _watch(scene)
    assert scene.watchers.kinds == ["full"] + ["partial"] * (len(scene.watchers.kinds) - 1)
    await scene.watchers.watch.end()
