"""The wheel of deadlines: nothing early, nothing lost, nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from presence_core.domain.expiry import TICK, Wheel

TIMES = st.lists(st.floats(min_value=1000.0, max_value=1100.0), max_size=30)


@given(deadlines=TIMES, steps=st.lists(st.floats(min_value=0.01, max_value=30.0), max_size=20))
def test_every_key_comes_up_once_not_early_and_within_a_tick(deadlines: list[float], steps: list[float]) -> None:
    wheel: Wheel[int] = Wheel(1000.0)
    for key, at in enumerate(deadlines):
        wheel.set(key, at)
    now, before, seen = 1000.0, 1000.0, list[int]()

    for step in [*steps, 200.0]:
        before, now = now, now + step
        for key in wheel.due(now):
            assert now >= deadlines[key]
            assert before <= deadlines[key] + 2 * TICK
            seen.append(key)

    assert sorted(seen) == list(range(len(deadlines)))
    assert len(wheel) == 0


def test_key_set_in_the_past_comes_up_next() -> None:
    wheel: Wheel[str] = Wheel(1000.0)

    wheel.set("late", 10.0)

    assert wheel.due(1000.0) == []
    assert wheel.due(1000.2) == ["late"]


def test_keys_come_up_in_the_order_of_their_times() -> None:
    wheel: Wheel[str] = Wheel(0.0)
    wheel.set("second", 5.0)
    wheel.set("first", 2.0)

    assert wheel.due(10.0) == ["first", "second"]
