"""Documents that carry a version, one for each watcher (RFC 4235 §4.1, RFC 3858 §4.1)."""

from itertools import count

import pytest
from msgspec.structs import replace

from lamplighter_proto import Notify, Target
from notifier.domain.deliveries import Deliveries, Effects, Limits
from notifier.domain.edges import Edges
from notifier.domain.notify import Heads, Unbuildable, Versioned, entity
from sip.transaction import ClientTransactions, Timers


def versioned(document: bytes, version_at: int) -> Versioned:
    rest = entity("application/watcherinfo+xml", document, version_at)
    assert isinstance(rest, Versioned)
    return rest


def begin(notify: Notify) -> Effects:
    """Return what new deliveries want done for a Notify."""
    numbers = count(1)
    effects = Effects()
    deliveries = Deliveries(
        notifier="notifier-1",
        new_branch=lambda: f"z9hG4bK{next(numbers)}",
        heads=Heads(100),
        transactions=ClientTransactions(Timers(t1=0.5, t2=4.0, t4=5.0)),
        limits=Limits(transactions=10, transaction_bytes=1_000_000, retry_after=5, still_trying=2.0),
        edges=Edges(failover=False, grace=2.0),
    )
    deliveries.begin(notify, 1000.0, effects)
    return effects


@pytest.fixture
def two(target: Target) -> tuple[Target, Target]:
    """Return two watchers who have seen different versions."""
    return target, replace(target, version=1234, dialog=replace(target.dialog, local_tag="other"))


@pytest.mark.parametrize("version", [0, 9, 10, 4294967295])
def test_versioned_entity_has_the_version_at_its_place_and_the_length_of_the_whole(version: int) -> None:
    document = b'<w version="" note="100%d"/>'

    rest = versioned(document, document.index(b'""') + 1).of(version)

    body = b'<w version="%d" note="100%%d"/>' % version
    head = b"Content-Type: application/watcherinfo+xml\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert rest == head + body


@pytest.mark.parametrize(("version_at", "body"), [(0, b"7<w/>"), (4, b"<w/>7")])
def test_versioned_entity_with_the_version_at_an_end_is_built(version_at: int, body: bytes) -> None:
    assert versioned(b"<w/>", version_at).of(7).endswith(b"\r\nContent-Length: 5\r\n\r\n" + body)


@pytest.mark.parametrize("document", [b"", b"<w/>"])
def test_entity_with_the_version_beyond_its_document_is_refused(document: bytes) -> None:
    with pytest.raises(Unbuildable, match="version"):
        entity("application/watcherinfo+xml", document, len(document) + 1)


def test_entity_without_a_document_has_no_version() -> None:
    assert entity("application/watcherinfo+xml", b"", 0) == b"Content-Length: 0\r\n\r\n"


def test_notify_of_a_versioned_document_gives_each_watcher_its_version(
    notify: Notify, two: tuple[Target, Target]
) -> None:
    document = b'<dialog-info version=""/>'

    effects = begin(replace(notify, targets=two, document=document, version_at=len(document) - 3))

    first, second = (send.packet for send in effects.sends)
    assert first.endswith(b'\r\nContent-Length: 26\r\n\r\n<dialog-info version="4"/>')
    assert second.endswith(b'\r\nContent-Length: 29\r\n\r\n<dialog-info version="1234"/>')


def test_notify_with_its_version_beyond_the_document_is_refused_for_every_target(
    notify: Notify, two: tuple[Target, Target]
) -> None:
    effects = begin(replace(notify, targets=two, version_at=len(notify.document) + 1))

    assert effects.sends == []
    assert [outcome.status for _, _, outcome in effects.reports] == [500, 500]
    assert ["version at" in refusal.problem for refusal in effects.refusals] == [True, True]
