import asyncio
from collections.abc import Sequence

import pytest

from lamplighter_proto import Answer, Command, FrameCodec, Moved, Publish, Reply, Subscribe, subjects
from lamplighter_runtime.bus import MemoryBus
from sip.message import Limits
from sip.transaction import ServerTransactions
from sip_edge.checks import Manners
from sip_edge.endpoint import Endpoint, Ways
from sip_edge.metrics import Counts
from sip_edge.targets import Targets
from sip_edge.testing import CLIENT, Clock, Owners, ScriptedCore, Wire, ok, request

PUBLISH = ("Event: presence", "Expires: 60", "Content-Type: application/pidf+xml")
SUBSCRIBE = ("Event: presence", "Contact: <sip:bob@10.0.0.5:5062>")


class Bench:
    """An endpoint with everything around it."""

    def __init__(self, *, max_pending: int = 10, domains: Sequence[str] = (), registrar: bool = True) -> None:
        self.bus, self.owners, self.clock, self.wire = MemoryBus(), Owners(), Clock(), Wire()
        self.counts = Counts()
        self.core = ScriptedCore(self.bus, ok)
        self.endpoint = Endpoint(
            Ways(
                instance="edge-1",
                shards=64,
                limits=Limits(max_body=1000),
                manners=Manners.of(registrar=registrar),
                retry_after=7,
                max_pending=max_pending,
                answer_timeout=5.0,
                repeat=1.0,
                first_id=100,
            ),
            bus=self.bus,
            directory=self.owners,
            targets=Targets(own=frozenset({("192.0.2.1", 5060)}), domains=frozenset(domains), shards=64),
            transactions=ServerTransactions(),
            counts=self.counts,
            monotonic=self.clock,
            wall=Clock(0.0),
        )

    async def start(self) -> "Bench":
        await self.core.start()
        await self.bus.subscribe(subjects.edge_replies("edge-1"), FrameCodec[Reply](Reply), self.endpoint.on_replies)
        return self

    def receive(self, data: bytes) -> None:
        self.endpoint.receive(data, self.wire, CLIENT)

    async def exchange(self, data: bytes) -> list[int]:
        self.receive(data)
        await turns()
        return self.statuses

    @property
    def statuses(self) -> list[int]:
        return [response.status for response in self.wire.responses()]


async def turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_publish_is_answered_with_what_the_core_decides() -> None:
    bench = await Bench().start()

    await bench.exchange(request("PUBLISH", headers=PUBLISH, body="<presence/>"))

    command = bench.core.commands[0]
    response = bench.wire.responses()[0]
    assert isinstance(command, Publish)
    assert (command.presentity, command.body, command.expires) == ("sip:alice@example.com", b"<presence/>", 60)
    assert (response.status, response.headers.get("Expires")) == (200, "60")
    assert response.headers.get("Date") == "Thu, 01 Jan 1970 00:00:00 GMT"


async def test_response_names_the_source_in_via_and_goes_there() -> None:
    bench = await Bench().start()

    await bench.exchange(request("PUBLISH", headers=PUBLISH))

    via = bench.wire.responses()[0].headers.get("Via") or ""
    assert "received=192.0.2.7" in via
    assert "rport=5070" in via
    assert bench.wire.sent[0][1] == CLIENT


async def test_retransmission_of_a_pending_request_is_absorbed() -> None:
    bench = await Bench().start()
    packet = request("PUBLISH", headers=PUBLISH)

    bench.receive(packet)
    bench.receive(packet)
    await turns()

    assert (len(bench.core.commands), bench.statuses, bench.counts.retransmissions) == (1, [200], 1)


async def test_retransmission_of_an_answered_request_gets_the_same_answer() -> None:
    bench = await Bench().start()
    packet = request("SUBSCRIBE", headers=SUBSCRIBE)
    await bench.exchange(packet)

    await bench.exchange(packet)

    assert len(bench.core.commands) == 1
    assert bench.wire.sent[0] == bench.wire.sent[1]


async def test_subscribe_2xx_has_our_contact_and_their_record_route() -> None:
    bench = await Bench().start()
    routes = ("Record-Route: <sip:p2.example.com;lr>", "Record-Route: <sip:p1.example.com;lr>")

    await bench.exchange(request("SUBSCRIBE", headers=(*SUBSCRIBE, *routes)))

    command, response = bench.core.commands[0], bench.wire.responses()[0]
    assert isinstance(command, Subscribe)
    assert command.route.route_set == ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>")
    assert response.headers.all("Record-Route") == ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"]
    assert response.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert (response.headers.get("To") or "").endswith(";tag=" + "a" * 40)


