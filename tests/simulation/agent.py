"""A SIP user agent over simulated UDP: client transactions, and NOTIFYs handed on (RFC 3261 §17.1)."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from random import Random

from sip.errors import ParseError
from sip.fields import Via
from sip.message import Request, Response, build_request, build_response, parse

from .network import Address, Network

T1, T2, TIMER_F = 0.5, 4.0, 32.0
Note = Callable[..., None]


class Agent:
    """A user agent at an address; `on_notify` returns the status to answer a NOTIFY with, None for silence."""

    def __init__(self, network: Network, random: Random, name: str, address: Address, note: Note) -> None:
        self.name, self.address = name, address
        self.aor = f"sip:{name}@example.com"
        self.contact = f"sip:{name}@{address[0]}:{address[1]}"
        self.on_notify: Callable[[Request, bytes], int | None] = lambda request, data: 481
        self.note = note
        self.violated: Callable[[str], None] = note
        self.patience = float("inf")
        """Seconds after which a request must have a final response other than "later"."""
        self._network, self.random = network, random
        self._awaited: dict[str, asyncio.Future[Response]] = {}
        network.bind(address, self, Context())

    def token(self) -> str:
        """Return a tag, Call-ID or the like."""
        return f"{self.random.getrandbits(64):016x}"

    async def request(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]], edge: Address, body: bytes = b""
    ) -> Response | None:
        """Send a request to an edge; return its final response, None when Timer F ends it without one."""
        branch = f"z9hG4bK{self.token()}"
        via = ("Via", f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};rport;branch={branch}")
        data = build_request(method, uri, [via, ("Max-Forwards", "70"), *headers], body)
        patience, began = self.patience, self._network.loop.time()
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._awaited[branch] = future
        self.note(self.name, "asks", method, edge[0], dict(headers).get("CSeq"), dict(headers).get("SIP-If-Match", ""))
        try:
            async with asyncio.timeout(TIMER_F):
                response = await self._repeat(data, future, edge)
        except TimeoutError:
            self.note(self.name, "heard nothing of", method)
            return None
        finally:
            del self._awaited[branch]
        if response.status == 503 and patience < TIMER_F:
            self.violated(f"{self.name}: {method} got 503 while nothing was wrong")
        if self._network.loop.time() - began > patience:
            self.violated(f"{self.name}: {method} was answered after {self._network.loop.time() - began:.1f} s")
        self.note(self.name, "hears", response.status, "of", method, response.headers.get("SIP-ETag") or "")
        return response

    async def _repeat(self, data: bytes, future: "asyncio.Future[Response]", edge: Address) -> Response:
        wait = T1
        while True:
            self._network.send(data, self.address, edge)
            done, _ = await asyncio.wait([future], timeout=wait)
            if done:
                return future.result()
            wait = min(wait * 2, T2)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a datagram."""
        try:
            message = parse(data)
        except ParseError as error:
            raise AssertionError(f"{self.name} cannot read {data!r}") from error
        if isinstance(message, Response):
            future = self._awaited.get(Via.parse(message.headers.values("Via")[0]).branch)
            if future is not None and message.status >= 200 and not future.done():
                future.set_result(message)
            return
        status = self.on_notify(message, data)
        self.note(self.name, "told", message.headers.get("CSeq"), addr[0], "answers", status)
        if status is not None:
            self._network.send(build_response(message, status, "Simulated", []), self.address, addr)


def retry_after(response: Response | None) -> float:
    """Return how many seconds to wait before the next attempt."""
    text = (response.headers.get("Retry-After") or "") if response is not None else ""
    return float(text) if text.isdigit() else 1.0
