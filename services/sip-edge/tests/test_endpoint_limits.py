"""What one source, one presentity or one watcher may ask of the edge."""

import pytest

from lamplighter_proto import Command
from sip_edge.testing import Bench, request, turns

PRESENCE = ("Event: presence",)


def silent(command: Command) -> None:
    """Decide nothing, as a core does that is busy."""


def publish(number: int, uri: str = "sip:alice@example.com") -> bytes:
    return request("PUBLISH", uri, branch=f"z9hG4bK{number}", call_id=f"call-{number}", headers=PRESENCE)


def subscribe(number: int, uri: str, watcher: str = "sip:bob@example.com") -> bytes:
    return request(
        "SUBSCRIBE",
        uri,
        branch=f"z9hG4bKs{number}",
        call_id=f"watch-{number}",
        from_=f"<{watcher}>;tag=f1",
        headers=(*PRESENCE, "Contact: <sip:bob@10.0.0.5:5062>"),
    )


async def test_source_over_its_rate_gets_503_with_retry_after_and_costs_no_command_and_no_transaction() -> None:
    bench = await Bench(rate=1, burst=2).start()

    for number in range(5):
        await bench.exchange(publish(number))

    assert bench.statuses == [200, 200, 503, 503]
    assert bench.wire.responses()[2].headers.get("Retry-After") == "7"
    assert len(bench.core.commands) == len(bench.endpoint.transactions) == 2
    assert bench.counts.over_rate == {"refused": 2, "dropped": 1}


async def test_source_that_was_refused_is_served_again_when_time_has_passed() -> None:
    bench = await Bench(rate=1, burst=1).start()
    await bench.exchange(publish(1))
    await bench.exchange(publish(2))

    bench.clock.now += 1.0
    await bench.exchange(publish(2))

    assert bench.statuses == [200, 503, 200]


async def test_repeat_of_a_request_that_waits_is_never_refused_for_the_rate() -> None:
    bench = await Bench(rate=1, burst=1).start()
    bench.core.script = silent
    await bench.exchange(publish(1))

    await bench.exchange(publish(1))

    assert bench.statuses == []
    assert bench.counts.retransmissions == 1


async def test_responses_over_their_rate_are_not_heard() -> None:
    bench = await Bench(rate=1, burst=1).start()
    heard: list[bytes] = []
    bench.endpoint.on_response = heard.append

    for _ in range(12):
        bench.receive(b"SIP/2.0 200 OK\r\n\r\n")

    assert (len(heard), bench.counts.over_rate["response-dropped"]) == (10, 2)


async def test_presentity_of_which_many_requests_wait_is_refused_and_the_others_are_not() -> None:
    bench = await Bench(max_pending_per_name=2).start()
    bench.core.script = silent

    for number in range(3):
        await bench.exchange(publish(number))
    await bench.exchange(publish(3, "sip:carol@example.com"))

    assert bench.statuses == [503]
    assert bench.wire.responses()[0].headers.get("Retry-After") == "7"
    assert len(bench.core.commands) == 3
    assert bench.counts.crowded == 1


async def test_watcher_of_whom_many_requests_wait_is_refused_and_the_others_are_not() -> None:
    bench = await Bench(max_pending_per_name=2).start()
    bench.core.script = silent

    for number in range(3):
        await bench.exchange(subscribe(number, f"sip:p{number}@example.com"))
    await bench.exchange(subscribe(3, "sip:p3@example.com", "sip:erin@example.com"))

    assert bench.statuses == [503]
    assert len(bench.core.commands) == 3


@pytest.mark.parametrize("answered", [True, False])
async def test_presentity_is_served_again_when_its_requests_are_answered_or_given_up(answered: bool) -> None:
    bench = await Bench(max_pending_per_name=1).start()
    bench.core.script = silent
    await bench.exchange(publish(1))
    if answered:
        bench.endpoint.pending.take(bench.core.commands[0].id)
    else:
        bench.clock.now += 6.0
        bench.endpoint.sweep()

    await bench.exchange(publish(2))

    assert [command.transaction.call_id for command in bench.core.commands] == ["call-1", "call-2"]


async def test_request_that_was_refused_for_its_presentity_may_come_again_by_another_transaction() -> None:
    bench = await Bench(max_pending_per_name=1).start()
    bench.core.script = silent
    await bench.exchange(publish(1))
    await bench.exchange(publish(2))
    bench.endpoint.pending.take(bench.core.commands[0].id)

    again = request("PUBLISH", branch="z9hG4bKagain", call_id="call-2", headers=PRESENCE)
    await bench.exchange(again)
    await turns()

    assert bench.statuses == [503]
    assert len(bench.core.commands) == 2


async def test_source_with_as_many_requests_at_the_cores_as_it_may_have_waits_and_another_does_not() -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1).start()
    bench.core.script = silent
    for number in range(3):
        bench.receive(publish(number))

    bench.receive(publish(3), ("198.51.100.7", 5060))
    await turns()

    assert [command.transaction.call_id for command in bench.core.commands] == ["call-0", "call-3"]


async def test_request_that_waits_for_its_source_is_served_when_one_before_it_is_answered() -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1).start()
    for number in range(3):
        bench.receive(publish(number))

    bench.clock.now += 3.0
    for _ in range(3):
        await turns()

    assert bench.statuses == [200, 200, 200]


async def test_requests_behind_one_that_is_refused_at_once_are_served() -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1).start()
    wrong = request("PUBLISH", branch="z9hG4bKwrong", call_id="wrong", headers=("Event: ;",))

    for packet in (publish(1), wrong, request("OPTIONS", branch="z9hG4bKoptions", call_id="options"), publish(2)):
        bench.receive(packet)
    for _ in range(3):
        await turns()

    assert bench.statuses == [200, 400, 200, 200]


async def test_request_that_waits_for_its_source_too_long_or_is_one_too_many_gets_503() -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1, max_pending_per_name=2).start()
    bench.core.script = silent
    for number in range(4):
        bench.receive(publish(number))
    await turns()
    too_many = bench.statuses

    bench.clock.now += 5.1
    bench.endpoint.sweep()
    await turns()

    assert (too_many, bench.statuses) == ([503], [503] * 4)
    assert len(bench.core.commands) == 1
    assert bench.counts.crowded == 1


async def test_bug_in_a_request_costs_its_source_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1).start()
    with monkeypatch.context() as patch:
        patch.setattr(bench.owners, "owners", None)
        await bench.exchange(publish(1))

    await bench.exchange(publish(2))

    assert bench.statuses == [500, 200]
    assert bench.counts.drops["bug"] == 1


async def test_request_that_a_core_does_not_answer_gives_its_place_to_another_when_it_is_given_up() -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1).start()
    bench.core.script = silent
    await bench.exchange(publish(1))
    bench.clock.now += 3.0
    await bench.exchange(publish(2))

    bench.clock.now += 3.0
    bench.endpoint.sweep()
    await turns()

    assert bench.statuses == [503]
    assert [command.transaction.call_id for command in bench.core.commands if command.asked == 0.0][-1] == "call-2"


async def test_requests_that_wait_for_their_source_count_among_those_that_may_wait_in_all() -> None:
    bench = await Bench(rate=100, burst=100, at_work_per_source=1, max_pending=2).start()
    bench.core.script = silent
    for number in range(2):
        bench.receive(publish(number))

    bench.receive(publish(3), ("198.51.100.7", 5060))
    await turns()

    assert bench.statuses == [503]
