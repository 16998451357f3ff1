"""Commands at the mercy of owners, cores and the bus."""

import pytest

from lamplighter_proto import Answer, Command, Moved, Reply
from sip_edge.testing import Bench, ScriptedCore, ok, request, turns

PUBLISH = ("Event: presence", "Expires: 60", "Content-Type: application/pidf+xml")


async def test_command_without_an_owner_waits_for_one() -> None:
    bench = await Bench().start()
    bench.owners.default = None
    await bench.exchange(request("PUBLISH", headers=PUBLISH))
    before = list(bench.statuses)

    bench.owners.default = "core-1"
    bench.endpoint.pending.reassign(set(range(64)))
    await turns()

    assert (before, bench.statuses) == ([], [200])


async def test_command_of_a_moved_shard_goes_to_its_new_owner() -> None:
    bench = await Bench().start()

    def moved(command: Command) -> Reply:
        bench.owners.default = "core-1"
        return Moved(id=command.id, shard=command.shard)

    old = ScriptedCore(bench.bus, moved, name="core-0")
    await old.start()
    bench.owners.default = "core-0"

    await bench.exchange(request("PUBLISH", headers=PUBLISH))

    assert (len(old.commands), len(bench.core.commands), bench.statuses) == (1, 1, [200])


async def test_command_without_an_answer_ends_in_503_and_may_come_again_at_once() -> None:
    bench = await Bench().start()
    bench.owners.default = None
    await bench.exchange(request("PUBLISH", headers=PUBLISH))

    bench.clock.now += 5.0
    bench.endpoint.sweep()
    bench.owners.default = "core-1"
    await bench.exchange(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKelsewhere"))

    assert bench.statuses == [503, 200]
    assert bench.wire.responses()[0].headers.get("Retry-After") == "7"


async def test_request_that_the_core_answers_503_may_come_again_at_once() -> None:
    bench = await Bench().start()
    bench.core.script = lambda command: Answer(id=command.id, status=503, reason="Service Unavailable")
    await bench.exchange(request("PUBLISH", headers=PUBLISH))

    bench.core.script = ok
    await bench.exchange(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKelsewhere"))

    assert bench.statuses == [503, 200]


async def test_answer_that_cannot_be_written_is_a_500_and_costs_nobody_else_his() -> None:
    bench = await Bench().start()
    bench.core.script = lambda command: Answer(
        id=command.id, status=200, reason="OK", headers=(("X", "a\r\nb"),) if command.id == 100 else ()
    )

    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKone", call_id="one"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKtwo", call_id="two"))
    await turns()

    assert bench.statuses == [500, 200]


async def test_command_after_a_time_without_the_bus_is_sent_again() -> None:
    bench = await Bench().start()
    bench.owners.default = "core-2"
    await bench.exchange(request("PUBLISH", headers=PUBLISH))

    bench.bus.connected = False
    bench.endpoint.sweep()
    bench.bus.connected, bench.owners.default = True, "core-1"
    bench.endpoint.sweep()
    await turns()

    assert bench.statuses == [200]


async def test_request_while_the_bus_is_away_is_refused_503_at_once() -> None:
    bench = await Bench().start()
    bench.bus.connected = False

    assert await bench.exchange(request("PUBLISH", headers=PUBLISH)) == [503]


async def test_request_over_the_limit_of_waiting_ones_is_refused_503() -> None:
    bench = await Bench(max_pending=1).start()

    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKone", call_id="one"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKtwo", call_id="two"))
    await turns()

    assert bench.statuses == [503, 200]


async def test_request_to_cores_that_have_enough_is_refused_and_so_is_its_repeat() -> None:
    bench = await Bench(max_pending_per_core=1).start()

    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKone", call_id="one"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKone", call_id="one"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKtwo", call_id="two"))
    await turns()
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKtwo", call_id="two"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKthree", call_id="two"))
    await turns()

    assert bench.statuses == [503, 200, 503, 200]
    assert bench.wire.responses()[0].headers.get("Retry-After") == "7"


@pytest.mark.parametrize(("reliable", "statuses"), [(True, [503, 200]), (False, [200])])
async def test_endpoint_that_drains_answers_what_is_pending_and_takes_nothing_new(
    reliable: bool, statuses: list[int]
) -> None:
    bench = await Bench().start()
    bench.wire.reliable = reliable

    bench.receive(request("PUBLISH", headers=PUBLISH, call_id="one", branch="z9hG4bKone"))
    bench.endpoint.draining = True
    bench.receive(request("PUBLISH", headers=PUBLISH, call_id="two", branch="z9hG4bKtwo"))
    await turns()

    assert bench.statuses == statuses


async def test_answer_that_nobody_waits_for_is_counted() -> None:
    bench = await Bench().start()

    bench.endpoint.on_replies([Answer(id=99, status=200, reason="OK")])

    assert (bench.statuses, bench.counts.late_answers) == ([], 1)


async def test_core_that_asks_whether_a_command_is_still_wanted_gets_it_again() -> None:
    bench = await Bench().start()
    bench.core.script = lambda command: (
        ok(command) if command.asked else Moved(id=command.id, shard=command.shard, asked=1234.5)
    )

    assert await bench.exchange(request("PUBLISH", headers=PUBLISH)) == [200]

    first, second = bench.core.commands
    assert (first.asked, second.asked) == (0.0, 1234.5)
    assert first.deadline == second.deadline == 5.0


async def test_core_that_asks_for_a_command_that_was_given_up_gets_no_word() -> None:
    bench = await Bench().start()
    bench.core.script = lambda command: None
    await bench.exchange(request("PUBLISH", headers=PUBLISH))
    bench.clock.now += 6.0
    bench.endpoint.sweep()

    bench.endpoint.on_replies([Moved(id=100, shard=bench.core.commands[0].shard, asked=1234.5)])
    await turns()

    assert bench.statuses == [503]
    assert len(bench.core.commands) == 1
