"""RFC 3903 §6, step by step."""

from collections.abc import Callable

import pytest

from event_packages.base import EventPackage
from event_packages.errors import (
    BadRequest,
    ConditionalRequestFailed,
    Forbidden,
    IntervalTooBrief,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from lamplighter_proto import Publish
from presence_core.domain.lifetime import Bounds
from presence_core.domain.presentity import ETag, Limits, decide_publish, expired
from presence_core.domain.publication import TOMBSTONE_SECONDS, Presentity, Publication, Published

LIMITS = Limits(bounds=Bounds(least=60, most=3600, default=1800), body_bytes=100, publications=2)
NOTHING = Presentity(aor="sip:alice@example.com", event="presence")
NOW = 1000.0
Build = Callable[..., Publish]


@pytest.fixture
def decide(package: EventPackage) -> Callable[..., Published]:
    def decide_one(presentity: Presentity, command: Publish, etag: str = "new", now: float = NOW) -> Published:
        return decide_publish(presentity, command, package, LIMITS, etag=ETag(etag), now=now)

    return decide_one


Decide = Callable[..., Published]


def holding(*publications: Publication) -> Presentity:
    return Presentity(aor="sip:alice@example.com", event="presence", publications=publications)


def test_initial_publish_makes_a_publication(decide: Decide, publish: Build) -> None:
    decision = decide(NOTHING, publish(b"open", expires=600))

    assert [one.etag for one in decision.presentity.publications] == ["new"]
    assert decision.publication.expires == 1600
    assert decision.lifetime == 600
    assert decision.changed


@pytest.mark.parametrize(("asked", "granted"), [(None, 1800), (60, 60), (3600, 3600), (99_999, 3600)])
def test_lifetime_is_granted_within_bounds(decide: Decide, publish: Build, asked: int | None, granted: int) -> None:
    assert decide(NOTHING, publish(expires=asked)).lifetime == granted


def test_lifetime_under_the_minimum_is_refused_423_with_it(decide: Decide, publish: Build) -> None:
    with pytest.raises(IntervalTooBrief) as refusal:
        decide(NOTHING, publish(expires=59))

    assert refusal.value.headers() == (("Min-Expires", "60"),)


def test_refresh_changes_the_etag_and_nothing_that_watchers_see(
    decide: Decide, publish: Build, publication: Callable[..., Publication]
) -> None:
    presentity = holding(publication("a", modified=1), publication("b", modified=2))

    decision = decide(presentity, publish(b"", if_match="a", expires=600))

    assert [one.etag for one in decision.presentity.publications] == ["new", "b"]
    assert decision.publication.pub == "a"
    assert decision.publication.body == b"open"
    assert decision.publication.modified == 1
    assert not decision.changed


def test_modify_becomes_the_newest(decide: Decide, publish: Build, publication: Callable[..., Publication]) -> None:
    presentity = holding(publication("a"), publication("b"))

    decision = decide(presentity, publish(b"closed", if_match="a"))

    assert [one.etag for one in decision.presentity.publications] == ["b", "new"]
    assert decision.publication.document == b"closed"
    assert decision.changed


def test_removal_leaves_a_tombstone_that_does_not_count(
    decide: Decide, publish: Build, publication: Callable[..., Publication]
) -> None:
    decision = decide(holding(publication("a")), publish(b"", if_match="a", expires=0))

    assert decision.presentity.live(NOW) == []
    assert decision.presentity.next_expiry() == NOW + TOMBSTONE_SECONDS
    assert decision.lifetime == 0
    assert decision.changed


@pytest.mark.parametrize("etag", ["unknown", "over"])
def test_etag_of_no_live_publication_is_refused_412(
    decide: Decide, publish: Build, publication: Callable[..., Publication], etag: str
) -> None:
    presentity = holding(publication("a"), publication("over", expires=999))

    with pytest.raises(ConditionalRequestFailed):
        decide(presentity, publish(if_match=etag))


def test_second_if_match_is_refused_400(
    decide: Decide, publish: Build, publication: Callable[..., Publication]
) -> None:
    with pytest.raises(BadRequest):
        decide(holding(publication("a"), publication("b")), publish(if_match=["a", "b"]))


def test_initial_publish_without_a_body_is_refused_400(decide: Decide, publish: Build) -> None:
    with pytest.raises(BadRequest):
        decide(NOTHING, publish(b""))


def test_body_of_another_type_is_refused_415_with_what_is_taken(decide: Decide, publish: Build) -> None:
    with pytest.raises(UnsupportedMediaType) as refusal:
        decide(NOTHING, publish(content_type="text/plain"))

    assert refusal.value.headers() == (("Accept", "text/test, text/other"),)


def test_type_with_parameters_and_capitals_is_taken(decide: Decide, publish: Build) -> None:
    assert decide(NOTHING, publish(content_type="Text/Test ;charset=UTF-8")).changed


def test_body_that_cannot_be_read_is_refused_400(decide: Decide, publish: Build) -> None:
    with pytest.raises(BadRequest):
        decide(NOTHING, publish(b"bad"))


def test_body_over_the_limit_is_refused_413(decide: Decide, publish: Build) -> None:
    with pytest.raises(RequestEntityTooLarge):
        decide(NOTHING, publish(b"x" * 101))


def test_publication_over_the_limit_is_refused_403(
    decide: Decide, publish: Build, publication: Callable[..., Publication]
) -> None:
    with pytest.raises(Forbidden):
        decide(holding(publication("a"), publication("b")), publish())


def test_refusal_leaves_the_presentity_as_it_is(
    decide: Decide, publish: Build, publication: Callable[..., Publication]
) -> None:
    presentity = holding(publication("a"))

    with pytest.raises(BadRequest):
        decide(presentity, publish(b"bad", if_match="a"))

    assert [one.etag for one in presentity.publications] == ["a"]


@pytest.mark.parametrize("kind", ["initial", "modify", "refresh", "remove"])
def test_repeated_publish_gets_the_same_answer(
    decide: Decide, publish: Build, publication: Callable[..., Publication], kind: str
) -> None:
    presentity = NOTHING if kind == "initial" else holding(publication("a"))
    body = b"" if kind in ("refresh", "remove") else b"open"
    command = publish(body, if_match=() if kind == "initial" else "a", expires=0 if kind == "remove" else 600)
    first = decide(presentity, command)

    again = decide(first.presentity, command, etag="other", now=NOW + 1)

    assert again.repeated
    assert again.publication.etag == first.publication.etag == "new"
    assert again.presentity == first.presentity
    assert not again.changed


@pytest.mark.parametrize("expires", [600, 0])
def test_initial_publish_that_comes_late_makes_no_second_publication(
    decide: Decide, publish: Build, expires: int
) -> None:
    initial = publish(b"open", expires=600)
    first = decide(NOTHING, initial, etag="a")
    changed = decide(first.presentity, publish(b"more" if expires else b"", if_match="a", expires=expires), etag="b")

    late = decide(changed.presentity, initial, etag="c", now=NOW + 5)

    assert late.repeated
    assert late.presentity == changed.presentity


def test_expired_forgets_what_has_ended_and_old_tombstones(publication: Callable[..., Publication]) -> None:
    presentity = holding(publication("a", expires=1500), publication("gone", expires=0), publication("b", expires=2000))

    assert [one.etag for one in expired(presentity, 1010).publications] == ["a", "gone", "b"]
    assert [one.etag for one in expired(presentity, 1500).publications] == ["b"]
    assert expired(presentity, 1010) is presentity


def test_documents_are_those_of_live_publications_oldest_first(publication: Callable[..., Publication]) -> None:
    presentity = holding(publication("a", body=b"1"), publication("x", expires=10), publication("b", body=b"2"))

    assert presentity.documents(NOW) == [b"1", b"2"]
