"""The edge on real loopback sockets, with a core and a notifier on a bus in memory."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from lamplighter_proto import Flow, FrameCodec, Received, Reply, Send, Subscribe, subjects
from lamplighter_runtime import clock
from lamplighter_runtime.bus import MemoryBus
from lamplighter_runtime.lifecycle import StartError
from sip_edge.addresses import read_address
from sip_edge.edge import Edge
from sip_edge.metrics import Counts
from sip_edge.settings import Settings
from sip_edge.testing import Owners, ScriptedCore, ok, read_response, request

PUBLISH = request("PUBLISH", headers=("Event: presence", "Content-Type: application/pidf+xml"), body="<presence/>")
SUBSCRIBE = request("SUBSCRIBE", headers=("Event: presence", "Contact: <sip:bob@10.0.0.5:5062>"))
NOTIFY = request("NOTIFY", branch="z9hG4bKnotifier-1.abc")
TIMEOUT = 5.0


class Running:
    """An edge in this loop."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.counts, self.bus = Counts(), MemoryBus()
        self.settings = Settings.load({"SIP_EDGE_LISTEN": "127.0.0.1:0"} | dict(environ))
        self.edge = Edge(self.settings, self.bus, Owners(), self.counts, clock.monotonic, clock.wall)
        self.core = ScriptedCore(self.bus, ok)
        self.received: list[Received] = []
        self.heard = asyncio.Event()
        self.ports = [read_address(place.local)[1] for place in self.edge.places]
        self.port = self.ports[0]

    async def start(self) -> None:
        await self.edge.open()
        await self.core.start()
        await self.bus.subscribe(
            subjects.edge_replies("edge-1"), FrameCodec[Reply](Reply), self.edge.endpoint.on_replies
        )
        await self.bus.subscribe(subjects.notifier_responses("notifier-1"), FrameCodec[Received](Received), self._hear)

    def _hear(self, received: list[Received]) -> None:
        self.received += received
        self.heard.set()

    async def next_received(self) -> Received:
        async with asyncio.timeout(TIMEOUT):
            await self.heard.wait()
        self.heard.clear()
        return self.received[-1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def send(self, flow: Flow, next_hop: str = "") -> None:
        self.edge.port.on_sends(
            [Send(notifier="notifier-1", branch="z9hG4bKnotifier-1.abc", flow=flow, packet=NOTIFY, next_hop=next_hop)]
        )

    def flow_of_subscription(self) -> Flow:
        command = self.core.commands[-1]
        assert isinstance(command, Subscribe)
        return command.flow


@asynccontextmanager
async def running(**environ: str) -> AsyncIterator[Running]:
    edge = Running(environ)
    await edge.start()
    try:
        yield edge
    finally:
        await edge.edge.close()
        await asyncio.sleep(0)


class UdpClient:
    """A client's UDP socket."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.socket.setblocking(False)

    async def send(self, data: bytes, port: int) -> None:
        host = self.socket.getsockname()[0]
        await asyncio.get_running_loop().sock_sendto(self.socket, data, (host, port))

    async def receive(self) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65_536)

    def close(self) -> None:
        self.socket.close()


async def read_message(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(TIMEOUT):
        return await reader.readuntil(b"\r\n\r\n")


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_request_over_udp_is_answered_from_the_socket_that_was_asked() -> None:
    async with running() as edge:
        with contextlib.closing(UdpClient()) as client:
            await client.send(PUBLISH, edge.port)

            response = read_response(await client.receive())

    assert response.status == 200
    assert f"rport={client_port(response.headers.get('Via'))}" in (response.headers.get("Via") or "")


def client_port(via: str | None) -> str:
    return (via or "").partition("rport=")[2].partition(";")[0]


async def test_request_over_ipv6_is_answered() -> None:
    async with running(SIP_EDGE_LISTEN="[::1]:0") as edge:
        with contextlib.closing(UdpClient(socket.AF_INET6)) as client:
            await client.send(SUBSCRIBE, edge.port)

            response = read_response(await client.receive())

    assert response.headers.get("Contact") == f"<sip:[::1]:{edge.port}>"
    assert "received=::1" in (response.headers.get("Via") or "")


async def test_notify_over_udp_leaves_from_the_socket_that_got_the_subscribe() -> None:
    async with running(SIP_EDGE_LISTEN="127.0.0.1:0,127.0.0.1:0") as edge:
        with contextlib.closing(UdpClient()) as client:
            port = edge.ports[1]
            await client.send(SUBSCRIBE, port)
            await client.receive()

            edge.send(edge.flow_of_subscription())
            async with asyncio.timeout(TIMEOUT):
                packet, source = await asyncio.get_running_loop().sock_recvfrom(client.socket, 65_536)

    assert (packet, source) == (NOTIFY, ("127.0.0.1", port))


async def test_response_to_a_notify_reaches_its_notifier() -> None:
    async with running() as edge:
        with contextlib.closing(UdpClient()) as client:
            answer = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKnotifier-1.abc\r\n\r\n"
            await client.send(answer, edge.port)
            accepted = await edge.next_received()
            await client.send(answer.replace(b"200 OK", b"481 Gone"), edge.port)
            refused = await edge.next_received()

    assert accepted == Received(branch="z9hG4bKnotifier-1.abc", status=200)
    assert (refused.status, refused.packet) == (481, answer.replace(b"200 OK", b"481 Gone"))


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


async def test_port_that_is_taken_cannot_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StartError, match=str(port)):
            Running({"SIP_EDGE_LISTEN": f"127.0.0.1:{port}"})
