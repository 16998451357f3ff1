"""Several publications of one presentity become one document (RFC 3863, RFC 4479)."""

from .conftest import Agents
from .documents import pidf, tuple_ids
from .publication import Publication
from .watch import Notification


async def test_composition_of_two_devices_shows_both(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    await Publication(alice, alice.aor).accepted(pidf(alice.aor, tuple_id="desk", note="at the desk"))
    await Publication(alice, alice.aor).accepted(pidf(alice.aor, tuple_id="car", note="in the car"))
    both = await watch.state(lambda one: len(one.notes) == 2)

    assert sorted(both.notes) == ["at the desk", "in the car"]
    assert len(set(tuple_ids(both.body))) == 2


async def test_composition_newest_comes_first(agents: Agents) -> None:
    """Several clients look at the first tuple alone."""
    alice, bob = await agents("alice"), await agents("bob")
    desk, car = Publication(alice, alice.aor), Publication(alice, alice.aor)
    await desk.accepted(pidf(alice.aor, tuple_id="desk", note="desk 1"))
    await car.accepted(pidf(alice.aor, tuple_id="car", note="car 1"))
    await desk.accepted(pidf(alice.aor, tuple_id="desk", note="desk 2"))

    watch = await bob.watch(alice.aor).active()

    assert watch.last.notes == ["desk 2", "car 1"]


async def test_composition_same_tuple_published_twice_shows_the_later(agents: Agents) -> None:
    """What a phone does that publishes anew without its entity-tag."""
    alice, bob = await agents("alice"), await agents("bob")
    await Publication(alice, alice.aor).accepted(pidf(alice.aor, basic="closed", note="old"))
    await Publication(alice, alice.aor).accepted(pidf(alice.aor, basic="open", note="new"))

    watch = await bob.watch(alice.aor).active()

    assert watch.last.basics[0] == "open"
    assert watch.last.notes[0] == "new"


async def test_composition_keeps_persons_behind_all_tuples(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    await Publication(alice, alice.aor).accepted(pidf(alice.aor, tuple_id="desk", person="on-the-phone", device="d1"))
    await Publication(alice, alice.aor).accepted(pidf(alice.aor, tuple_id="car"))
    both = await watch.state(lambda one: len(one.basics) == 2)

    assert b"<rpid:on-the-phone/>" in both.body


async def test_composition_without_a_removed_part_shows_the_rest(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    desk, car = Publication(alice, alice.aor), Publication(alice, alice.aor)
    watch = await bob.watch(alice.aor).active()
    await desk.accepted(pidf(alice.aor, tuple_id="desk", note="desk"))
    await car.accepted(pidf(alice.aor, tuple_id="car", note="car"))
    await watch.state(lambda one: len(one.notes) == 2)
    before = len(watch.notifications)

    await car.remove()
    rest = await watch.state(lambda one: one.notes == ["desk"], after=before)
    await desk.remove()
    nothing = await watch.state(_shows_nobody, after=before + 1)

    assert rest.basics == ["open"]
    assert nothing.state.state == "active"


def _shows_nobody(one: Notification) -> bool:
    return "open" not in one.basics


async def test_composition_is_one_state_for_addresses_that_are_equal(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    user = alice.aor.removeprefix("sip:").partition("@")[0]
    await Publication(alice, f"sip:{user}@EXAMPLE.test:5060;transport=udp").accepted(pidf(alice.aor, note="same"))

    watch = await bob.watch(alice.aor).active()

    assert watch.last.notes == ["same"]
