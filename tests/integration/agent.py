"""A scripted SIP user agent on a real socket: client transactions, and NOTIFYs answered (RFC 3261 §17, RFC 6665).

Rule 1: what it does not like of a message is noted in `faults`; `check()` and the fixture that made it raise them.
Rule 2: it is not lax: what a server must send, it demands.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence

from sip.errors import ParseError
from sip.fields import Via, parse_name_addr
from sip.message import Request, Response, build_request, build_response, parse

from .watch import Watch
from .wires import Wire

Pairs = Iterable[tuple[str, str]]
T1 = 0.5
T2 = 4.0
ANSWER_SECONDS = 10.0


class NoAnswer(AssertionError):
    """No final response came in time."""


class Agent:
    """A user agent named `aor` behind one wire."""

    def __init__(self, wire: Wire, aor: str) -> None:
        self.wire = wire
        self.aor = aor
        self.faults: list[str] = []
        self.unreadable: list[bytes] = []
        self.watches: list[Watch] = []
        self.strays: list[Request] = []
        self.responses: list[Response] = []
        self._awaited: dict[str, asyncio.Future[Response]] = {}
        wire.on_message = self._take

    # --- what it is

    @property
    def contact(self) -> str:
        host, port = self.wire.local
        suffix = ";transport=tcp" if self.wire.transport == "TCP" else ""
        return f"sip:{self.aor.partition(':')[2].partition('@')[0]}@{host}:{port}{suffix}"

    def via(self, branch: str) -> str:
        host, port = self.wire.local
        return f"SIP/2.0/{self.wire.transport} {host}:{port};rport;branch={branch}"

    def report(self) -> str:
        """Return what went over the wire."""
        return str(self.wire.trace)

    def check(self) -> None:
        """Raise what was wrong so far, with what went over the wire."""
        faults = [*self.faults, *(fault for watch in self.watches for fault in watch.faults)]
        assert not faults, f"{self.aor}: {faults}\n{self.wire.trace}"

    # --- requests

    async def request(
        self,
        method: str,
        uri: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> Response:
        """Send a request of its own Via and return the final response; NoAnswer after `timeout` seconds."""
        branch = new_branch()
        data = build_request(method, uri, [("Via", self.via(branch)), *headers], body)
        return await self.exchange(data, branch, timeout=timeout)

    async def out_of_dialog(
        self,
        method: str,
        uri: str,
        headers: Pairs = (),
        body: bytes = b"",
        *,
        to: str = "",
        timeout: float = ANSWER_SECONDS,
        cseq: int = 1,
    ) -> Response:
        """Send a request with a Call-ID and From tag of its own."""
        own = self.outline(method, to or uri, cseq=cseq)
        return await self.request(method, uri, [*own, *headers], body, timeout=timeout)

    def outline(
        self, method: str, to: str, *, cseq: int = 1, call_id: str = "", from_tag: str = ""
    ) -> list[tuple[str, str]]:
        """Return the fields that every request needs, but for Via."""
        return [
            ("Max-Forwards", "70"),
            ("From", f"<{self.aor}>;tag={from_tag or new_token()}"),
            ("To", f"<{to}>"),
            ("Call-ID", call_id or new_token()),
            ("CSeq", f"{cseq} {method}"),
        ]

    async def exchange(self, data: bytes, branch: str, *, timeout: float = ANSWER_SECONDS) -> Response:
        """Send these very bytes, again over UDP while nothing comes, and return the final response to `branch`."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._awaited[branch] = future
        try:
            async with asyncio.timeout(timeout):
                return await self._repeat(data, future)
        except TimeoutError:
            first = data.split(b"\r\n", 1)[0].decode()
            raise NoAnswer(f"no answer to {first} ({branch}) in {timeout} s\n{self.wire.trace}") from None
        finally:
            del self._awaited[branch]

    async def _repeat(self, data: bytes, future: "asyncio.Future[Response]") -> Response:
        wait = T1
        self.wire.send(data)
        while True:
            done, _ = await asyncio.wait([future], timeout=wait)
            if done:
                return future.result()
            if self.wire.transport == "UDP" or not getattr(self.wire, "connected", True):
                self.wire.send(data)
            wait = min(wait * 2, T2)

    # --- what comes in

    def _take(self, data: bytes) -> None:
        try:
            message = parse(data, datagram=self.wire.transport == "UDP")
            if isinstance(message, Response):
                self._take_response(message)
            else:
                self._take_request(message, data)
        except ParseError as error:
            # An answer repeats the fields of its request, however spoilt: the tests that spoil them take these out.
            self.unreadable.append(data)
            self.faults.append(f"unreadable: {error.reason}: {data!r}")

    def _take_response(self, response: Response) -> None:
        self.responses.append(response)
        branch = Via.parse(response.headers.values("Via")[0]).branch
        future = self._awaited.get(branch)
        if future is not None and response.status >= 200 and not future.done():
            future.set_result(response)

    def _take_request(self, request: Request, data: bytes) -> None:
        watch = self._watch_of(request)
        if request.method != "NOTIFY" or watch is None:
            self.strays.append(request)
            self.answer(request, 481, "Subscription Does Not Exist")
            return
        status = watch.notified(request, data)
        if status is not None:
            self.answer(request, status, "OK" if status == 200 else "Scripted", watch.answer_headers)

    def _watch_of(self, request: Request) -> Watch | None:
        key = (request.headers.get("Call-ID"), parse_name_addr(request.headers.get("To") or "").tag)
        return next((watch for watch in self.watches if (watch.call_id, watch.local_tag) == key), None)

    def answer(self, request: Request, status: int, reason: str, headers: Pairs = ()) -> None:
        """Answer a request."""
        self.wire.send(build_response(request, status, reason, headers))

    # --- watching

    def watch(self, presentity: str, *, event: str = "presence", headers: Pairs = ()) -> Watch:
        """Return a subscription that is still to be made."""
        watch = Watch(self, presentity, event=event, headers=tuple(headers))
        self.watches.append(watch)
        return watch

    def close(self) -> None:
        self.wire.close()


def new_token() -> str:
    """Return a tag, Call-ID or the like."""
    return secrets.token_hex(8)


def new_branch() -> str:
    """Return a branch (RFC 3261 §8.1.1.7)."""
    return f"z9hG4bK{new_token()}"
