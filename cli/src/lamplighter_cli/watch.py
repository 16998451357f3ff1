"""`lamplighter watch`: a subscriber that prints what it is told (RFC 6665 §4.1)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from lamplighter_cli.address import Address
from lamplighter_cli.errors import CommandError, Refused, Unreachable
from lamplighter_cli.user_agent import Header, Sequence, UserAgent
from lamplighter_cli.waiting import Retry, refresh_after, seconds, sleep_unless, stopped_by_signal
from sip.dialog import route_request
from sip.errors import ParseError
from sip.fields import CSeq, SubscriptionState, parse_name_addr
from sip.message import Request, Response

ACCEPT = {
    "presence": "application/pidf+xml",
    "dialog": "application/dialog-info+xml",
    "message-summary": "application/simple-message-summary",
    "presence.winfo": "application/watcherinfo+xml",
    "dialog.winfo": "application/watcherinfo+xml",
}
FINAL_NOTIFY_SECONDS = 2.0
_FOR_GOOD = ("rejected", "noresource", "invariant")
"""Reasons after which a subscriber does not come back (RFC 6665 §4.1.3)."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is watched, by whom, where; `count` and `seconds` (0: no limit) end it."""

    uri: str
    event: str
    watcher: str
    server: Address
    tcp: bool = False
    expires: int = 3600
    count: int = 0
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a NOTIFY says."""

    state: SubscriptionState
    content_type: str
    body: bytes


class Dialog:
    """Our side of a subscription."""

    def __init__(self, wanted: Watching) -> None:
        self.sequence = Sequence(local=wanted.watcher, remote=wanted.uri)
        self.ended: SubscriptionState | None = None
        self._target = wanted.uri
        self._routes: tuple[str, ...] = ()
        self._heard = -1

    @property
    def is_made(self) -> bool:
        """Return whether the server has answered or notified."""
        return bool(self.sequence.remote_tag)

    def where(self) -> tuple[str, list[Header]]:
        """Return Request-URI and Route headers of the next request (RFC 3261 §12.2.1.1)."""
        if not self.is_made:
            return self._target, []
        routed = route_request(self._target, self._routes)
        return routed.request_uri, [("Route", route) for route in routed.routes]

    def accepted(self, response: Response) -> None:
        """Take the 2xx to a SUBSCRIBE."""
        if not self._routes:
            self._routes = tuple(reversed(response.headers.values("Record-Route")))
        self._learn(response.headers.get("Contact"), response.headers.get("To"))

    def notified(self, request: Request) -> bool:
        """Take a NOTIFY; return False for one that is older than what we have (RFC 3261 §12.2.2)."""
        number = CSeq.parse(request.headers.get("CSeq") or "").number
        if number <= self._heard:
            return False
        self._heard = number
        self._learn(request.headers.get("Contact"), request.headers.get("From"))
        return True

    def _learn(self, contact: str | None, remote: str | None) -> None:
        if contact:
            self._target = parse_name_addr(contact).uri
        if remote and not self.is_made:
            self.sequence.remote_tag = parse_name_addr(remote).tag

    def owns(self, request: Request) -> bool:
        """Return whether a NOTIFY belongs here."""
        sequence = self.sequence
        own = parse_name_addr(request.headers.get("To") or "").tag == sequence.local_tag
        theirs = parse_name_addr(request.headers.get("From") or "").tag
        return own and request.headers.get("Call-ID") == sequence.call_id and sequence.remote_tag in ("", theirs)


class Watcher:
    """A subscription that is refreshed, and made anew when the server has lost or ended it."""

    def __init__(self, wanted: Watching, show: Callable[[Notice], None], tell: Tell) -> None:
        self._wanted = wanted
        self._show = show
        self._tell = tell
        self._lost = asyncio.Event()
        self._agent = UserAgent(wanted.server, tcp=wanted.tcp, on_request=self._on_request, on_lost=self._lost.set)
        self._dialog = Dialog(wanted)
        self._expires = wanted.expires
        self._retry = Retry()
        self._ended = asyncio.Event()
        self._done = asyncio.Event()
        self._leaving = False
        self.shown = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`, or until `count` states were shown; Refused when the server wants no more of it."""
        try:
            delay = await self._subscribe(first=True)
            while True:
                await sleep_unless(delay, stop, self._ended, self._done, self._lost)
                if stop.is_set() or self._done.is_set():
                    break
                # Over a new connection NOTIFYs come only after a refresh by it.
                self._lost.clear()
                delay = self._anew() if self._ended.is_set() else await self._subscribe()
            await self._unsubscribe()
        finally:
            self._agent.close()

    async def _subscribe(self, *, first: bool = False) -> float:
        """Subscribe or refresh; return when to come back."""
        try:
            response = await self._send(self._expires)
        except Unreachable as error:
            if first:
                raise
            self._tell(str(error))
            return self._retry.failed()
        if response.status < 300:
            return self._accepted(response)
        return self._refused(response)

    async def _send(self, expires: int) -> Response:
        wanted = self._wanted
        uri, headers = self._dialog.where()
        headers += [("Contact", f"<{await self._agent.contact()}>"), ("Event", wanted.event)]
        if accept := ACCEPT.get(wanted.event.partition(";")[0].strip()):
            headers.append(("Accept", accept))
        headers.append(("Expires", str(expires)))
        return await self._agent.request("SUBSCRIBE", uri, self._dialog.sequence, headers)

    def _accepted(self, response: Response) -> float:
        self._retry.reset()
        self._dialog.accepted(response)
        granted = seconds(response, "Expires")
        return refresh_after(self._expires if granted is None else granted)

    def _refused(self, response: Response) -> float:
        if response.status == 481 and self._dialog.is_made:
            self._dialog = Dialog(self._wanted)
            return 0.0
        least = seconds(response, "Min-Expires") or 0
        if response.status == 423 and least > self._expires:
            self._expires = least
            return 0.0
        self._tell(f"{response.status} {response.reason}")
        return self._retry.refused(response)

    def _anew(self) -> float:
        """Forget a subscription that the server has ended; return when to subscribe again (RFC 6665 §4.1.3)."""
        state = self._dialog.ended
        self._ended.clear()
        self._dialog = Dialog(self._wanted)
        if state is None or state.reason in _FOR_GOOD:
            raise Refused(f"the subscription was ended: {state.reason if state else ''}")
        if state.reason in ("deactivated", "timeout"):
            return 0.0
        return float(state.retry_after or self._retry.failed())

    def _on_request(self, request: Request) -> tuple[int, str]:
        if request.method != "NOTIFY":
            return 405, "Method Not Allowed"
        if not self._dialog.owns(request):
            return 481, "Subscription Does Not Exist"
        try:
            state = SubscriptionState.parse(request.headers.get("Subscription-State") or "")
            if not self._dialog.notified(request):
                return 500, "Older Than What Was Seen"
        except ParseError as error:
            return error.status, error.reason
        self._take(Notice(state=state, content_type=request.headers.get("Content-Type") or "", body=request.body))
        return 200, "OK"

    def _take(self, notice: Notice) -> None:
        if not self._leaving:
            self._show(notice)
            self.shown += 1
        if self.shown == self._wanted.count:
            self._done.set()
        if notice.state.state == "terminated":
            self._dialog.ended = notice.state
            self._ended.set()

    async def _unsubscribe(self) -> None:
        if not self._dialog.is_made or self._ended.is_set():
            return
        self._leaving = True
        try:
            async with asyncio.timeout(FINAL_NOTIFY_SECONDS):
                if (await self._send(0)).status < 300:
                    await self._ended.wait()
        except (CommandError, TimeoutError):
            return


async def watch(wanted: Watching, show: Callable[[Notice], None], tell: Tell) -> int:
    """Watch until a signal or a limit; return 0, or 1 when `count` states did not come within `seconds`."""
    with stopped_by_signal() as stop:
        watcher = Watcher(wanted, show, tell)
        limit = asyncio.get_running_loop().call_later(wanted.seconds, stop.set) if wanted.seconds else None
        try:
            await watcher.run(stop)
        finally:
            if limit:
                limit.cancel()
    return 0 if watcher.shown >= wanted.count else 1
