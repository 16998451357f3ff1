"""What an operator sees of rules: which decide about whom and why, what other rules would do, who watches."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest

from . import rules
from .conftest import Agents, over_udp
from .privacy import LATE, Explanation, Scene, tells_nothing
from .system import System
from .xcap_table import XcapTable

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


async def test_explain_names_the_rules_that_matched_and_what_is_withheld(scene: Scene) -> None:
    bob = scene.bob.aor
    await scene.put(
        rules.ruleset(
            rules.rule(rules.one("sip:carol@example.test"), "allow", provides=rules.EVERYTHING, id_="friends"),
            rules.rule(rules.one(bob), "allow", provides=rules.NOTES, id_="work"),
        )
    )
    await scene.decided("allow")

    explanation = await scene.explained()

    friends, work = explanation["rules"]
    assert (friends["id"], friends["matched"], bool(friends["why"])) == ("friends", False, True)
    assert (work["id"], work["matched"], work["why"]) == ("work", True, "")
    assert explanation["permissions"] == ["services: all", "provide-note"]
    assert any("person" in one for one in explanation["removed"])
    assert any("device" in one for one in explanation["removed"])
    watch = await scene.asks(scene.bob, "active")
    assert explanation["document"] == watch.last.body.decode()


async def test_explain_tries_other_rules_without_applying_them(scene: Scene) -> None:
    watch = await scene.asks(scene.bob)
    query = urlencode({"presentity": scene.alice.aor, "watcher": scene.bob.aor})
    url = scene.system.url("presence-core", f"/explain?{query}")

    async with httpx.AsyncClient() as client:
        answer = await client.post(url, content=rules.allow(scene.bob.aor))
    await watch.nothing_more(LATE)
    tried: Explanation = answer.json()

    assert (tried["decision"], tried["dry_run"]) == ("allow", True)
    assert f"step-{scene.step}" in (tried["document"] or "")
    assert (await scene.explained())["decision"] == "confirm"
    assert tells_nothing(watch)


async def test_watchers_are_shown_with_what_is_decided_and_stored_so(
    scene: Scene, agents: Agents, table: XcapTable
) -> None:
    carol, dave, erin = await agents("carol"), await agents("dave"), await agents("erin")
    await scene.put(
        rules.ruleset(
            rules.rule(rules.one(scene.bob.aor), "allow", provides=rules.EVERYTHING, id_="b"),
            rules.rule(rules.one(carol.aor), "polite-block", id_="c"),
        )
    )
    await scene.decided("allow")

    await scene.asks(scene.bob, "active")
    await scene.asks(carol, "active")
    await scene.asks(dave)
    waiting = await scene.asks(erin)
    await waiting.end()

    assert await scene.known() == {
        (scene.bob.aor, "active", ""),
        (carol.aor, "active", "polite-block"),
        (dave.aor, "pending", ""),
        (erin.aor, "waiting", "timeout"),
    }
    query = "SELECT watcher_username, status, coalesce(reason, '') FROM {} WHERE presentity_uri = $1"
    watchers = await table.fetch(query.format("watchers"), scene.alice.aor)
    live = await table.fetch(query.format("active_watchers") + " AND event = 'presence'", scene.alice.aor)
    users = [one.aor.removeprefix("sip:").partition("@")[0] for one in (scene.bob, carol, dave, erin)]
    encoded = list(zip(users, (1, 1, 2, 4), ("", "polite-block", "", "timeout"), strict=True))
    assert sorted(watchers) == sorted(encoded)
    assert sorted(live) == sorted(encoded[:3])
