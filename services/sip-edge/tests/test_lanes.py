"""How many requests of one source the cores have at a time."""

from sip_edge.lanes import Entry, Lanes

BUSY, OTHER = b"busy", b"other"


def test_item_goes_while_its_lane_is_free_then_waits_and_then_is_one_too_many() -> None:
    lanes: Lanes[int] = Lanes(at_work=2, limit=1)

    entries = [lanes.enter(BUSY, number, 0.0) for number in range(4)]

    assert entries == [Entry.GO, Entry.GO, Entry.WAIT, Entry.FULL]
    assert len(lanes) == 1


def test_item_of_another_lane_or_of_none_goes_whoever_waits() -> None:
    lanes: Lanes[int] = Lanes(at_work=1, limit=1)
    for number in range(2):
        lanes.enter(BUSY, number, 0.0)

    entries = [lanes.enter(OTHER, 2, 0.0), *(lanes.enter(None, number, 0.0) for number in range(3))]

    assert entries == [Entry.GO] * 4


def test_place_that_is_left_is_taken_by_who_waits_longest() -> None:
    lanes: Lanes[int] = Lanes(at_work=1, limit=2)
    for number in range(3):
        lanes.enter(BUSY, number, 0.0)

    order = [lanes.leave(BUSY), lanes.enter(BUSY, 3, 0.0), lanes.leave(BUSY), lanes.leave(BUSY), lanes.leave(BUSY)]

    assert order == [1, Entry.WAIT, 2, 3, None]
    assert lanes.enter(BUSY, 4, 0.0) is Entry.GO


def test_lane_that_is_empty_is_forgotten() -> None:
    lanes: Lanes[int] = Lanes(at_work=1, limit=1)

    for number in range(3):
        source = str(number).encode()
        lanes.enter(source, number, 0.0)
        lanes.leave(source)

    assert lanes.sources == 0


def test_item_that_waits_too_long_is_taken_out_and_the_rest_stays() -> None:
    lanes: Lanes[int] = Lanes(at_work=1, limit=3)
    for number in range(4):
        lanes.enter(BUSY, number, float(number))

    overdue = list(lanes.overdue(3.0))

    assert overdue == [1, 2]
    assert (len(lanes), lanes.leave(BUSY), lanes.leave(BUSY)) == (1, 3, None)
