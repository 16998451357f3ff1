"""PUBLISH from its first to its last request (RFC 3903 §4, §6)."""

import asyncio

from .conftest import Agents
from .documents import numbered, pidf
from .privacy import is_neutral
from .publication import Publication
from .served import Served

ETAG_BITS = 128


async def test_publish_initial_gets_an_entity_tag_and_a_lifetime(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor), expires=600)

    assert response.status == 200
    assert response.headers.get("Expires") == "600"
    assert response.headers.get("SIP-ETag")


async def test_publish_every_success_brings_another_entity_tag(agents: Agents) -> None:
    alice = await agents("alice")
    publication = Publication(alice, alice.aor)

    tags = [await publication.accepted(numbered(alice.aor, step)) for step in range(8)]
    tags += [await publication.accepted() for _ in range(8)]

    assert len(set(tags)) == 16
    assert all(len(tag) * 6 >= ETAG_BITS for tag in tags), tags
    assert len({tag[:8] for tag in tags}) == len({tag[-8:] for tag in tags}) == 16, "a guessable part"


async def test_publish_modify_refresh_remove_are_told_as_they_are(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    publication = Publication(alice, alice.aor)
    watch = await bob.watch(alice.aor).active()

    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await publication.accepted(numbered(alice.aor, 2))
    await watch.ends_with(2)
    before = len(watch.notifications)
    await publication.accepted()
    await watch.nothing_more()
    await publication.remove()
    gone = await watch.state(lambda one: one.step != 2, after=before)

    assert is_neutral(gone)
    assert watch.steps == [1, 2]


async def test_publish_without_body_but_with_type_is_a_refresh(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1))

    response = await publication.send(headers=(("Content-Type", "application/pidf+xml"),))
    watch = await bob.watch(alice.aor).active()

    assert response.status == 200
    assert watch.last.step == 1


async def test_publish_unknown_entity_tag_gets_412(agents: Agents) -> None:
    alice = await agents("alice")

    modify = await Publication(alice, alice.aor).send(pidf(alice.aor), etag="never-issued")
    refresh = await Publication(alice, alice.aor).send(etag="never-issued")
    remove = await Publication(alice, alice.aor).send(etag="never-issued", expires=0)

    assert [modify.status, refresh.status, remove.status] == [412, 412, 412]


async def test_publish_with_an_entity_tag_that_was_used_gets_412(agents: Agents) -> None:
    alice = await agents("alice")
    publication = Publication(alice, alice.aor)
    first = await publication.accepted(numbered(alice.aor, 1))
    await publication.accepted(numbered(alice.aor, 2))

    response = await publication.send(numbered(alice.aor, 3), etag=first)

    assert response.status == 412


async def test_publish_with_the_entity_tag_of_another_presentity_gets_412(agents: Agents) -> None:
    alice, mallory = await agents("alice"), await agents("mallory")
    tag = await Publication(alice, alice.aor).accepted(pidf(alice.aor))

    response = await Publication(mallory, mallory.aor).send(expires=0, etag=tag)

    assert response.status == 412


async def test_publish_after_removal_needs_a_new_beginning(agents: Agents) -> None:
    alice = await agents("alice")
    publication = Publication(alice, alice.aor)
    await publication.accepted(pidf(alice.aor))
    await publication.remove()

    again = await publication.send(pidf(alice.aor))

    assert again.status == 200


async def test_publication_without_refresh_ends_and_is_told(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1), expires=2)
    await watch.ends_with(1)

    over = await watch.state(lambda one: one.step == -1 and one.cseq > 1 and one is watch.last, timeout=6)
    late = await publication.send()

    assert over.state.state == "active"
    assert late.status == 412


async def test_publication_refreshed_in_time_lives_on(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    publication = Publication(alice, alice.aor)
    await publication.accepted(numbered(alice.aor, 1), expires=2)
    await asyncio.sleep(1.2)
    await publication.accepted(expires=30)
    await asyncio.sleep(1.8)

    watch = await bob.watch(alice.aor).active()

    assert watch.last.step == 1


async def test_publish_is_shown_to_operators(agents: Agents, system: Served) -> None:
    alice = await agents("alice")
    tag = await Publication(alice, alice.aor).accepted(numbered(alice.aor, 7))

    view = (await asyncio.to_thread(system.get, "presence-core", f"/presentities/{alice.aor}")).json()

    (event,) = view["events"]
    assert [one["etag"] for one in event["publications"]] == [tag]
    assert "step-7" in event["document"]
