"""The notifier on a bus in memory, between an edge and a core that are played here."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from lamplighter_proto import FrameCodec, Message, Notify, Outcome, Received, Send, subjects
from lamplighter_proto.ownership import Member
from lamplighter_runtime.bus import MemoryBus, MemoryNetwork
from lamplighter_runtime.metrics import Registry
from notifier.service import Notifier, Worker, branches, build
from notifier.settings import Settings


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Peers:
    """The bus as edge-1 and core-1 see it; what arrives for them waits in queues."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.bus = MemoryBus(network)
        self.sends: asyncio.Queue[Send] = asyncio.Queue()
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    async def listen(self) -> None:
        await self.bus.subscribe(subjects.edge_sends("edge-1"), FrameCodec[Send](Send), into(self.sends))
        await self.bus.subscribe(subjects.core_outcomes("core-1"), FrameCodec[Outcome](Outcome), into(self.outcomes))

    def ask(self, notify: Notify) -> None:
        self.bus.send(subjects.NOTIFY, notify)

    def respond(self, send: Send, status: int) -> None:
        self.bus.send(subjects.notifier_responses(send.notifier), Received(branch=send.branch, status=status))

    async def sent(self) -> Send:
        return await asyncio.wait_for(self.sends.get(), 5)

    async def reported(self) -> Outcome:
        return await asyncio.wait_for(self.outcomes.get(), 5)


M = TypeVar("M", bound=Message)


def into(queue: "asyncio.Queue[M]") -> Callable[[list[M]], None]:
    """Return a handler that puts messages into a queue."""

    def put(messages: list[M]) -> None:
        for message in messages:
            queue.put_nowait(message)

    return put


async def some_turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Running:
    """A worker that serves, and how to stop it."""

    def __init__(self, network: MemoryNetwork, **settings: object) -> None:
        self.clock = Clock()
        self.registry = Registry()
        self.stop = asyncio.Event()
        self.worker = Worker(_settings(settings), self.registry, self.clock)
        self.task = asyncio.create_task(self.worker.serve(MemoryBus(network), self.stop))

    async def begun(self) -> None:
        await asyncio.wait_for(self.worker.serving.wait(), 5)

    async def passing(self, seconds: float) -> None:
        """Let time pass as it does for a process that never stands still."""
        for _ in range(math.ceil(seconds)):
            self.clock.now += seconds / math.ceil(seconds)
            await asyncio.sleep(0.01)

    async def ended(self) -> None:
        await asyncio.wait_for(self.task, 5)


def _settings(settings: dict[str, object]) -> Settings:
    return Settings.model_validate({"instance": "notifier-1", "sweep_seconds": 0.001} | settings)


@pytest.fixture
async def network() -> MemoryNetwork:
    return MemoryNetwork()


@pytest.fixture
async def peers(network: MemoryNetwork) -> Peers:
    peers = Peers(network)
    await peers.listen()
    return peers


@pytest.fixture
async def running(network: MemoryNetwork) -> AsyncIterator[Running]:
    running = Running(network)
    await running.begun()
    yield running
    running.clock.now += 1000
    running.stop.set()
    await running.ended()


async def test_notify_travels_to_the_edge_and_its_outcome_to_the_core(
    running: Running, peers: Peers, notify: Notify
) -> None:
    peers.ask(notify)
    send = await peers.sent()
    peers.respond(send, 200)
    outcome = await peers.reported()

    assert send.packet.startswith(b"NOTIFY sip:bob@192.0.2.4:5062 SIP/2.0\r\n")
    assert (outcome.cseq, outcome.status) == (12, 200)
    labels = {"event": "dialog", "status": "200"}
    assert running.registry.value("presence_notifier_notifies_total", labels) == 1


async def test_notify_on_a_dead_flow_is_reported_as_430(running: Running, peers: Peers, notify: Notify) -> None:
    peers.ask(notify)
    peers.respond(await peers.sent(), 0)

    assert (await peers.reported()).status == 430


async def test_unanswered_notify_is_sent_again_reported_and_given_up(
    running: Running, peers: Peers, notify: Notify
) -> None:
    peers.ask(notify)
    first = await peers.sent()
    await running.passing(0.6)
    again = await peers.sent()
    await running.passing(0.6)
    trying = await peers.reported()
    await running.passing(32)
    statuses = [peers.outcomes.get_nowait().status for _ in range(peers.outcomes.qsize())]

    assert again == replace(first, again=True)
    assert (trying.status, statuses[-1]) == (100, 408)
    assert set(statuses[:-1]) == {100}
    assert running.registry.value("presence_notifier_still_trying_total") == len(statuses)
    assert running.registry.value("presence_notifier_notifies_total", {"event": "dialog", "status": "408"}) == 1
    assert running.registry.value("presence_notifier_open_transactions") == 0


async def test_notifier_that_stood_still_gives_up_what_it_had_and_what_waited_for_it(
    running: Running, peers: Peers, notify: Notify
) -> None:
    peers.ask(notify)
    await peers.sent()

    running.clock.now += 3.0
    peers.ask(notify)
    await some_turns()
    await running.passing(40)

    assert peers.sends.empty()
    assert peers.outcomes.empty()
    assert len(running.worker.deliveries) == 0


async def test_notifier_that_stood_still_goes_on(running: Running, peers: Peers, notify: Notify) -> None:
    running.clock.now += 3.0
    await running.passing(1.0)

    peers.ask(notify)

    assert (await peers.sent()).packet.startswith(b"NOTIFY ")


