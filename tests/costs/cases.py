"""The steps of the hot path, each measured alone and without sockets, broker or database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import count

from event_packages.registry import discover
from lamplighter_proto import FrameCodec, Notify, Outcome, Received, Send, Target, encode_frame, subjects
from lamplighter_proto.commands import Command
from lamplighter_proto.ownership import shard_of
from lamplighter_runtime.bus import MemoryBus
from lamplighter_runtime.metrics import Registry
from notifier.service import Worker
from notifier.settings import Settings
from presence_core.testing import Core, FakeDirectory, GatedStore, etag
from presence_core.testing_commands import ALICE, Commands, dialog
from presence_core.testing_rules import EVERYTHING, handled, pidf, put_rules
from sip.message import parse
from sip_edge.testing import Bench, request

from .counting import Cost, counted

TIMES = 8
"""Operations that are averaged, after as many that are not counted."""
ELSEWHERE = 500
"""Subscriptions to somebody else."""
BODY = pidf(("phone", "in a meeting"), sphere="work")
PUBLISH_HEADERS = (
    "Event: presence",
    "Expires: 3600",
    "Content-Type: application/pidf+xml",
    "Contact: <sip:alice@10.0.0.5:5062>",
    "User-Agent: a telephone/1.0",
    "Route: <sip:192.0.2.1:5060;lr>",
)
SUBSCRIBE_HEADERS = (
    "Event: presence",
    "Expires: 3600",
    "Accept: application/pidf+xml",
    "Contact: <sip:bob@10.0.0.5:5062>",
    "User-Agent: a telephone/1.0",
)
Operation = Callable[[int], Awaitable[object]]
Case = Callable[[], Coroutine[object, object, Cost]]


async def cost_of(operation: Operation) -> Cost:
    """Return the cost of one operation, which gets another number each time."""
    for number in range(TIMES):
        await operation(number)
    with counted() as cost:
        for number in range(TIMES, 2 * TIMES):
            await operation(number)
    return cost.each(TIMES)


def _publish(number: int) -> bytes:
    return request(
        "PUBLISH",
        branch=f"z9hG4bK-{number:08}",
        cseq=number + 1,
        call_id=f"{number:08}@10.0.0.5",
        headers=(*PUBLISH_HEADERS, f"SIP-If-Match: {number:032}"),
        body=BODY.decode(),
    )


async def parse_publish() -> Cost:
    """Bytes to a request."""

    async def operation(number: int) -> None:
        parse(_publish(number))

    return await cost_of(operation)


async def edge_publish() -> Cost:
    """A datagram to a command on the bus, and its answer to a response."""
    bench = await Bench().start()

    async def operation(number: int) -> None:
        bench.receive(_publish(number))
        await _turns()

    cost = await cost_of(operation)
    assert bench.statuses == [200] * 2 * TIMES
    return cost


async def edge_subscribe() -> Cost:
    """A datagram to a command on the bus, and its answer to a response."""
    bench = await Bench().start()

    async def operation(number: int) -> None:
        branch, call_id = f"z9hG4bK-{number:08}", f"{number:08}@10.0.0.5"
        bench.receive(request("SUBSCRIBE", branch=branch, call_id=call_id, headers=SUBSCRIBE_HEADERS))
        await _turns()

    cost = await cost_of(operation)
    assert bench.statuses == [200] * 2 * TIMES
    return cost


def _still(tasks: Iterable["asyncio.Task[object]"]) -> None:
    """End what is done at times of the clock: it would be counted now and then."""
    for task in tasks:
        task.cancel()


@asynccontextmanager
async def _core(**settings: str) -> AsyncIterator[Core]:
    store = GatedStore()
    await store.open(64)
    core = Core("core-1", discover(), store, FakeDirectory(), **settings)
    await core.start()
    _still(task for task in core.tasks if "_every" in str(task.get_coro()))
    try:
        yield core
    finally:
        await core.die()


async def _watch(core: Core, commands: Commands, watchers: int, presentity: str) -> None:
    for number in range(watchers):
        told = len(core.targets)
        await core.ask(commands.subscribe(presentity=presentity, watcher=f"sip:w{number}@example.com"))
        await core.confirm(targets=core.targets[told:])


async def _core_publish(watchers: int = 1, elsewhere: int = 0, **settings: str) -> Cost:
    """Return what a PUBLISH costs with its NOTIFYs and their outcomes."""
    async with _core(**settings) as core:
        if settings:
            put_rules(core, handled("allow", "sip:w0@example.com", provides=EVERYTHING))
        commands = Commands()
        tag = etag((await core.ask(commands.pidf(BODY)))[0])
        await _watch(core, commands, elsewhere, _neighbour())
        await _watch(core, commands, watchers, ALICE)
        before = len(core.targets)

        async def operation(number: int) -> None:
            nonlocal tag
            told = len(core.targets)
            body = BODY.replace(b"meeting", b"meeting %d" % number)
            (reply,) = await core.ask(commands.pidf(body, if_match=tag))
            tag = etag(reply)
            await core.confirm(targets=core.targets[told:])

        cost = await cost_of(operation)
        assert len(core.targets) - before == 2 * TIMES * watchers
        return cost


def _neighbour() -> str:
    """Return another presentity of the same shard."""
    names = (f"sip:c{number}@example.com" for number in count())
    return next(name for name in names if shard_of(name, 64) == shard_of(ALICE, 64))


async def core_publish() -> Cost:
    """A PUBLISH, the NOTIFY of one watcher, its outcome."""
    return await _core_publish()


async def core_publish_rules() -> Cost:
    """The same where rules decide."""
    return await _core_publish(policy="rules", xcap="integrated")


async def core_publish_among_many() -> Cost:
    """The same beside many subscriptions to somebody else."""
    return await _core_publish(elsewhere=ELSEWHERE)


async def core_further_watcher() -> Cost:
    """What each further watcher adds to a PUBLISH."""
    return (await _core_publish(watchers=11)).beyond(await _core_publish()).each(10)


async def core_subscribe() -> Cost:
    """A SUBSCRIBE, its first NOTIFY, the outcome."""
    async with _core() as core:
        commands = Commands()
        await core.ask(commands.pidf(BODY))

        async def operation(number: int) -> None:
            told = len(core.targets)
            await core.ask(commands.subscribe(watcher=f"sip:w{number}@example.com"))
            await core.confirm(targets=core.targets[told:])

        cost = await cost_of(operation)
        assert len(core.targets) == 2 * TIMES
        return cost


async def notifier_notify() -> Cost:
    """A request of the core to a NOTIFY for an edge, and its 200 to an outcome for the core."""
    bus, stop, sends, outcomes = MemoryBus(), asyncio.Event(), list[Send](), list[Outcome]()
    await bus.subscribe(subjects.edge_sends("edge-1"), FrameCodec[Send](Send), sends.extend)
    await bus.subscribe(subjects.core_outcomes("core-1"), FrameCodec[Outcome](Outcome), outcomes.extend)
    worker = Worker(Settings.model_validate({"instance": "notifier-1", "sweep_seconds": 0.1}), Registry())
    serving = asyncio.create_task(worker.serve(bus, stop))
    await worker.serving.wait()
    _still(task for task in asyncio.all_tasks() if task.get_name() == "sweep")

    async def operation(number: int) -> None:
        bus.send(subjects.NOTIFY, _notify(number))
        await _turns()
        bus.send(subjects.notifier_responses("notifier-1"), Received(branch=sends[-1].branch, status=200))
        await _turns()

    cost = await cost_of(operation)
    stop.set()
    await serving
    assert [outcome.status for outcome in outcomes] == [200] * 2 * TIMES
    return cost


def _notify(number: int) -> Notify:
    target = Target(
        shard=3,
        presentity=ALICE,
        dialog=dialog("tag"),
        cseq=number + 1,
        version=number,
        state="active",
        expires=3599,
    )
    return Notify(
        core="core-1", event="presence", content_type="application/pidf+xml", document=BODY, targets=(target,)
    )


async def _turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def frame() -> Cost:
    """Sixteen commands to a frame and back."""
    codec, commands = FrameCodec[Command](Command), Commands()
    messages = [commands.pidf(BODY) for _ in range(16)]

    async def operation(number: int) -> None:
        assert codec.decode(encode_frame(messages)) == (messages, 0)

    return await cost_of(operation)


CASES: Mapping[str, Case] = {
    "sip: parse a PUBLISH": parse_publish,
    "edge: PUBLISH": edge_publish,
    "edge: SUBSCRIBE": edge_subscribe,
    "bus: a frame of 16": frame,
    "core: PUBLISH, 1 watcher": core_publish,
    "core: PUBLISH, 1 watcher, rules": core_publish_rules,
    "core: each further watcher": core_further_watcher,
    "core: SUBSCRIBE": core_subscribe,
    "notifier: NOTIFY": notifier_notify,
}
"""What has a limit in limits.json."""
