"""A SIP server that says what a test tells it to, on UDP and TCP of one port."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from lamplighter_cli import ports
from lamplighter_cli.address import Address
from sip.framing import StreamFramer
from sip.message import Request, Response, build_request, build_response, parse

HOST = "127.0.0.1"
Answer = Callable[[Request], bytes | None]


def reply(request: Request, status: int = 200, *headers: tuple[str, str]) -> bytes:
    return build_response(request, status, "Reason", headers, to_tag="server")


class FakeServer(asyncio.DatagramProtocol):
    """Records requests and responses; `answers` are used one per request, the last one again and again."""

    def __init__(self) -> None:
        self.address = Address(HOST, ports.free(HOST, udp=True))
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.answers: list[Answer] = [reply]
        self.arrived = asyncio.Event()
        self._send: Callable[[bytes], None] = lambda packet: None
        self._tasks: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.address)
        self._tcp = await asyncio.start_server(self._serve, *self.address)

    async def close(self) -> None:
        self._udp.close()
        self._tcp.close()
        self.drop_connections()
        await asyncio.sleep(0)

    def drop_connections(self) -> None:
        for writer in self._tasks:
            writer.close()
        self._tasks.clear()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._send = lambda packet: self._udp.sendto(packet, addr)
        self._take(parse(data))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(writer)
        self._send = writer.write
        framer = StreamFramer()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                for message in framer.feed(data):
                    assert isinstance(message, bytes)
                    self._take(parse(message, datagram=False))
        writer.close()

    def _take(self, message: Request | Response) -> None:
        if isinstance(message, Response):
            self.responses.append(message)
        else:
            self.requests.append(message)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if packet := answer(message):
                self._send(packet)
        self.arrived.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                self.arrived.clear()
                await self.arrived.wait()

    def notify(self, subscribe: Request, cseq: int, state: str, body: bytes = b"", *, branch: str = "") -> None:
        """Send a NOTIFY in the dialog of a SUBSCRIBE."""
        own = subscribe.headers.get("To") or ""
        headers = [
            ("Via", f"SIP/2.0/UDP {self.address};branch={branch or f'z9hG4bKn{cseq}'}"),
            ("From", own if ";tag=" in own else f"{own};tag=server"),
            ("To", subscribe.headers.get("From") or ""),
            ("Call-ID", subscribe.headers.get("Call-ID") or ""),
            ("CSeq", f"{cseq} NOTIFY"),
            ("Contact", f"<sip:server@{self.address}>"),
            ("Event", subscribe.headers.get("Event") or ""),
            ("Subscription-State", state),
        ]
        if body:
            headers.append(("Content-Type", "application/pidf+xml"))
        self._send(build_request("NOTIFY", "sip:watcher@localhost", headers, body))


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    await fake.open()
    yield fake
    await fake.close()
