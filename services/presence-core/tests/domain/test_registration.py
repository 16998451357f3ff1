"""RFC 3261 §10.3."""

from collections.abc import Callable

import pytest

from event_packages.errors import BadRequest, Forbidden, IntervalTooBrief, StaleCSeq
from lamplighter_proto import Binding, Register
from presence_core.domain.lifetime import Bounds
from presence_core.domain.registration import Registration, decide_register, forgotten

BOUNDS = Bounds(least=60, most=3600, default=1800)
NOBODY = Registration(aor="sip:alice@example.com")
PHONE, DESK = "sip:alice@192.0.2.5", "sip:alice@192.0.2.6"
Build = Callable[..., Register]


def decide(known: Registration, command: Register, now: float = 1000.0) -> Registration:
    return decide_register(known, command, BOUNDS, 2, now=now).registration


def test_register_binds_each_contact_for_its_own_time(register: Build) -> None:
    after = decide(
        NOBODY, register(Binding(contact=PHONE, expires=60), Binding(contact=DESK, expires=None), expires=90)
    )

    assert [(one.uri, one.expires) for one in after.live(1000.0)] == [(PHONE, 1060), (DESK, 1090)]


def test_register_without_a_time_gets_the_default(register: Build) -> None:
    assert decide(NOBODY, register(Binding(contact=PHONE, expires=None))).contacts[0].expires == 2800


def test_register_without_contacts_asks_only(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60)))

    decision = decide_register(before, register(cseq=2), BOUNDS, 2, now=1001.0)

    assert decision.registration == before
    assert decision.changed == ()


def test_register_again_refreshes(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60)))

    after = decide(before, register(Binding(contact=PHONE, expires=60), cseq=2), now=1030.0)

    assert [one.expires for one in after.contacts] == [1090]


def test_expires_zero_removes_one(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60), Binding(contact=DESK, expires=60)))

    after = decide(before, register(Binding(contact=PHONE, expires=0), cseq=2))

    assert [one.uri for one in after.live(1000.0)] == [DESK]


def test_star_removes_all(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60), Binding(contact=DESK, expires=60)))

    assert decide(before, register(remove_all=True, expires=0, cseq=2)).live(1000.0) == []


@pytest.mark.parametrize("expires", [None, 60])
def test_star_without_expires_zero_is_refused_400(register: Build, expires: int | None) -> None:
    with pytest.raises(BadRequest):
        decide(NOBODY, register(remove_all=True, expires=expires))


def test_star_beside_a_contact_is_refused_400(register: Build) -> None:
    with pytest.raises(BadRequest):
        decide(NOBODY, register(Binding(contact=PHONE, expires=0), remove_all=True, expires=0))


def test_too_short_is_refused_423(register: Build) -> None:
    with pytest.raises(IntervalTooBrief):
        decide(NOBODY, register(Binding(contact=PHONE, expires=5)))


def test_older_request_is_refused_500(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60), cseq=5))

    with pytest.raises(StaleCSeq):
        decide(before, register(Binding(contact=PHONE, expires=0), cseq=4))


def test_other_call_of_the_client_counts_from_anew(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60), cseq=5))

    after = decide(before, register(Binding(contact=PHONE, expires=90), cseq=1, call_id="after a restart"))

    assert [one.expires for one in after.contacts] == [1090]


def test_too_many_are_refused_403(register: Build) -> None:
    three = [Binding(contact=f"sip:alice@192.0.2.{number}", expires=60) for number in range(3)]

    with pytest.raises(Forbidden):
        decide(NOBODY, register(*three))


def test_old_bindings_are_forgotten(register: Build) -> None:
    before = decide(NOBODY, register(Binding(contact=PHONE, expires=60)))

    assert forgotten(before, 1060.0) is before
    assert forgotten(before, 1200.0).contacts == ()
