"""The hot path does not become dearer unnoticed. `python -m tests.costs --write` sets new limits."""

import pytest

from . import limits
from .cases import CASES, ELSEWHERE, core_publish, core_publish_among_many, parse_publish


@pytest.mark.parametrize("name", CASES)
async def test_cost_of_a_step_stays_below_its_limit(name: str) -> None:
    kept, margin = limits.read()

    today = await CASES[name]()

    told = f"{name}: {today}, remembered {kept[name]}, margin {margin}"
    assert today.instructions <= margin * kept[name].instructions, told
    assert today.calls <= margin * kept[name].calls, told


async def test_cost_is_the_same_number_every_time() -> None:
    first = await parse_publish()

    assert await parse_publish() == first


async def test_cost_of_a_publish_among_other_subscriptions_is_that_of_one_alone() -> None:
    alone = await core_publish()

    among = await core_publish_among_many()

    assert among.instructions <= 1.1 * alone.instructions, f"{among} among {ELSEWHERE}, {alone} alone"


def test_limits_name_every_case_and_nothing_else() -> None:
    assert list(limits.read()[0]) == list(CASES)
