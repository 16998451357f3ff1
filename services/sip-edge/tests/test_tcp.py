"""The edge on real TCP sockets, with a core and a notifier on a bus in memory."""

import asyncio
import contextlib
import socket

from lamplighter_proto import Flow
from lamplighter_runtime import clock
from sip_edge.testing import NOTIFY, TIMEOUT, read_response, request, running

SUBSCRIBE = request("SUBSCRIBE", headers=("Event: presence", "Contact: <sip:bob@10.0.0.5:5062>"))


async def read_message(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(TIMEOUT):
        return await reader.readuntil(b"\r\n\r\n")


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_request_over_tcp_in_pieces_is_answered_on_the_same_connection() -> None:
    async with running() as edge:
        reader, writer = await edge.connect()
        writer.write(SUBSCRIBE[:40])
        await asyncio.sleep(0.01)
        writer.write(SUBSCRIBE[40:])

        response = read_response(await read_message(reader))
        await close(writer)

    assert response.headers.get("Contact") == f"<sip:127.0.0.1:{edge.port};transport=tcp>"


async def test_ping_over_tcp_is_answered_with_a_pong() -> None:
    async with running() as edge:
        reader, writer = await edge.connect()

        writer.write(b"\r\n\r\n")

        async with asyncio.timeout(TIMEOUT):
            assert await reader.readexactly(2) == b"\r\n"
        await close(writer)


async def test_stream_that_is_no_sip_is_closed() -> None:
    async with running() as edge:
        reader, writer = await edge.connect()

        writer.write(b"x" * 70_000)

        async with asyncio.timeout(TIMEOUT):
            assert await reader.read() == b""
        await close(writer)
    assert edge.counts.closed["unreadable"] == 1


async def test_body_over_the_limit_on_a_stream_is_answered_413_before_the_end() -> None:
    async with running(SIP_EDGE_MAX_BODY_BYTES="100") as edge:
        reader, writer = await edge.connect()

        writer.write(request("PUBLISH", headers=("Event: presence",), body="x" * 200))

        assert read_response(await read_message(reader)).status == 413
        await close(writer)


async def test_notify_over_tcp_goes_by_the_connection_of_the_subscribe() -> None:
    async with running() as edge:
        reader, writer = await edge.connect()
        writer.write(SUBSCRIBE)
        await read_message(reader)

        edge.send(edge.flow_of_subscription())

        assert await read_message(reader) == NOTIFY
        await close(writer)


async def test_notify_for_a_number_that_another_peer_has_is_not_sent() -> None:
    async with running() as edge:
        reader, writer = await edge.connect()
        writer.write(SUBSCRIBE)
        await read_message(reader)
        flow = edge.flow_of_subscription()

        edge.send(
            Flow(edge="edge-1", transport="TCP", local=flow.local, remote="127.0.0.1:9", connection=flow.connection)
        )

        assert (await edge.next_received()).status == 0
        await close(writer)


async def test_notify_whose_connection_is_gone_opens_one_to_the_next_hop() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await arrived.put(await reader.readuntil(b"\r\n\r\n"))
        await close(writer)
        ended.set()

    watcher = await asyncio.start_server(serve, "127.0.0.1", 0)
    hop = f"127.0.0.1:{watcher.sockets[0].getsockname()[1]}"
    gone = Flow(edge="edge-1", transport="TCP", local="127.0.0.1:1", remote="127.0.0.1:2", connection=3)
    async with running() as edge:
        for _ in range(3):
            edge.send(gone, hop)
        async with asyncio.timeout(TIMEOUT):
            packets = [await arrived.get() for _ in range(3)]
            edge.send(gone, hop)
            packets.append(await arrived.get())
        connections = edge.edge.sizes()["tcp_connections"]()
        await edge.edge.close()
        async with asyncio.timeout(TIMEOUT):
            await ended.wait()
    watcher.close()

    assert (packets, connections) == ([NOTIFY] * 4, 1)


async def test_notify_whose_next_hop_does_not_answer_is_reported_and_not_tried_again_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        hop = f"127.0.0.1:{nobody.getsockname()[1]}"
    gone = Flow(edge="edge-1", transport="TCP", local="127.0.0.1:1", remote="127.0.0.1:2", connection=3)

    async with running() as edge:
        edge.send(gone, hop)
        first = await edge.next_received()
        edge.send(gone, hop)
        attempts = edge.edge.sizes()["tcp_connects"]()
        second = await edge.next_received()

    assert (first.status, second.status, attempts) == (0, 0, 0)


async def test_peer_that_does_not_read_is_cut_off() -> None:
    async with running(SIP_EDGE_MAX_UNSENT_BYTES="20000") as edge:
        reader, writer = await edge.connect()
        writer.write(SUBSCRIBE)
        await read_message(reader)
        flow = edge.flow_of_subscription()

        for _ in range(40_000):
            edge.send(flow)
            if edge.counts.closed["slow-reader"]:
                break
        await asyncio.sleep(0)

        assert edge.counts.closed["slow-reader"] == 1
        await close(writer)


async def test_connection_over_the_limit_is_closed() -> None:
    async with running(SIP_EDGE_MAX_CONNECTIONS="1") as edge:
        first, second = await edge.connect(), await edge.connect()

        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT):
                assert await second[0].read() == b""
        first[1].write(SUBSCRIBE)
        assert read_response(await read_message(first[0])).status == 200
        await close(first[1])
        await close(second[1])


async def test_connections_that_are_silent_or_never_finish_a_message_are_closed() -> None:
    async with running(SIP_EDGE_TCP_IDLE_SECONDS="1000", SIP_EDGE_TCP_PARTIAL_SECONDS="10") as edge:
        silent, partial = await edge.connect(), await edge.connect()
        partial[1].write(b"PUBLISH sip:a@h SIP/2.0\r\n")
        silent[1].write(SUBSCRIBE)
        await read_message(silent[0])

        edge.edge.check_idle(clock.monotonic() + 11)
        after_partial = dict(edge.counts.closed)
        edge.edge.check_idle(clock.monotonic() + 1001)

        assert (after_partial, edge.counts.closed["idle"]) == ({"partial": 1}, 1)
        for _, writer in (silent, partial):
            await close(writer)


async def test_connection_over_the_limit_of_its_source_is_closed_and_a_closed_one_makes_room() -> None:
    async with running(SIP_EDGE_MAX_CONNECTIONS_PER_SOURCE="1", SIP_EDGE_TRUSTED="") as edge:
        first, second = await edge.connect(), await edge.connect()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT):
                assert await second[0].read() == b""
        await close(first[1])
        await close(second[1])
        await asyncio.sleep(0.05)

        third = await edge.connect()
        third[1].write(SUBSCRIBE)
        response = read_response(await read_message(third[0]))
        await close(third[1])

    assert (response.status, edge.counts.closed["too-many"]) == (200, 1)
