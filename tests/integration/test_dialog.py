"""The dialog of a subscription: tags, CSeq, route set, targets, answers to NOTIFY (RFC 3261 §12, RFC 6665 §4.4)."""

import asyncio

import pytest

from sip.message import build_request

from .agent import new_branch
from .conftest import Agents, over_udp
from .documents import numbered
from .publication import Publication
from .watch import Watch

ROUTE = "<sip:127.0.0.1:{port};lr;x=1>"


async def test_subscribe_in_an_unknown_dialog_gets_481(agents: Agents) -> None:
    bob = await agents("bob")
    watch = bob.watch("sip:alice@example.test")
    watch.remote_tag = "never-issued"

    response = await watch.subscribe()

    assert response.status == 481


async def test_subscribe_with_a_wrong_from_tag_gets_481(agents: Agents) -> None:
    bob = await agents("bob")
    watch = await bob.watch("sip:alice@example.test").active()
    stranger = bob.watch("sip:alice@example.test")
    stranger.remote_tag, stranger.call_id, stranger.cseq = watch.remote_tag, watch.call_id, 10

    response = await stranger.subscribe(0)

    assert response.status == 481
    await watch.nothing_more()


async def test_subscribe_with_a_stale_cseq_gets_500_with_retry_after(agents: Agents) -> None:
    bob = await agents("bob")
    watch = bob.watch("sip:alice@example.test")
    watch.cseq = 100
    await watch.active()
    await watch.subscribe()

    watch.cseq = 50
    response = await watch.subscribe()

    assert response.status == 500
    assert (response.headers.get("Retry-After") or "").isdigit()


async def test_subscribe_cseq_may_jump(agents: Agents) -> None:
    bob = await agents("bob")
    watch = await bob.watch("sip:alice@example.test").active()

    watch.cseq += 1_000_000
    response = await watch.subscribe()

    assert response.status == 200


async def test_subscribe_that_came_by_another_way_before_is_refused_and_no_second(agents: Agents) -> None:
    """RFC 3261 §8.2.2.2; by another edge it gets the first one's answer, see test_replicas."""
    alice, bob = await agents("alice"), await agents("bob")
    watch = bob.watch(alice.aor)
    await watch.subscribe()
    await watch.state(lambda one: True)
    tag, watch.remote_tag, watch.target, watch.cseq = watch.remote_tag, "", alice.aor, 0

    again = await watch.subscribe()
    watch.remote_tag = tag
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await watch.nothing_more()

    assert again.status == 482
    assert [one.step for one in watch.notifications].count(1) == 1


async def test_subscribe_retransmitted_gets_the_same_bytes(agents: Agents) -> None:
    bob = await agents("bob")
    watch = bob.watch("sip:alice@example.test")
    watch.cseq, branch = 1, new_branch()
    data = build_request("SUBSCRIBE", watch.presentity, [("Via", bob.via(branch)), *watch.fields(600)])

    answers = [await bob.exchange(data, branch) for _ in range(3)]
    await watch.state(lambda one: True)
    await watch.nothing_more()

    assert len({bytes(answer) for answer in answers}) == 1
    assert len(watch.notifications) == 1


async def test_subscribe_record_route_is_the_way_of_every_notify(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    port = bob.wire.local[1]
    routes = [ROUTE.format(port=port), "<sip:second.example.test;lr>"]
    headers = tuple(("Record-Route", route) for route in routes)
    watch = bob.watch(alice.aor, headers=headers)

    response = await watch.subscribe()
    await watch.state(lambda one: True)
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)

    assert response.headers.values("Record-Route") == routes
    for one in watch.notifications:
        assert one.request.headers.values("Route") == routes


async def test_subscribe_with_a_preloaded_route_to_the_server_is_taken(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    host, port = bob.wire.server
    watch = bob.watch(alice.aor, headers=(("Route", f"<sip:{host}:{port};lr>"),))

    await watch.active()

    assert watch.last.request.headers.all("Route") == []


async def test_subscribe_from_a_new_contact_moves_the_target(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    watch.contact = watch.contact.replace("sip:bob", "sip:moved")
    await watch.subscribe()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)

    assert watch.last.request.uri == watch.contact


@pytest.mark.parametrize("status", [481, 404, 410, 489, 603, 604])
async def test_notify_refused_for_good_ends_the_subscription(agents: Agents, status: int) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)

    watch.script.append(status)
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await asyncio.sleep(0.2)
    await publication.accepted(numbered(alice.aor, 2))
    await watch.nothing_more()

    assert (await watch.subscribe()).status == 481


async def test_notify_refused_for_now_is_tried_again(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    watch.script.append(503)
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    first = await watch.state(lambda one: one.step == 1)
    again = await watch.state(lambda one: one.step == 1 and one.cseq > first.cseq, timeout=8)

    assert again.state.state == "active"


@over_udp
async def test_notify_unanswered_is_sent_again_as_it_was_over_udp(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)

    watch.script.extend([None, None])
    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await publication.accepted(numbered(alice.aor, 2))
    await publication.accepted(numbered(alice.aor, 3))
    await watch.ends_with(3, timeout=8)

    assert watch.repeats == 2
    assert watch.steps[-2:] == [1, 3], "what happened meanwhile is told once, as it then is"


async def test_dead_watcher_costs_the_others_nothing(agents: Agents) -> None:
    alice, bob, dead = await agents("alice"), await agents("bob"), await agents("dead")
    silent = await dead.watch(alice.aor).active()
    silent.script.extend([None] * 40)
    watch = await bob.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)

    for step in range(5):
        await publication.accepted(numbered(alice.aor, step))
        await _soon(watch, step)

    assert watch.steps == [0, 1, 2, 3, 4]


async def _soon(watch: Watch, step: int) -> None:
    await watch.ends_with(step, timeout=1.0)


async def test_two_subscriptions_of_one_watcher_live_side_by_side(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    one = await bob.watch(alice.aor, event="presence;id=1").active()
    two = await bob.watch(alice.aor, event="presence;id=2").active()

    await one.end()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))
    await two.ends_with(1)
    await one.nothing_more(0.3)

    assert one.remote_tag != two.remote_tag
