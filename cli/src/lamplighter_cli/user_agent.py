"""A small SIP user agent: requests to one server, and its requests to us (RFC 3261 §8, §17.1.2)."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lamplighter_cli import wire
from lamplighter_cli.address import Address
from lamplighter_cli.errors import Unreachable
from lamplighter_runtime import clock
from sip.errors import ParseError
from sip.fields import Via
from sip.message import Request, Response, build_request, build_response, parse
from sip.transaction import MAGIC_COOKIE, ClientTransactions, ServerTransactions, TimedOut, server_key

PRODUCT = "lamplighter"
Header = tuple[str, str]
OnRequest = Callable[[Request], tuple[int, str]]
"""Takes a request of the server; returns status and reason of the answer."""
_MISSING = "Method Not Allowed"


def new_tag() -> str:
    """Return a random tag (RFC 3261 §19.3)."""
    return secrets.token_hex(8)


@dataclass(slots=True, kw_only=True)
class Sequence:
    """What the requests of one dialog, or of one publication, share."""

    local: str
    """URI of ours, for From."""
    remote: str
    """URI for To."""
    call_id: str = field(default_factory=lambda: secrets.token_hex(16))
    local_tag: str = field(default_factory=new_tag)
    remote_tag: str = ""
    number: int = 0

    def headers(self, method: str) -> list[Header]:
        """Return the headers of the next request."""
        self.number += 1
        to = f"<{self.remote}>" + (f";tag={self.remote_tag}" if self.remote_tag else "")
        return [
            ("From", f"<{self.local}>;tag={self.local_tag}"),
            ("To", to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.number} {method}"),
        ]


class UserAgent:
    """Requests and answers over one wire, which is opened when it is needed."""

    def __init__(
        self,
        server: Address,
        *,
        tcp: bool = False,
        on_request: OnRequest | None = None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Take a handler of requests, and one for the loss of a connection."""
        self.server = server
        self._tcp = tcp
        self._on_request = on_request
        self._on_lost = on_lost
        self._wire: wire.Wire | None = None
        self._waiting: dict[str, asyncio.Future[Response]] = {}
        self._clients = ClientTransactions()
        self._servers = ServerTransactions(max_entries=1000)
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def probe(cls, server: Address) -> int:
        """Return the status by which the server answers OPTIONS over UDP; Unreachable without an answer."""
        agent = cls(server)
        uri = f"sip:{server}"
        try:
            return (await agent.request("OPTIONS", uri, Sequence(local="sip:probe@localhost", remote=uri))).status
        finally:
            agent.close()

    async def contact(self) -> str:
        """Return the URI by which the server reaches us."""
        way = await self._connected()
        return f"sip:{PRODUCT}@{way.local}" + (";transport=tcp" if self._tcp else "")

    async def request(
        self, method: str, uri: str, sequence: Sequence, headers: Iterable[Header] = (), body: bytes = b""
    ) -> Response:
        """Send a request and return its final response; Unreachable when none comes."""
        way = await self._connected()
        branch = MAGIC_COOKIE + secrets.token_hex(12)
        lines = [("Via", f"SIP/2.0/{way.transport} {way.local};rport;branch={branch}"), ("Max-Forwards", "70")]
        lines += [*sequence.headers(method), ("User-Agent", PRODUCT), *headers]
        packet = build_request(method, uri, lines, body)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[branch] = future
        self._clients.start(branch, packet, self._tcp, clock.monotonic())
        way.send(packet)
        self._set_timer()
        try:
            return await future
        finally:
            self._fail(branch, "given up")

    async def _connected(self) -> wire.Wire:
        if self._wire is None:
            self._wire = await wire.connect(
                self.server, tcp=self._tcp, on_message=self._on_message, on_trouble=self._on_trouble
            )
        return self._wire

    def close(self) -> None:
        """Close the wire; who still waits for an answer gets Unreachable."""
        if self._timer:
            self._timer.cancel()
        if self._wire:
            self._wire.close()
            self._wire = None
        self._fail_all("closed")

    def _on_trouble(self, reason: str) -> None:
        self._fail_all(reason)
        if self._tcp and self._wire:
            self._wire = None
            self._on_lost()

    def _fail_all(self, reason: str) -> None:
        for branch in list(self._waiting):
            self._fail(branch, reason)

    def _fail(self, branch: str, reason: str) -> None:
        future = self._waiting.pop(branch, None)
        # So that its transaction ends, too, and is not sent again.
        self._clients.receive(branch, 408, clock.monotonic())
        if future and not future.done():
            future.set_exception(Unreachable(f"{self.server}: {reason}"))

    def _on_message(self, data: bytes) -> None:
        try:
            message = parse(data, datagram=not self._tcp)
            if isinstance(message, Response):
                self._on_response(message)
            elif message.method != "ACK":
                self._answer(message)
        except ParseError:
            return  # Whoever sent it will see that it was not answered.

    def _on_response(self, response: Response) -> None:
        branch = Via.parse(response.headers.values("Via")[0]).branch
        if not self._clients.receive(branch, response.status, clock.monotonic()):
            return
        future = self._waiting.get(branch)
        if future and not future.done():
            future.set_result(response)

    def _answer(self, request: Request) -> None:
        if self._wire is None:
            return
        now = clock.monotonic()
        key = server_key(request)
        self._servers.expire(now)
        known = self._servers.receive(key, self._tcp, now)
        if not isinstance(known, bytes):
            status, reason = self._on_request(request) if self._on_request else (405, _MISSING)
            known = build_response(request, status, reason, [("Allow", "NOTIFY")] if status == 405 else ())
            self._servers.complete(key, known, now)
        self._wire.send(known)

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        due = self._clients.next_due()
        delay = None if due is None else max(0.0, due - clock.monotonic())
        self._timer = None if delay is None else asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        for event in self._clients.due(clock.monotonic()):
            if isinstance(event, TimedOut):
                self._fail(event.branch, "no answer")
            elif self._wire:
                self._wire.send(event.packet)
        self._set_timer()
