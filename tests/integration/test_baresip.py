"""baresip, a softphone that we did not write: two of them register, publish, and watch each other."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from .baresip import Baresip
from .conftest import running, unique
from .served import until
from .system import QUICK, System

pytestmark = pytest.mark.client
LIFETIME = 6
"""Seconds that a subscription is granted and a publication asks for, so that both are refreshed while we look."""
Phones = Callable[[str], tuple[Baresip, Baresip]]


@pytest.fixture(scope="module")
def brief() -> Iterator[System]:
    """Run a system that grants short subscriptions."""
    yield from running(System(QUICK | {"PRESENCE_CORE_SUBSCRIPTION_EXPIRES_MAX_SECONDS": str(LIFETIME)}))


@pytest.fixture
def phones(brief: System) -> Iterator[Phones]:
    """Return a maker of pairs of phones that watch each other."""
    made: list[Baresip] = []

    def make(transport: str) -> tuple[Baresip, Baresip]:
        names = [unique("alice"), unique("bob")]
        for own, other in (names, reversed(names)):
            made.append(Baresip(brief, own, [other], transport=transport, interval=LIFETIME))
            made[-1].start()
        return made[-2], made[-1]

    yield make
    for phone in made:
        phone.close()


def test_baresip_sees_baresip_come_and_go(phones: Phones, brief: System, transport: str) -> None:
    alice, bob = phones(transport)

    alice.command("presence_online")
    bob.sees(alice.aor, "Online")
    alice.command("presence_offline")
    bob.sees(alice.aor, "Offline")
    bob.command("presence_online")
    alice.sees(bob.aor, "Online")

    assert [one["transport"] for one in brief.subscriptions(alice.aor)] == [transport.upper()]


def test_baresip_refreshes_and_is_seen_all_the_while(phones: Phones, brief: System, transport: str) -> None:
    alice, bob = phones(transport)
    alice.command("presence_online")
    bob.sees(alice.aor, "Online")
    tags, calls = {tag for tag, _ in publications(brief, alice.aor)}, brief.subscriptions(alice.aor)

    until(lambda: bool({tag for tag, _ in publications(brief, alice.aor)} - tags), LIFETIME + 2, alice.report)
    until(lambda: refreshed(brief, alice.aor) >= 2, LIFETIME * 2 + 4, bob.report)

    assert bob.seen(alice.aor) == "Online"
    assert [one["call_id"] for one in brief.subscriptions(alice.aor)] == [one["call_id"] for one in calls]


def test_baresip_that_leaves_takes_its_state_along(phones: Phones, brief: System, transport: str) -> None:
    alice, bob = phones(transport)
    alice.command("presence_online")
    bob.sees(alice.aor, "Online")

    alice.quit()
    bob.sees(alice.aor, "Offline", timeout=LIFETIME + 4)

    until(lambda: brief.subscriptions(bob.aor) == [], 5.0, brief.tail)
    until(lambda: publications(brief, alice.aor) == [], LIFETIME + 2, brief.tail)


def publications(system: System, presentity: str) -> list[tuple[str, int]]:
    """Return entity-tag and seconds left of each publication."""
    view = system.get("presence-core", f"/presentities/{presentity}")
    events = view.json()["events"] if view.status_code == 200 else []
    return [(one["etag"], one["expires_in"]) for event in events for one in event["publications"]]


_lifetimes: dict[str, list[int]] = {}


def refreshed(system: System, presentity: str) -> int:
    """Return how often the time left of the one subscription was seen to grow."""
    seen = _lifetimes.setdefault(presentity, [])
    seen += [int(one["expires_in"]) for one in system.subscriptions(presentity)]
    return sum(later > earlier for earlier, later in pairwise(seen))
