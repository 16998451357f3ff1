"""What every Bus does, in memory and over a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lamplighter_proto import encode_frame
from lamplighter_runtime.bus import Bus, MemoryBus, MemoryNetwork, Outgoing, frames

from .conftest import nats_buses, running_broker
from .notes import NOTES, Ear, Note, Stranger
from .servers import eventually

LIMIT = 512 * 1024
OpenBus: TypeAlias = Callable[[], Awaitable[Bus]]


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.integration)])
async def open_bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenBus]:
    """Return a maker of buses that hear each other."""
    if request.param == "nats":
        async with running_broker(tmp_path) as broker, nats_buses(broker) as make_nats_bus:
            yield make_nats_bus
        return
    network = MemoryNetwork()

    async def make() -> Bus:
        return MemoryBus(network)

    yield make


async def test_messages_to_one_subject_arrive_in_order(open_bus: OpenBus) -> None:
    sender, receiver, ear = await open_bus(), await open_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    for number in range(300):
        sender.send("notes", Note(number=number))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await eventually(lambda: len(ear.numbers) == 300)

    assert ear.numbers == list(range(300))


async def test_messages_of_one_loop_turn_share_a_frame_per_subject(open_bus: OpenBus) -> None:
    sender, receiver, notes, others = await open_bus(), await open_bus(), Ear(), Ear()
    await receiver.subscribe("notes", NOTES, notes)
    await receiver.subscribe("others", NOTES, others)

    sender.send("notes", Note(number=1))
    sender.send("others", Note(number=2))
    sender.send("notes", Note(number=3))
    await eventually(lambda: bool(notes.frames and others.frames))
    sender.send("notes", Note(number=4))
    await eventually(lambda: len(notes.frames) == 2)

    assert notes.frames == [[Note(number=1), Note(number=3)], [Note(number=4)]]
    assert others.frames == [[Note(number=2)]]


async def test_queue_group_gets_each_message_once(open_bus: OpenBus) -> None:
    sender, bystander, all_of_them = await open_bus(), await open_bus(), Ear()
    workers = [Ear(), Ear(), Ear()]
    await bystander.subscribe("notes", NOTES, all_of_them)
    for worker in workers:
        await (await open_bus()).subscribe("notes", NOTES, worker, "workers")

    for number in range(60):
        sender.send("notes", Note(number=number))
        await eventually(lambda wanted=number + 1: len(all_of_them.numbers) == wanted)  # type: ignore[misc]
    await eventually(lambda: sum(len(worker.numbers) for worker in workers) >= 60)

    assert all_of_them.numbers == list(range(60))
    assert sorted(number for worker in workers for number in worker.numbers) == list(range(60))
    assert sum(bool(worker.numbers) for worker in workers) > 1


async def test_big_batch_is_split_and_arrives_in_order(open_bus: OpenBus) -> None:
    sender, receiver, ear = await open_bus(), await open_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    for number in range(2000):
        sender.send("notes", Note(number=number, text="x" * 1000))
    await eventually(lambda: len(ear.numbers) == 2000)

    assert ear.numbers == list(range(2000))
    assert len(ear.frames) >= 4
    assert max(len(encode_frame(frame)) for frame in ear.frames) <= LIMIT


async def test_message_above_the_limit_travels_alone_between_its_neighbours(open_bus: OpenBus) -> None:
    sender, receiver, ear = await open_bus(), await open_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    for number, size in enumerate((10, LIMIT + 10, 10)):
        sender.send("notes", Note(number=number, text="x" * size))
    await eventually(lambda: len(ear.numbers) == 3)

    assert ear.numbers == [0, 1, 2]
    assert [1] in [[note.number for note in frame] for frame in ear.frames]


async def test_unsubscribed_bus_hears_no_more_while_others_do(open_bus: OpenBus) -> None:
    sender, leaving, staying = await open_bus(), await open_bus(), await open_bus()
    left, stayed, other = Ear(), Ear(), Ear()
    await leaving.subscribe("notes", NOTES, left)
    await leaving.subscribe("others", NOTES, other)
    await staying.subscribe("notes", NOTES, stayed)
    sender.send("notes", Note(number=1))
    await eventually(lambda: left.numbers == stayed.numbers == [1])

    await leaving.unsubscribe("notes")
    await leaving.unsubscribe("never heard of")
    sender.send("notes", Note(number=2))
    sender.send("others", Note(number=3))
    await eventually(lambda: stayed.numbers == [1, 2] and other.numbers == [3])

    assert left.numbers == [1]


async def test_bus_subscribes_again_after_it_unsubscribed(open_bus: OpenBus) -> None:
    sender, receiver, first, second = await open_bus(), await open_bus(), Ear(), Ear()
    await receiver.subscribe("notes", NOTES, first)
    await receiver.unsubscribe("notes")

    await receiver.subscribe("notes", NOTES, second)
    sender.send("notes", Note(number=1))
    await eventually(lambda: second.numbers == [1])

    assert first.numbers == []


async def test_unreadable_message_costs_only_itself(open_bus: OpenBus) -> None:
    sender, receiver, ear = await open_bus(), await open_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    sender.send("notes", Note(number=1))
    sender.send("notes", Stranger(name="?"))
    sender.send("notes", Note(number=2))
    await eventually(lambda: len(ear.numbers) == 2)
    sender.send("notes", Stranger(name="?"))
    await asyncio.sleep(0)
    sender.send("notes", Note(number=3))
    await eventually(lambda: len(ear.numbers) == 3)

    assert ear.numbers == [1, 2, 3]
    assert all(ear.frames)


async def test_closing_bus_sends_what_is_queued(open_bus: OpenBus) -> None:
    sender, receiver, ear = await open_bus(), await open_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    sender.send("notes", Note(number=1))
    await sender.close()
    await eventually(lambda: bool(ear.numbers))

    assert ear.numbers == [1]


async def test_closed_bus_neither_sends_nor_hears_nor_fails(open_bus: OpenBus) -> None:
    sender, closed, watcher = await open_bus(), await open_bus(), await open_bus()
    deaf, ear = Ear(), Ear()
    await closed.subscribe("notes", NOTES, deaf)
    await watcher.subscribe("notes", NOTES, ear)

    await closed.close()
    closed.send("notes", Note(number=1))
    sender.send("notes", Note(number=2))
    await eventually(lambda: 2 in ear.numbers)

    assert not closed.connected
    assert ear.numbers == [2]
    assert deaf.numbers == []


def test_outgoing_schedules_one_flush_until_taken() -> None:
    scheduled: list[None] = []
    outgoing = Outgoing(lambda: scheduled.append(None))

    outgoing.put("a", Note(number=1))
    outgoing.put("b", Note(number=2))
    outgoing.put("a", Note(number=3))
    taken = outgoing.take()
    outgoing.put("a", Note(number=4))

    assert taken == [("a", [Note(number=1), Note(number=3)]), ("b", [Note(number=2)])]
    assert len(scheduled) == 2
    assert outgoing.take() == [("a", [Note(number=4)])]
    assert outgoing.take() == []


def test_frames_of_a_batch_within_the_limit_are_one() -> None:
    notes = [Note(number=number) for number in range(10)]
    size = len(encode_frame(notes))

    assert frames(notes, size) == [encode_frame(notes)]
    assert len(frames(notes, size - 1)) == 2
