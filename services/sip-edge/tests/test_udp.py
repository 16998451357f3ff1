"""The edge on real UDP sockets, with a core and a notifier on a bus in memory."""

import asyncio
import contextlib
import socket

import pytest
from msgspec.structs import replace

from lamplighter_proto import Flow, Received
from lamplighter_runtime.lifecycle import StartError
from sip_edge.notify_port import SUPERSEDED
from sip_edge.testing import NOTIFY, TIMEOUT, Running, read_response, request, running

PUBLISH = request("PUBLISH", headers=("Event: presence", "Content-Type: application/pidf+xml"), body="<presence/>")
SUBSCRIBE = request("SUBSCRIBE", headers=("Event: presence", "Contact: <sip:bob@10.0.0.5:5062>"))


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


async def test_notify_after_a_later_one_of_its_dialog_is_not_sent() -> None:
    async with running() as edge:
        with contextlib.closing(UdpClient()) as client:
            await client.send(SUBSCRIBE, edge.port)
            await client.receive()
            flow = edge.flow_of_subscription()
            edge.send(flow, local_tag="tag", cseq=3045)
            later = await client.receive()

            edge.send(flow, local_tag="tag", cseq=2045)
            told = await edge.next_received()
            edge.send(flow, local_tag="tag", cseq=3046)
            next_one = await client.receive()

    assert told == Received(branch="z9hG4bKnotifier-1.abc", status=SUPERSEDED)
    assert later == next_one == NOTIFY
    assert edge.edge.port.unanswered(0.0)


async def test_new_edge_repeats_a_notify_of_another_edge_but_none_of_its_predecessor() -> None:
    async with running() as edge:
        with contextlib.closing(UdpClient()) as client:
            await client.send(SUBSCRIBE, edge.port)
            await client.receive()
            flow = edge.flow_of_subscription()

            edge.send(flow, local_tag="ours", cseq=2, again=True)
            told = await edge.next_received()
            edge.send(replace(flow, edge="edge-2"), local_tag="theirs", cseq=2, again=True)
            packet = await client.receive()

    assert told == Received(branch="z9hG4bKnotifier-1.abc", status=SUPERSEDED)
    assert packet == NOTIFY


async def test_port_that_is_taken_cannot_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StartError, match=str(port)):
            Running({"SIP_EDGE_LISTEN": f"127.0.0.1:{port}"})


async def test_notify_of_a_flow_of_another_edge_leaves_by_a_socket_of_ours() -> None:
    async with running() as edge:
        with contextlib.closing(UdpClient()) as watcher:
            host, port = watcher.socket.getsockname()

            edge.send(Flow(edge="edge-2", transport="UDP", local="192.0.2.2:5060", remote=f"{host}:{port}"))

            assert await watcher.receive() == NOTIFY
