"""One subscription as its watcher sees it (RFC 6665 §4.1)."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sip.fields import CSeq, SubscriptionState, parse_name_addr
from sip.message import Request, Response

from . import documents, strict

Pairs = tuple[tuple[str, str], ...]
STATE_SECONDS = 5.0


class Party(Protocol):
    """What a subscription needs of its user agent."""

    aor: str

    @property
    def contact(self) -> str: ...

    async def request(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes = b"", *, timeout: float = ...
    ) -> Response: ...

    def report(self) -> str:
        """Return what went over the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A NOTIFY that was new, in the order of arrival."""

    cseq: int
    state: SubscriptionState
    event: str
    content_type: str | None
    body: bytes
    request: Request

    @property
    def notes(self) -> list[str]:
        """Return the texts of all notes, those of tuples included."""
        return documents.notes(self.body) if self._is_presence else []

    @property
    def _is_presence(self) -> bool:
        return self.content_type == documents.PIDF_TYPE

    @property
    def basics(self) -> list[str]:
        return documents.basics(self.body)

    @property
    def step(self) -> int:
        """Return the highest number that a document of ours carried, -1 without one."""
        return documents.step(self.body) if self._is_presence else -1


class Watch:
    """A dialog made by SUBSCRIBE. `script` holds the statuses of the next answers to NOTIFY; None is silence."""

    def __init__(self, party: Party, presentity: str, *, event: str, headers: Pairs = ()) -> None:
        self.party = party
        self.presentity = presentity
        self.event = event
        self.headers = headers
        self.call_id = secrets.token_hex(8)
        self.local_tag = secrets.token_hex(8)
        self.remote_tag = ""
        self.cseq = 0
        self.target = presentity
        self.routes: list[str] = []
        self.notifications: list[Notification] = []
        self.repeats = 0
        self.faults: list[str] = []
        self.script: deque[int | None] = deque()
        self.answer_headers: Pairs = ()
        self.contact = party.contact
        self._seen: dict[str, bytes] = {}
        self._news = asyncio.Event()

    # --- what the watcher asks for

    async def subscribe(self, expires: int | None = 3600, *, headers: Pairs = (), timeout: float = 10.0) -> Response:
        """Send a SUBSCRIBE, initial or within the dialog, and return its answer."""
        self.cseq += 1
        response = await self.party.request(
            "SUBSCRIBE", self.target, [*self.fields(expires), *self.headers, *headers], timeout=timeout
        )
        if 200 <= response.status < 300:
            self._established(response)
        return response

    def fields(self, expires: int | None) -> list[tuple[str, str]]:
        """Return the header fields of the SUBSCRIBE with the present CSeq, without Via."""
        to_tag = f";tag={self.remote_tag}" if self.remote_tag else ""
        return [
            *(("Route", route) for route in self.routes),
            ("Max-Forwards", "70"),
            ("From", f"<{self.party.aor}>;tag={self.local_tag}"),
            ("To", f"<{self.presentity}>{to_tag}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} SUBSCRIBE"),
            ("Contact", f"<{self.contact}>"),
            ("Event", self.event),
            *([] if expires is None else [("Expires", str(expires))]),
        ]

    def _established(self, response: Response) -> None:
        tag = parse_name_addr(response.headers.get("To") or "").tag
        if self.remote_tag and tag != self.remote_tag:
            self.faults.append(f"the To tag changed from {self.remote_tag} to {tag}")
        self.remote_tag = tag
        self.faults += strict.faults_of_accepted(response)
        contacts = response.headers.values("Contact") if "Contact" in response.headers else []
        if contacts:
            self.target = parse_name_addr(contacts[0]).uri

    async def active(self, expires: int = 3600, *, headers: Pairs = ()) -> "Watch":
        """Subscribe, wait until the subscription is active and return self."""
        return await self.subscribed("active", expires, headers=headers)

    async def subscribed(self, state: str, expires: int = 3600, *, headers: Pairs = ()) -> "Watch":
        """Subscribe, wait for a NOTIFY that says this state and return self."""
        response = await self.subscribe(expires, headers=headers)
        assert response.status == 200, f"SUBSCRIBE got {response.status} {response.reason}"
        await self.state(lambda one: one.state.state == state)
        return self

    async def end(self) -> Notification:
        """Unsubscribe and return the last NOTIFY."""
        response = await self.subscribe(0)
        assert response.status == 200, f"un-SUBSCRIBE got {response.status} {response.reason}"
        return await self.state(lambda one: one.state.state == "terminated")

    # --- what the watcher is told

    def notified(self, request: Request, data: bytes) -> int | None:
        """Take a NOTIFY; return the status to answer with, None for silence."""
        if self._is_repeat(request, data):
            self.repeats += 1
            return self.script.popleft() if self.script else 200
        self.faults += strict.faults_of_notify(request, self)
        self.notifications.append(_notification(request))
        self._news.set()
        return self.script.popleft() if self.script else 200

    def _is_repeat(self, request: Request, data: bytes) -> bool:
        key = request.headers.get("CSeq") or ""
        known = self._seen.setdefault(key, data)
        if known is data:
            return False
        if known != data:
            self.faults.append(f"CSeq {key} used for two different NOTIFYs")
        return True

    @property
    def last(self) -> Notification:
        return self.notifications[-1]

    @property
    def steps(self) -> list[int]:
        """Return the numbers of the documents of ours that were seen, in order, repetitions left out."""
        seen = [one.step for one in self.notifications if one.step >= 0]
        return [step for index, step in enumerate(seen) if index == 0 or seen[index - 1] != step]

    async def state(
        self, predicate: Callable[[Notification], bool], timeout: float = STATE_SECONDS, *, after: int = 0
    ) -> Notification:
        """Return the first NOTIFY from number `after` on that satisfies the predicate, waiting for it if need be."""
        try:
            async with asyncio.timeout(timeout):
                return await self._until(predicate, after)
        except TimeoutError:
            raise AssertionError(f"{self}: no such NOTIFY in {timeout} s\n{self.party.report()}") from None

    async def _until(self, predicate: Callable[[Notification], bool], index: int) -> Notification:
        while True:
            for one in self.notifications[index:]:
                index += 1
                if predicate(one):
                    return one
            self._news.clear()
            await self._news.wait()

    async def ends_with(self, step: int, timeout: float = STATE_SECONDS) -> None:
        """Wait until the last state shown is that of the document number `step`."""
        await self.state(lambda one: one is self.last and one.step == step, timeout)

    async def nothing_more(self, seconds: float = 0.7) -> None:
        """Assert that no further NOTIFY comes for a while."""
        before = len(self.notifications)
        await asyncio.sleep(seconds)
        assert len(self.notifications) == before, f"{self}: told again\n{self.party.report()}"

    def __str__(self) -> str:
        told = [f"{one.cseq}:{one.state.state}:{one.step}" for one in self.notifications]
        return f"{self.party.aor} of {self.presentity} {told}"


def _notification(request: Request) -> Notification:
    headers = request.headers
    return Notification(
        cseq=CSeq.parse(headers.get("CSeq") or "").number,
        state=SubscriptionState.parse(headers.get("Subscription-State") or ""),
        event=headers.get("Event") or "",
        content_type=headers.get("Content-Type"),
        body=request.body,
        request=request,
    )


def accept(*types: str) -> Iterable[tuple[str, str]]:
    """Return Accept lines."""
    return [("Accept", one) for one in types]
