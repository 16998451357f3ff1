"""Who may watch whom by rules (RFC 4745, RFC 5025), and how an operator sees why. The table `xcap` holds the rules."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from . import rules
from .agent import Agent
from .conftest import Agents, over_udp
from .documents import pidf
from .privacy import LATE, Explanation, Scene, after, ended, is_neutral, parts, tells_nothing
from .publication import Publication
from .system import System
from .watch import Notification, Watch
from .xcap_table import PIDF_MANIPULATION, XcapTable

pytestmark = over_udp


@pytest.fixture(scope="module")
def system(integrated: System) -> System:
    """Take the system whose rules are in its table."""
    return integrated


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table, which tells of its changes itself."""
    async with XcapTable.open(system.dsn) as table:
        yield table


@pytest.fixture
async def scene(system: System, agents: Agents, table: XcapTable) -> Scene:
    """Return Alice, who has published, and Bob."""
    return await Scene.of(system, agents, table)


# --- who is watched


async def test_winfo_of_others_gets_403(scene: Scene) -> None:
    await scene.put(rules.allow(scene.bob.aor))
    await scene.decided("allow")

    response = await scene.bob.watch(scene.alice.aor, event="presence.winfo").subscribe()

    assert response.status == 403


async def test_winfo_of_winfo_gets_489(scene: Scene) -> None:
    response = await scene.alice.watch(scene.alice.aor, event="presence.winfo.winfo").subscribe()

    assert response.status == 489
    assert "presence.winfo" in (response.headers.get("Allow-Events") or "")


async def test_winfo_refresh_is_told_everybody_in_full(scene: Scene, agents: Agents) -> None:
    carol = await agents("carol")
    await scene.asks(scene.bob)
    await scene.asks(carol)
    everybody = ((scene.bob.aor, "pending"), (carol.aor, "pending"))
    await scene.watchers.until(*everybody)
    watch = scene.watchers.watch

    told = await after(watch, watch.subscribe, lambda one: b'state="full"' in one.body)
    scene.watchers.take()

    assert scene.bob.aor.encode() in told.body
    assert carol.aor.encode() in told.body
    assert scene.watchers.statuses == sorted(everybody)
    assert all(one.expiration for one in scene.watchers.by_id.values())


async def test_presentity_itself_may_watch_without_rules(scene: Scene) -> None:
    watch = await scene.asks(scene.alice, "active")

    assert watch.last.step == scene.step


async def test_dialog_of_somebody_without_rules_is_pending_too(scene: Scene) -> None:
    watch = await scene.bob.watch(scene.alice.aor, event="dialog").subscribed("pending")

    assert tells_nothing(watch)


# --- who may not watch


@pytest.mark.parametrize("spelling", ["sip:{0}@EXAMPLE.test", "sip:%6dallory{1}@example.test", "sips:{0}@example.test"])
async def test_excluded_watcher_is_never_told_anything(scene: Scene, agents: Agents, spelling: str) -> None:
    mallory = await agents("mallory")
    user = mallory.aor.removeprefix("sip:").partition("@")[0]
    others = rules.many(but=[spelling.format(user, user.removeprefix("mallory"))])
    watch = await scene.asks(mallory)
    told = await scene.asks(scene.bob)

    allowed = rules.ruleset(rules.rule(others, "allow", provides=rules.EVERYTHING))
    await after(told, lambda: scene.put(allowed), lambda one: one.step == scene.step)
    await scene.publish()
    await told.ends_with(scene.step)
    less = rules.ruleset(rules.rule(others, "polite-block"), rules.rule(others, "allow", provides=rules.NOTES, id_="b"))
    await after(told, lambda: scene.put(less), lambda one: len(parts(one.body)) == 1)
    fetch = mallory.watch(scene.alice.aor)
    await fetch.subscribe(0)
    await fetch.state(lambda one: True)
    await watch.subscribe()
    await after(told, scene.remove, ended("deactivated"))
    await watch.nothing_more(LATE)

    assert [one.state.state for one in fetch.notifications] == ["terminated"]
    assert tells_nothing(fetch)
    assert tells_nothing(watch)
    assert {one.state.state for one in watch.notifications} == {"pending"}


async def test_garbage_instead_of_rules_leaves_watchers_pending_and_is_explained(scene: Scene) -> None:
    watch = await scene.asks(scene.bob)

    await scene.put(rules.GARBAGE)
    await explained(scene, lambda one: bool(one["documents"]))
    await watch.nothing_more(LATE)
    explanation = await scene.explained()

    assert tells_nothing(watch)
    assert explanation["decision"] == "confirm"
    assert "index.xml" in explanation["why"]
    (document,) = explanation["documents"]
    assert (document["usage"], document["size"]) == ("pres-rules", len(rules.GARBAGE))
    assert document["problem"]