async def test_request_by_two_paths_is_refused_482_the_second_time() -> None:
    bench = await Bench().start()

    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKone"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKtwo"))
    await turns()

    assert bench.statuses == [482, 200]


async def test_request_in_a_dialog_is_never_a_merged_one() -> None:
    bench = await Bench().start()
    to = f"<sip:alice@example.com>;tag={'b' * 40}"

    await bench.exchange(request("SUBSCRIBE", headers=SUBSCRIBE, branch="z9hG4bKone", to=to))
    await bench.exchange(request("SUBSCRIBE", headers=SUBSCRIBE, branch="z9hG4bKtwo", to=to))

    assert bench.statuses == [200, 200]


async def test_options_is_answered_here() -> None:
    bench = await Bench(domains=["example.com"]).start()

    await bench.exchange(request("OPTIONS", "sip:example.com"))

    response = bench.wire.responses()[0]
    assert response.status == 200
    assert response.headers.get("Allow") == "PUBLISH, SUBSCRIBE, OPTIONS, REGISTER"
    assert all(name in response.headers for name in ("Accept", "Supported"))


@pytest.mark.parametrize(
    ("packet", "status", "header"),
    [
        (request("MESSAGE"), 405, ("Allow", "PUBLISH, SUBSCRIBE, OPTIONS, REGISTER")),
        (request("CANCEL"), 481, None),
        (request("PUBLISH", headers=("Max-Forwards: 0",)), 483, None),
        (request("PUBLISH", headers=("Require: eventlist, 100rel",)), 420, ("Unsupported", "eventlist, 100rel")),
        (request("SUBSCRIBE", "http://example.com"), 416, None),
        (request("SUBSCRIBE", headers=("Event: presence",)), 400, None),
        (request("SUBSCRIBE", "sip:alice@elsewhere.example", headers=SUBSCRIBE), 404, None),
        (request("PUBLISH", headers=PUBLISH).replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), 505, None),
        (request("PUBLISH", headers=PUBLISH, body="x" * 1_001), 413, None),
        (request("PUBLISH", headers=("Event: \x01\x02",)), 400, None),
        (request("PUBLISH", headers=("Event: presence", "Subject: caf?")).replace(b"caf?", b"caf\xe9"), 400, None),
    ],
)
async def test_request_that_sip_forbids_is_refused(packet: bytes, status: int, header: tuple[str, str] | None) -> None:
    bench = await Bench(domains=["example.com"]).start()

    await bench.exchange(packet)

    assert bench.statuses == [status]
    assert bench.core.commands == []
    assert header is None or bench.wire.responses()[0].headers.get(header[0]) == header[1]


async def test_refusal_bears_the_same_to_tag_each_time() -> None:
    bench = await Bench().start()
    packet = request("PUBLISH", headers=PUBLISH).replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia")

    await bench.exchange(packet)
    await bench.exchange(packet)

    tags = {response.headers.get("To") for response in bench.wire.responses()}
    assert len(tags) == 1
    assert ";tag=" in (tags.pop() or "")


@pytest.mark.parametrize(
    "packet", [b"no SIP at all, but long enough\r\n\r\n", request("ACK"), b"SIP/2.0 200 OK\r\n\r\n"]
)
async def test_message_that_cannot_be_answered_is_dropped_and_counted(packet: bytes) -> None:
    bench = await Bench().start()

    await bench.exchange(packet)

    assert (bench.statuses, sum(bench.counts.drops.values())) == ([], 1)


async def test_register_without_a_registrar_is_refused_405() -> None:
    bench = await Bench(registrar=False).start()

    assert await bench.exchange(request("REGISTER", "sip:example.com")) == [405]


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


async def test_endpoint_that_drains_answers_what_is_pending_and_refuses_what_is_new() -> None:
    bench = await Bench().start()

    bench.receive(request("PUBLISH", headers=PUBLISH, call_id="one", branch="z9hG4bKone"))
    bench.endpoint.draining = True
    bench.receive(request("PUBLISH", headers=PUBLISH, call_id="two", branch="z9hG4bKtwo"))
    await turns()

    assert bench.statuses == [503, 200]


async def test_answer_that_nobody_waits_for_is_counted() -> None:
    bench = await Bench().start()

    bench.endpoint.on_replies([Answer(id=99, status=200, reason="OK")])

    assert (bench.statuses, bench.counts.late_answers) == ([], 1)