async def test_watcher_that_cannot_be_told_is_counted_and_logged_once(
    running: Running, peers: Peers, notify: Notify, caplog: pytest.LogCaptureFixture
) -> None:
    target = notify.targets[0]
    poisoned = replace(target, dialog=replace(target.dialog, event="dialog\r\nX: y"))

    peers.ask(replace(notify, targets=(poisoned,)))
    outcome = await peers.reported()

    assert outcome.status == 500
    assert running.registry.value("presence_notifier_unbuildable_total") == 1
    assert [record.getMessage() for record in caplog.records] == ["notify not buildable"]


async def test_two_notifiers_share_the_work_and_each_hears_its_own_responses(
    running: Running, network: MemoryNetwork, peers: Peers, notify: Notify
) -> None:
    second = Running(network, instance="notifier-2")
    await second.begun()

    peers.ask(notify)
    one = await peers.sent()
    peers.respond(one, 200)
    peers.ask(notify)
    two = await peers.sent()
    peers.respond(two, 481)
    outcomes = [await peers.reported(), await peers.reported()]
    second.stop.set()
    await second.ended()

    assert {one.notifier, two.notifier} == {"notifier-1", "notifier-2"}
    assert {outcome.status for outcome in outcomes} == {200, 481}


async def test_stopping_waits_for_open_notifies_and_takes_no_new_ones(
    network: MemoryNetwork, peers: Peers, notify: Notify
) -> None:
    running = Running(network)
    await running.begun()
    peers.ask(notify)
    send = await peers.sent()

    running.stop.set()
    await some_turns()
    peers.ask(notify)
    await some_turns()
    waiting = not running.task.done()
    peers.respond(send, 200)
    await running.ended()

    assert waiting
    assert (await peers.reported()).status == 200
    assert peers.sends.empty()
    assert not any(network.subscriptions[subject] for subject in network.subscriptions if "notifier" in subject)


async def test_stopping_leaves_unanswered_notifies_after_its_patience(
    network: MemoryNetwork, peers: Peers, notify: Notify
) -> None:
    running = Running(network, drain_seconds=1.0)
    await running.begun()
    peers.ask(notify)
    await peers.sent()

    running.stop.set()
    await some_turns()
    running.clock.now += 1.1
    await running.ended()

    assert len(running.worker.deliveries) == 1
    assert (await peers.reported()).status == 100
    assert peers.outcomes.empty()


def test_branches_of_two_lives_of_one_instance_differ() -> None:
    first, second = branches("notifier-1", "aa"), branches("notifier-1", "bb")

    made = {first(), first(), second(), second()}

    assert len(made) == 4
    assert all(branch.startswith("z9hG4bKnotifier-1.") for branch in made)


def test_service_before_it_runs_is_not_ready() -> None:
    service: Notifier = build({"NOTIFIER_INSTANCE": "notifier-1", "NOTIFIER_HTTP_PORT": "0", "PATH": "/bin"})

    assert service.settings.instance == "notifier-1"
    assert service.readiness() == {"bus": False, "directory": False, "serving": False}


def edges(*numbers: int) -> list[Member]:
    """Return living edges, and a core that is none."""
    core = Member(service="presence-core", instance="core-1", http="http://192.0.2.9:8080")
    return [core, *(Member(service="sip-edge", instance=f"edge-{n}", sip=f"192.0.2.{n}:5060") for n in numbers)]


async def test_notify_in_flight_is_sent_again_by_another_edge_when_its_own_dies(
    network: MemoryNetwork, peers: Peers, notify: Notify
) -> None:
    running = Running(network, edge_failover=True)
    await running.begun()
    other: asyncio.Queue[Send] = asyncio.Queue()
    await peers.bus.subscribe(subjects.edge_sends("edge-2"), FrameCodec[Send](Send), into(other))
    running.worker.take_members(edges(1, 2))
    peers.ask(notify)
    first = await peers.sent()

    running.worker.take_members(edges(2))
    await running.passing(3.0)
    again = await asyncio.wait_for(other.get(), 5)
    peers.respond(again, 200)
    await some_turns()
    statuses = [peers.outcomes.get_nowait().status for _ in range(peers.outcomes.qsize())]
    running.stop.set()
    await running.ended()

    assert (again.branch, again.packet) == (first.branch, first.packet)
    assert (set(statuses[:-1]), statuses[-1]) == ({100}, 200)


async def test_notify_waits_for_its_own_edge_where_the_operator_allows_no_other(
    running: Running, peers: Peers, notify: Notify
) -> None:
    running.worker.take_members(edges(1, 2))
    running.worker.take_members(edges(2))
    await running.passing(10.0)

    peers.ask(notify)

    assert (await peers.sent()).packet.startswith(b"NOTIFY ")


class SilentBus(MemoryBus):
    """A bus whose server gives no word."""

    async def subscribe(self, *_: object, **__: object) -> None:
        await asyncio.Event().wait()


async def test_notifier_that_waits_for_a_silent_server_can_be_stopped() -> None:
    worker, stop = Worker(_settings({}), Registry()), asyncio.Event()
    serving = asyncio.create_task(worker.serve(SilentBus(), stop))
    await some_turns()

    stop.set()
    await asyncio.wait_for(serving, 5)

    assert not worker.serving.is_set()
