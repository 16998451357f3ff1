"""SUBSCRIBE and what follows it, with everybody allowed to watch (RFC 6665 §4.1, §4.2)."""

import asyncio

import pytest

from .conftest import Agents
from .documents import PIDF_TYPE, numbered
from .privacy import is_neutral
from .publication import Publication
from .served import Served
from .system import QUICK
from .watch import accept

LEAST = int(QUICK["PRESENCE_CORE_SUBSCRIPTION_EXPIRES_MIN_SECONDS"])


async def test_subscribe_gets_200_and_a_notify_at_once(agents: Agents) -> None:
    bob = await agents("bob")
    watch = bob.watch("sip:nobody@example.test")

    response = await watch.subscribe(600)
    first = await watch.state(lambda one: True, timeout=1)

    assert (response.status, response.headers.get("Expires")) == (200, "600")
    assert first.state.state == "active"
    assert first.state.expires is not None
    assert 595 <= first.state.expires <= 600


async def test_subscribe_without_state_is_told_the_neutral_document(agents: Agents) -> None:
    bob = await agents("bob")

    watch = await bob.watch("sip:nobody-yet@example.test").active()

    assert watch.last.content_type == PIDF_TYPE
    assert is_neutral(watch.last)


async def test_subscribe_to_what_is_known_is_told_it_at_once(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 5))

    watch = await bob.watch(alice.aor).active()

    assert watch.notifications[0].step == 5


async def test_subscribe_refresh_is_told_the_state_again_and_lives_longer(agents: Agents) -> None:
    bob = await agents("bob")
    watch = await bob.watch("sip:carol@example.test").active(expires=60)

    response = await watch.subscribe(900)
    told = await watch.state(lambda one: True, after=1)

    assert (response.status, response.headers.get("Expires")) == (200, "900")
    assert told.state.expires is not None
    assert told.state.expires > 800


async def test_subscribe_fetch_is_told_once_and_is_over(agents: Agents, system: Served) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1))
    fetch = bob.watch(alice.aor)

    response = await fetch.subscribe(0)
    told = await fetch.state(lambda one: True)
    await publication.accepted(numbered(alice.aor, 2))
    await fetch.nothing_more()

    assert (response.status, response.headers.get("Expires")) == (200, "0")
    assert (told.state.state, told.step) == ("terminated", 1)


async def test_unsubscribe_is_told_the_end_and_nothing_more(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    last = await watch.end()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.nothing_more()
    late = await watch.subscribe(600)

    assert last.state.state == "terminated"
    assert late.status == 481


async def test_subscription_without_refresh_ends_with_reason_timeout(agents: Agents) -> None:
    bob = await agents("bob")
    watch = await bob.watch("sip:dave@example.test").active(expires=LEAST)

    last = await watch.state(lambda one: one.state.state == "terminated", timeout=LEAST + 3)

    assert last.state.reason == "timeout"
    assert (await watch.subscribe(600)).status == 481


async def test_subscription_refreshed_in_time_lives_on(agents: Agents) -> None:
    bob = await agents("bob")
    watch = await bob.watch("sip:erin@example.test").active(expires=2)
    await asyncio.sleep(1.2)
    await watch.subscribe(30)

    await asyncio.sleep(2)

    assert all(one.state.state == "active" for one in watch.notifications)


@pytest.mark.parametrize(
    "event", ["presence;id=a7", "presence;id=00", "presence;id=With-Case.9", "presence;shared=yes;id=q", "presence"]
)
async def test_subscribe_event_comes_back_as_it_was(agents: Agents, event: str) -> None:
    bob = await agents("bob")

    watch = await bob.watch("sip:frank@example.test", event=event).active()

    assert watch.last.event == event


async def test_subscribe_refresh_with_another_event_id_gets_481(agents: Agents) -> None:
    bob = await agents("bob")
    watch = await bob.watch("sip:grace@example.test", event="presence;id=1").active()

    watch.event = "presence;id=2"
    response = await watch.subscribe(600)

    assert response.status == 481
    watch.event = "presence;id=1"
    assert (await watch.subscribe(600)).status == 200


async def test_subscribe_too_brief_gets_423_with_min_expires(agents: Agents) -> None:
    bob = await agents("bob")

    response = await bob.watch("sip:heidi@example.test").subscribe(LEAST - 1)

    assert (response.status, response.headers.get("Min-Expires")) == (423, str(LEAST))


@pytest.mark.parametrize("expires", [None, 86_400, 4_294_967_295])
async def test_subscribe_without_or_with_a_long_expires_gets_the_most(agents: Agents, expires: int | None) -> None:
    bob = await agents("bob")

    response = await bob.watch("sip:ivan@example.test").subscribe(expires)

    assert (response.status, response.headers.get("Expires")) == (200, "3600")


@pytest.mark.parametrize(
    "types",
    [
        ["application/pidf+xml"],
        ["text/plain", "application/pidf+xml;q=0.3"],
        ["application/*"],
        ["*/*"],
        ["application/xpidf+xml, application/PIDF+xml"],
    ],
)
async def test_subscribe_accept_with_our_type_is_taken(agents: Agents, types: list[str]) -> None:
    bob = await agents("bob")

    response = await bob.watch("sip:judy@example.test", headers=accept(*types)).subscribe()

    assert response.status == 200


@pytest.mark.parametrize("types", [["text/plain"], ["application/xpidf+xml"], ["application/pidf+xml;q=0"]])
async def test_subscribe_accept_without_our_type_gets_406(agents: Agents, types: list[str]) -> None:
    bob = await agents("bob")

    response = await bob.watch("sip:ken@example.test", headers=accept(*types)).subscribe()

    assert response.status == 406


async def test_subscribe_to_an_unknown_event_gets_489_with_allow_events(agents: Agents) -> None:
    bob = await agents("bob")

    response = await bob.watch("sip:leo@example.test", event="no-such-event").subscribe()

    assert response.status == 489
    assert "presence" in response.headers.values("Allow-Events")


async def test_subscribe_many_watchers_all_end_in_the_last_state(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watches = [await bob.watch(alice.aor).active() for _ in range(20)]
    publication = Publication(alice, alice.aor)

    for step in range(20):
        await publication.accepted(numbered(alice.aor, step))
    for watch in watches:
        await watch.ends_with(19)

    assert all(watch.steps == sorted(watch.steps) for watch in watches)


async def test_subscription_is_shown_to_operators(agents: Agents, system: Served) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    listed = (await asyncio.to_thread(system.get, "presence-core", f"/subscriptions?presentity={alice.aor}")).json()

    assert [(one["watcher"], one["call_id"], one["state"]) for one in listed] == [(bob.aor, watch.call_id, "active")]
