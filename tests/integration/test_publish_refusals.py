"""What a PUBLISH is refused for, and how lax its lifetime is read (RFC 3903 §6)."""

import pytest

from .conftest import Agents
from .documents import PIDF_TYPE, pidf
from .privacy import is_neutral
from .publication import Publication
from .system import QUICK

LEAST = int(QUICK["PRESENCE_CORE_PUBLICATION_EXPIRES_MIN_SECONDS"])
ROOT = b'<presence xmlns="urn:ietf:params:xml:ns:pidf">'
BOMB = b'<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + ROOT + b"&b;</presence>"
WRONG = {
    "no xml": b"this is no document",
    "not well-formed": pidf("sip:a@example.test")[:-10],
    "another root": b'<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"/>',
    "no namespace": b"<presence/>",
    "entities": BOMB,
    "deep": b"<a>" * 5000 + b"</a>" * 5000,
    "no utf-8": b'<?xml version="1.0" encoding="UTF-8"?>' + ROOT + b"\xff\xfe</presence>",
}


async def test_publish_too_brief_gets_423_with_min_expires(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor), expires=LEAST - 1)

    assert response.status == 423
    assert response.headers.get("Min-Expires") == str(LEAST)


@pytest.mark.parametrize("expires", [86_400, 4_294_967_295, 99_999_999_999_999])
async def test_publish_too_long_is_cut(agents: Agents, expires: int) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor), expires=expires)

    assert (response.status, response.headers.get("Expires")) == (200, "3600")


async def test_publish_without_expires_gets_the_default(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor), expires=None)

    assert (response.status, response.headers.get("Expires")) == (200, "3600")


@pytest.mark.parametrize("text", ["soon", "-5", ""])
async def test_publish_with_unreadable_expires_gets_the_default_or_400(agents: Agents, text: str) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor), expires=None, headers=(("Expires", text),))

    assert (response.status, response.headers.get("Expires")) in [(200, "3600"), (400, None)]


async def test_publish_with_two_entity_tags_gets_400(agents: Agents) -> None:
    alice = await agents("alice")
    publication = Publication(alice, alice.aor)
    tag = await publication.accepted(pidf(alice.aor))

    lines = await publication.send(headers=(("SIP-If-Match", "other"),))
    commas = await publication.send(etag=f"{tag}, other")

    assert (lines.status, commas.status) == (400, 400)


async def test_publish_initial_without_body_gets_400(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send()

    assert response.status == 400


async def test_publish_body_without_type_is_refused(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(pidf(alice.aor), content_type="")

    assert response.status in (400, 415)


async def test_publish_of_another_type_gets_415_with_accept(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(b"hello", content_type="text/plain")

    assert response.status == 415
    assert PIDF_TYPE in response.headers.values("Accept")


async def test_publish_type_with_parameters_and_capitals_is_taken(agents: Agents) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor).send(
        pidf(alice.aor), content_type='Application/PIDF+XML;charset="UTF-8"'
    )

    assert response.status == 200


@pytest.mark.parametrize("name", WRONG)
async def test_publish_of_a_wrong_body_gets_400_and_changes_nothing(agents: Agents, name: str) -> None:
    alice, bob = await agents("alice"), await agents("bob")

    response = await Publication(alice, alice.aor).send(WRONG[name])
    watch = await bob.watch(alice.aor).active()

    assert response.status == 400
    assert is_neutral(watch.last)


@pytest.mark.parametrize("event", ["no-such-event", ""])
async def test_publish_of_an_unknown_event_gets_489_with_allow_events(agents: Agents, event: str) -> None:
    alice = await agents("alice")
    headers = (("Event", event),) if event else ()

    response = await alice.out_of_dialog("PUBLISH", alice.aor, [*headers, ("Content-Type", PIDF_TYPE)], pidf(alice.aor))

    assert response.status == 489
    assert "presence" in response.headers.values("Allow-Events")


async def test_publish_beyond_the_number_of_publications_gets_403(agents: Agents) -> None:
    alice = await agents("alice")
    for number in range(32):
        await Publication(alice, alice.aor).accepted(pidf(alice.aor, tuple_id=f"t{number}"))

    response = await Publication(alice, alice.aor).send(pidf(alice.aor))

    assert response.status == 403


async def test_publish_for_an_entity_that_is_escaped_and_without_scheme_is_taken(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    entity = alice.aor.removeprefix("sip:").replace("@", "%40")

    response = await Publication(alice, alice.aor).send(pidf(entity))
    watch = await bob.watch(alice.aor).active()

    assert response.status == 200
    assert watch.last.basics == ["open"]