async def test_rules_that_become_garbage_end_what_they_allowed(scene: Scene) -> None:
    await scene.put(rules.allow(scene.bob.aor))
    await scene.decided("allow")
    watch = await scene.asks(scene.bob, "active")

    await after(watch, lambda: scene.put(rules.GARBAGE), ended("deactivated"))

    await scene.asks(scene.bob)


async def test_blocked_from_the_beginning_is_rejected_and_told_nothing(scene: Scene) -> None:
    await scene.put(rules.handle("block", scene.bob.aor))
    await scene.decided("block")

    watch = await scene.asks(scene.bob, "terminated")

    assert ended("rejected")(watch.last)
    assert await scene.known() == {(scene.bob.aor, "terminated", "rejected")}


async def test_politely_blocked_from_the_beginning_cannot_tell(scene: Scene, agents: Agents) -> None:
    carol = await agents("carol")
    nobody = await carol.watch(carol.aor).active()
    await scene.put(rules.handle("polite-block", scene.bob.aor))
    await scene.decided("polite-block")

    watch = await scene.asks(scene.bob, "active")
    await scene.publish()
    await watch.nothing_more(LATE)

    assert is_neutral(watch.last)
    assert anonymous(watch.last, scene.alice) == anonymous(nobody.last, carol)
    assert await scene.known() == {(scene.bob.aor, "active", "polite-block")}


def anonymous(one: Notification, presentity: Agent) -> bytes:
    """Return a document without what is different for everybody."""
    return re.sub(rb' id="\w+"', b"", one.body.replace(presentity.aor.encode(), b"X"))


# --- time


async def test_validity_ends_and_so_does_the_subscription_by_itself(scene: Scene) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    begin, end = now - timedelta(minutes=1), now + timedelta(seconds=2)
    condition = rules.one(scene.bob.aor) + rules.validity(begin.isoformat(), end.isoformat())
    watch = await scene.asks(scene.bob)

    await scene.put(rules.ruleset(rules.rule(condition, "allow", provides=rules.EVERYTHING)))
    await watch.state(lambda one: one.step == scene.step)
    assert (await scene.explained())["decided_again_at"] == end.timestamp()
    await watch.state(ended("deactivated"))

    assert timedelta(0) <= datetime.now(UTC) - end <= timedelta(seconds=1)


async def test_validity_begins_and_so_does_the_subscription_by_itself(scene: Scene) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    begin, end = now + timedelta(seconds=2), now + timedelta(hours=1)
    condition = rules.one(scene.bob.aor) + rules.validity(begin.isoformat(), end.isoformat())
    await scene.put(rules.ruleset(rules.rule(condition, "allow", provides=rules.EVERYTHING)))

    watch = await scene.asks(scene.bob)
    await watch.state(lambda one: one.step == scene.step)

    assert tells_nothing_before_active(watch)
    assert timedelta(0) <= datetime.now(UTC) - begin <= timedelta(seconds=1)


def tells_nothing_before_active(watch: Watch) -> bool:
    """Return whether only NOTIFYs of the active subscription had bodies."""
    return all(bool(one.body) == (one.state.state == "active") for one in watch.notifications)


# --- hard state


async def test_hard_state_counts_where_nothing_is_published(system: System, agents: Agents, table: XcapTable) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    await table.put(alice.aor, rules.allow(bob.aor))
    await table.put(alice.aor, pidf(alice.aor, basic="closed", tuple_id="hard", note="on leave"), PIDF_MANIPULATION)
    watch = await bob.watch(alice.aor).active()
    assert (watch.last.basics, watch.last.notes) == (["closed"], ["on leave"])

    publication = Publication(alice, alice.aor)
    await after(watch, lambda: publication.accepted(pidf(alice.aor, note="here")), lambda one: "open" in one.basics)
    assert sorted(watch.last.notes) == ["here", "on leave"]
    await after(watch, publication.remove, lambda one: one.notes == ["on leave"])

    changed = pidf(alice.aor, basic="closed", tuple_id="hard", note="back soon")
    await after(watch, lambda: table.put(alice.aor, changed, PIDF_MANIPULATION), lambda one: one.notes == ["back soon"])
    await after(watch, lambda: table.remove(alice.aor, PIDF_MANIPULATION), is_neutral)


async def explained(scene: Scene, holds: Callable[[Explanation], bool]) -> None:
    """Wait until an explanation is so."""
    async with asyncio.timeout(5):
        while not holds(await scene.explained()):  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.02)
