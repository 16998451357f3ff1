"""A core that stood still says nothing before it knows what it has lost."""

from dataclasses import dataclass

from presence_core.standstill import Standstill

LEASE = 2.0
START = 100.0


@dataclass
class Directory:
    """Knows as much as the test says."""

    known_at: float = START


def test_process_that_has_just_begun_is_unsure_until_it_knows_who_owns_what() -> None:
    directory = Directory(known_at=START - 1)
    standstill = Standstill(directory, LEASE)

    before = standstill.look(START)
    directory.known_at = START + 0.1

    assert before
    assert not standstill.look(START + 0.2)


def test_process_that_looks_often_is_sure_however_old_its_knowledge_is() -> None:
    standstill = Standstill(Directory(), LEASE)

    assert not any(standstill.look(START + step) for step in range(60))


def test_process_that_stood_still_beyond_its_lease_is_unsure_until_it_has_read_what_happened_since() -> None:
    directory = Directory()
    standstill = Standstill(directory, LEASE)
    standstill.look(START)

    woken = standstill.look(START + 1.5)
    still = standstill.look(START + 1.6)
    directory.known_at = START + 1.55

    assert (woken, still) == (True, True)
    assert not standstill.look(START + 1.7)
