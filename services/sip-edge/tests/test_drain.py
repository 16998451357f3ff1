"""What a SIGTERM asks of the edge: no new work, answers to the old, time for what is under way."""

import asyncio
import contextlib
import socket

import pytest

from lamplighter_proto import Command, Flow, Received
from sip_edge.testing import NOTIFY, TIMEOUT, Running, ok, read_response, request, running

SUBSCRIBE = request("SUBSCRIBE", headers=("Event: presence", "Contact: <sip:bob@10.0.0.5:5062>"))
LATER = request("PUBLISH", branch="z9hG4bKlater", call_id="later", headers=("Event: presence",))


class Watcher:
    """A client's UDP socket."""

    def __init__(self, edge: Running) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.connect(("127.0.0.1", edge.port))

    async def receive(self) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65_536)

    @property
    def flow(self) -> Flow:
        host, port = self.socket.getsockname()
        return Flow(edge="edge-1", transport="UDP", local=f"{host}:1", remote=f"{host}:{port}")


async def test_draining_edge_is_not_ready_accepts_no_connection_and_leaves_datagrams_to_who_comes_after() -> None:
    async with running() as edge:
        with contextlib.closing(Watcher(edge).socket) as client:
            edge.edge.endpoint.draining = True

            client.send(LATER)
            async with asyncio.timeout(TIMEOUT):
                while not edge.counts.drops["draining"]:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            await edge.edge.drain()

            with pytest.raises(BlockingIOError):
                client.recv(65_536)
            with pytest.raises(ConnectionError):
                await edge.connect()

    assert not edge.edge.listening


async def test_draining_edge_answers_what_it_has_on_the_connection_that_it_came_by_and_refuses_more() -> None:
    commands: asyncio.Queue[Command] = asyncio.Queue()
    async with running() as edge:
        edge.core.script = commands.put_nowait
        reader, writer = await edge.connect()
        writer.write(SUBSCRIBE)
        command = await asyncio.wait_for(commands.get(), TIMEOUT)

        draining = asyncio.create_task(edge.edge.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        writer.write(LATER)
        async with asyncio.timeout(TIMEOUT):
            refusal = read_response(await reader.readuntil(b"\r\n\r\n"))
        edge.edge.endpoint.on_replies([ok(command)])
        await draining
        await edge.edge.close()

        async with asyncio.timeout(TIMEOUT):
            response = read_response(await reader.readuntil(b"\r\n\r\n"))
            assert await reader.read() == b""
        writer.close()

    assert (refusal.status, response.status) == (503, 200)


async def test_draining_edge_waits_for_the_answer_to_a_notify_that_has_just_left() -> None:
    async with running() as edge:
        watcher = Watcher(edge)
        edge.send(watcher.flow)
        await watcher.receive()
        draining = asyncio.create_task(edge.edge.drain())
        await asyncio.sleep(0)
        assert not draining.done()

        watcher.socket.send(answer_to(NOTIFY))
        received = await edge.next_received()
        async with asyncio.timeout(TIMEOUT):
            await draining
        watcher.socket.close()

    assert received == Received(branch="z9hG4bKnotifier-1.abc", status=200)


async def test_draining_edge_does_not_wait_for_the_answer_to_an_old_notify() -> None:
    async with running() as edge:
        watcher = Watcher(edge)
        edge.send(watcher.flow)
        watcher.socket.close()
        edge.edge.port._open = dict.fromkeys(edge.edge.port._open, 0.0)

        draining = asyncio.create_task(edge.edge.drain())
        await asyncio.sleep(0)

        assert draining.done()


async def test_edge_that_closes_gives_a_peer_time_to_read_but_not_for_ever() -> None:
    async with running(SIP_EDGE_MAX_UNSENT_BYTES="50000000") as edge:
        reader, writer = await edge.connect()
        writer.write(SUBSCRIBE)
        async with asyncio.timeout(TIMEOUT):
            await reader.readuntil(b"\r\n\r\n")
        flow = edge.flow_of_subscription()
        for _ in range(40_000):
            edge.send(flow)

        closing = asyncio.create_task(edge.edge.close())
        async with asyncio.timeout(TIMEOUT):
            got = await reader.read(len(NOTIFY) * 1000)
            await closing
        writer.close()

    assert got.startswith(NOTIFY)


def answer_to(notify: bytes) -> bytes:
    lines = [line for line in notify.split(b"\r\n") if line.startswith((b"Via", b"From", b"To", b"Call-ID", b"CSeq"))]
    return b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""])
