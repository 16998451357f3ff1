"""Token buckets of sources, by a clock of our own."""

import pytest

from sip_edge.sources import Sources, Verdict

PASS, REFUSE, DROP = Verdict.PASS, Verdict.REFUSE, Verdict.DROP


def verdicts(sources: Sources, number: int, now: float, host: str = "192.0.2.7") -> list[Verdict]:
    return [sources.judge(host, now) for _ in range(number)]


def test_source_within_its_burst_passes_then_is_refused_then_not_heard() -> None:
    sources = Sources(rate=10, burst=3)

    assert verdicts(sources, 8, 0.0) == [PASS] * 3 + [REFUSE] * 3 + [DROP] * 2


def test_source_over_its_rate_still_gets_its_rate_and_a_tenth_of_it_refused() -> None:
    sources = Sources(rate=8, burst=3)
    verdicts(sources, 100, 0.0)

    steps = [verdicts(sources, 5, step / 8) for step in range(1, 101)]

    assert all(step[0] is PASS and step.count(PASS) == 1 for step in steps)
    assert sum(step.count(REFUSE) for step in steps) in (9, 10)


def test_source_that_was_silent_has_its_burst_again_and_no_more() -> None:
    sources = Sources(rate=10, burst=3)
    verdicts(sources, 100, 0.0)

    assert verdicts(sources, 5, 1000.0) == [PASS] * 3 + [REFUSE] * 2


def test_sources_do_not_share_a_bucket() -> None:
    sources = Sources(rate=10, burst=3)
    verdicts(sources, 100, 0.0)

    assert verdicts(sources, 1, 0.0, "192.0.2.8") == [PASS]


@pytest.mark.parametrize(
    ("host", "verdict"), [("2001:db8:0:1::2", DROP), ("2001:db8:0:1:ffff::", DROP), ("2001:db8:0:2::1", PASS)]
)
def test_ipv6_source_is_its_64(host: str, verdict: Verdict) -> None:
    sources = Sources(rate=10, burst=1)
    verdicts(sources, 2, 0.0, "2001:db8:0:1::1")

    assert sources.judge(host, 0.0) is verdict


@pytest.mark.parametrize("host", ["198.51.100.9", "2001:db8::7"])
def test_trusted_source_is_never_limited_nor_remembered(host: str) -> None:
    sources = Sources(rate=10, burst=1, trusted=("198.51.100.0/24", "2001:db8::7"))

    assert set(verdicts(sources, 100, 0.0, host)) == {PASS}
    assert len(sources) == 0


def test_rate_of_zero_limits_nothing() -> None:
    sources = Sources(rate=0, burst=1)

    assert set(verdicts(sources, 100, 0.0)) == {PASS}
    assert len(sources) == 0


def test_responses_have_a_limit_of_their_own_that_is_ten_times_as_high() -> None:
    sources = Sources(rate=10, burst=2)
    verdicts(sources, 100, 0.0)

    heard = [sources.admits_response("192.0.2.7", 0.0) for _ in range(30)]

    assert heard == [True] * 20 + [False] * 10
    assert sources.admits_response("192.0.2.7", 0.01)


def test_table_of_sources_is_bounded_and_keeps_who_sends_all_the_time() -> None:
    sources = Sources(rate=10, burst=1, most=100)
    verdicts(sources, 2, 0.0, "192.0.2.7")

    for number in range(1000):
        sources.judge(f"10.0.{number // 250}.{number % 250}", 0.0)
        assert sources.judge("192.0.2.7", 0.0) is DROP

    assert len(sources) == 100


def test_address_with_a_scope_is_a_source() -> None:
    assert Sources(rate=10, burst=1).judge("fe80::1%eth0", 0.0) is PASS
