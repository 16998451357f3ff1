"""The bus over a real nats-server that is killed and comes back."""

import asyncio
import signal

import pytest

from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus

from .conftest import OpenNatsBus
from .notes import NOTES, Ear, Note, Stranger
from .servers import Broker, eventually

pytestmark = pytest.mark.integration
LOST = "presence_sample_bus_lost_total"


async def test_bus_reconnects_by_itself_and_goes_on_hearing(broker: Broker, open_nats_bus: OpenNatsBus) -> None:
    sender, receiver, ear = await open_nats_bus(), await open_nats_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    await broker.end()
    await eventually(lambda: not sender.connected and not receiver.connected)
    await broker.start()
    await eventually(lambda: sender.connected and receiver.connected)
    sender.send("notes", Note(number=1))
    await eventually(lambda: bool(ear.numbers))

    assert ear.numbers == [1]


async def test_bus_tells_its_listeners_of_every_change(broker: Broker, open_nats_bus: OpenNatsBus) -> None:
    bus, first, second = await open_nats_bus(), list[bool](), list[bool]()
    bus.on_connection(first.append)
    bus.on_connection(second.append)

    await broker.end()
    await eventually(lambda: first == [False])
    await broker.start()
    await eventually(lambda: len(first) == 2)

    assert first == second == [False, True]


async def test_messages_sent_while_away_are_counted_and_never_arrive(
    broker: Broker, open_nats_bus: OpenNatsBus
) -> None:
    metrics, ear = Registry(), Ear()
    sender = await NatsBus.connect(broker.url, name="test", service="presence-sample", metrics=metrics)
    receiver = await open_nats_bus()
    await receiver.subscribe("notes", NOTES, ear)

    await broker.end()
    await eventually(lambda: not sender.connected)
    for number in range(5):
        sender.send("notes", Note(number=number))
    await broker.start()
    await eventually(lambda: sender.connected and receiver.connected)
    sender.send("notes", Note(number=9))
    await eventually(lambda: 9 in ear.numbers)
    await sender.close()

    assert ear.numbers == [9]
    assert metrics.value(LOST) == 5
    assert metrics.value("presence_sample_bus_messages_total") == 1


async def test_message_of_the_turn_in_which_the_connection_breaks_never_arrives(
    broker: Broker, open_nats_bus: OpenNatsBus
) -> None:
    sender, receiver, ear, heard = await open_nats_bus(), await open_nats_bus(), Ear(), list[bool]()
    sender.on_connection(heard.append)
    await receiver.subscribe("notes", NOTES, ear)

    sender.send("notes", Note(number=1))
    sender.link.reconnect()
    await eventually(lambda: heard == [False, True])
    sender.send("notes", Note(number=2))
    await eventually(lambda: 2 in ear.numbers)

    assert ear.numbers == [2]


async def test_frames_stuck_before_a_silent_server_never_arrive(broker: Broker, open_nats_bus: OpenNatsBus) -> None:
    sender, receiver, ear = await open_nats_bus(), await open_nats_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    broker.send_signal(signal.SIGSTOP)
    for number in range(40):
        sender.send("notes", Note(number=number, text="x" * 400_000))
        await asyncio.sleep(0)
    stuck = sender.link.unsent
    await broker.end()
    await eventually(lambda: not sender.connected)
    await broker.start()
    await eventually(lambda: sender.connected and receiver.connected)
    sender.send("notes", Note(number=99))
    await eventually(lambda: 99 in ear.numbers)

    assert stuck > 0
    assert ear.numbers == [99]


async def test_bus_closed_while_the_server_is_away_does_not_raise(broker: Broker, open_nats_bus: OpenNatsBus) -> None:
    bus = await open_nats_bus()
    await bus.subscribe("notes", NOTES, Ear())

    await broker.end()
    await eventually(lambda: not bus.connected)
    bus.send("notes", Note(number=1))
    await bus.unsubscribe("notes")
    await bus.close()

    assert bus.nc.is_closed


async def test_bus_closed_in_the_moment_of_the_break_does_not_raise(broker: Broker, open_nats_bus: OpenNatsBus) -> None:
    bus = await open_nats_bus()

    await broker.end()
    bus.send("notes", Note(number=1))
    await bus.close()

    assert bus.nc.is_closed


async def test_bus_waits_for_a_server_that_is_not_there_yet(broker: Broker) -> None:
    await broker.end()
    late = asyncio.create_task(NatsBus.connect(broker.url, name="test", service="sample", metrics=Registry()))
    await broker.start()
    bus = await asyncio.wait_for(late, 10)
    connected = bus.connected
    await bus.close()

    assert connected


async def test_handler_that_raises_keeps_its_subscription(
    open_nats_bus: OpenNatsBus, caplog: pytest.LogCaptureFixture
) -> None:
    sender, receiver, ear = await open_nats_bus(), await open_nats_bus(), Ear()

    def handler(notes: list[Note]) -> None:
        if notes[0].number == 1:
            raise ValueError("lamp broke")
        ear(notes)

    await receiver.subscribe("notes", NOTES, handler)

    sender.send("notes", Note(number=1))
    await eventually(lambda: "handler failed" in caplog.messages)
    sender.send("notes", Note(number=2))
    await eventually(lambda: bool(ear.numbers))

    assert ear.numbers == [2]


async def test_message_that_cannot_be_encoded_does_not_stop_the_bus(open_nats_bus: OpenNatsBus) -> None:
    sender, receiver, ear = await open_nats_bus(), await open_nats_bus(), Ear()
    await receiver.subscribe("notes", NOTES, ear)

    sender.send("others", Note(number=1, text="\udc80"))
    sender.send("notes", Note(number=2))
    await eventually(lambda: bool(ear.numbers))
    sender.send("notes", Note(number=3))
    await eventually(lambda: len(ear.numbers) == 2)

    assert ear.numbers == [2, 3]


async def test_unreadable_messages_are_counted(broker: Broker, open_nats_bus: OpenNatsBus) -> None:
    metrics, sender, ear = Registry(), await open_nats_bus(), Ear()
    receiver = await NatsBus.connect(broker.url, name="test", service="sample", metrics=metrics)
    await receiver.subscribe("notes", NOTES, ear)

    sender.send("notes", Stranger(name="?"))
    sender.send("notes", Note(number=1))
    sender.link.publish("notes", b"\xc1 no frame at all")
    await eventually(lambda: metrics.value(LOST) == 2)
    await receiver.close()

    assert ear.numbers == [1]
