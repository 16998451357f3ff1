"""What is known of watchers beyond their subscriptions."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from presence_core.domain.subscription import Status, Subscription
from presence_core.domain.watcher import KnownWatcher, left, noted, watcher_id

NOW = 1000


def watcher(status: Status, reason: str = "") -> KnownWatcher:
    return KnownWatcher(
        presentity="sip:alice@example.com",
        watcher="sip:bob@example.com",
        event="presence",
        status=status,
        reason=reason,
        inserted=1,
        id="w",
    )


def test_noted_watcher_is_as_its_subscription(subscription: Callable[..., Subscription]) -> None:
    one = replace(subscription(local_tag="tag"), status=Status.PENDING, display_name="Bob")

    after = noted(one, NOW)

    assert after.key == ("sip:alice@example.com", "sip:bob@example.com", "presence")
    assert (after.status, after.reason, after.inserted, after.display_name) == (Status.PENDING, "", NOW, "Bob")
    assert after.id == watcher_id("tag")


def test_id_does_not_give_the_tag_away() -> None:
    assert "tag-1" not in watcher_id("tag-1")
    assert watcher_id("tag-1") == watcher_id("tag-1") != watcher_id("tag-2")


def test_pending_watcher_waits_from_when_it_has_left() -> None:
    after = left(watcher(Status.PENDING), NOW)

    assert after is not None
    assert (after.status, after.reason, after.inserted) == (Status.WAITING, "timeout", NOW)


def test_active_watcher_leaves_nothing() -> None:
    assert left(watcher(Status.ACTIVE), NOW) is None
    assert left(watcher(Status.ACTIVE, "polite-block"), NOW) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.TERMINATED, "rejected"), (Status.TERMINATED, "deactivated"), (Status.WAITING, "timeout")],
)
def test_watcher_that_is_decided_about_or_waits_stays_as_it_is(status: Status, reason: str) -> None:
    before = watcher(status, reason)

    assert left(before, NOW) == before
