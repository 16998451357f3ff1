"""A watcher: subscribes, refreshes, answers NOTIFYs, sometimes badly, and looks at what it is told (RFC 6665 §4.1)."""

import asyncio

from sip.fields import CSeq, SubscriptionState, parse_name_addr
from sip.message import Request, Response

from .agent import Agent, retry_after
from .network import Address
from .promises import Key, Promises, Story, seen
from .publisher import MARGIN, Clock


class Dialog:
    """One subscription as its watcher knows it."""

    def __init__(self, watcher: "Watcher", call_id: str, tag: str) -> None:
        self.call_id, self.tag, self.remote_tag = call_id, tag, ""
        self.cseq = 0
        self.certain_until = 0.0
        self.over = False
        self.told = 0
        """The highest CSeq of a NOTIFY that was taken."""
        self.shows: dict[str, int] = {}
        self.packets: dict[int, bytes] = {}
        self.statuses: dict[int, int | None] = {}
        self.version = -1
        self.story = Story(watcher.promises, watcher.key)


class Watcher:
    """Watches one presentity. `calm` ends bad manners and changes, but not refreshes."""

    def __init__(
        self, agent: Agent, promises: Promises, presentity: str, event: str, edges: list[Address], clock: Clock
    ) -> None:
        self.agent, self.promises, self.key = agent, promises, (presentity, event)
        self.calm = False
        self.dialog: Dialog | None = None
        self._edges, self._now = edges, clock
        self._expires = 30
        self._mute_until = 0.0
        self.ruled: dict[Key, list[str]] | None = None
        """Whom rules allow to watch what, where there are rules."""
        self.accepted = self.notified = self.repeats = 0
        agent.on_notify = self._on_notify

    @property
    def name(self) -> str:
        """Return what to call the watcher and its dialog."""
        return f"{self.agent.name} of {self.key[0]} {self.key[1]}"

    def may_watch(self) -> bool:
        """Return whether the watcher is allowed to see what it watches."""
        return self.ruled is None or self.agent.aor in self.ruled[self.key]

    async def run(self) -> None:
        """Watch for ever."""
        random = self.agent.random
        while True:
            await asyncio.sleep(random.uniform(0.0, 2.0))
            dialog = self.dialog = Dialog(self, self.agent.token(), self.agent.token())
            self._expires = random.choice((20, 30, 40))
            await self._watch(dialog)
            dialog.over = True

    async def _watch(self, dialog: Dialog) -> None:
        if not await self._subscribe(dialog, self._expires):
            return
        random = self.agent.random
        while not dialog.over:
            left = dialog.certain_until - self._now()
            await asyncio.sleep(max(0.1, min(left / 2, random.uniform(1.0, 15.0))))
            if dialog.over:
                return
            choice = 1.0 if self.calm else random.random()
            if choice < 0.1:
                # It goes without a word: NOTIFYs get 481 from now on.
                return
            if choice < 0.2:
                self._mute_until = self._now() + random.uniform(0.5, 6.0)
            elif not await self._subscribe(dialog, 0 if choice < 0.3 else self._expires) or choice < 0.3:
                return

    async def _subscribe(self, dialog: Dialog, expires: int) -> bool:
        """Subscribe or refresh; return whether the dialog stands."""
        for _ in range(5):
            began = self._now()
            response = await self._ask(dialog, expires)
            if response is not None and response.status == 200:
                self._taken(dialog, response, began)
                return True
            if response is not None and response.status == 481:
                if self._now() + MARGIN < dialog.certain_until and not dialog.over and self.ruled is None:
                    self.promises.violated(f"{self.name}: an accepted subscription is unknown (481)")
                return False
            if response is not None and response.status != 503:
                self.promises.violated(f"{self.name}: SUBSCRIBE got {response.status} {response.reason}")
            if expires == 0:
                return False
            if not dialog.certain_until:
                return False
            await asyncio.sleep(retry_after(response) * self.agent.random.uniform(1.0, 1.5))
        return False

    async def _ask(self, dialog: Dialog, expires: int) -> Response | None:
        agent, (presentity, event) = self.agent, self.key
        dialog.cseq += 1
        to_tag = f";tag={dialog.remote_tag}" if dialog.certain_until else ""
        headers = [
            ("From", f"<{agent.aor}>;tag={dialog.tag}"),
            ("To", f"<{presentity}>{to_tag}"),
            ("Call-ID", dialog.call_id),
            ("CSeq", f"{dialog.cseq} SUBSCRIBE"),
            ("Contact", f"<{agent.contact}>"),
            ("Event", event),
            ("Expires", str(expires)),
        ]
        return await agent.request("SUBSCRIBE", presentity, headers, agent.random.choice(self._edges))

    def _taken(self, dialog: Dialog, response: Response, began: float) -> None:
        self.accepted += 1
        tag = parse_name_addr(response.headers.get("To") or "").tag
        if dialog.remote_tag and tag != dialog.remote_tag:
            self.promises.violated(f"{self.name}: one SUBSCRIBE made two dialogs, {dialog.remote_tag} and {tag}")
        dialog.remote_tag = tag
        dialog.certain_until = began + int(response.headers.get("Expires") or "0")

    # --- what it is told

    def _on_notify(self, request: Request, data: bytes) -> int | None:
        dialog = self.dialog
        to, source = (parse_name_addr(request.headers.get(name) or "") for name in ("To", "From"))
        if dialog is None or (request.headers.get("Call-ID"), to.tag) != (dialog.call_id, dialog.tag):
            return 481
        if dialog.remote_tag and source.tag != dialog.remote_tag:
            self.promises.violated(f"{self.name}: told in two dialogs, {dialog.remote_tag} and {source.tag}")
        dialog.remote_tag = source.tag
        number = CSeq.parse(request.headers.get("CSeq") or "").number
        if number in dialog.packets:
            return self._again(dialog, number, data)
        dialog.packets[number] = data
        status = dialog.statuses[number] = self._take(dialog, number, request)
        return status

    def _again(self, dialog: Dialog, number: int, data: bytes) -> int | None:
        self.repeats += 1
        if dialog.packets[number] != data:
            self.promises.violated(f"{self.name}: two different NOTIFYs with CSeq {number}")
        if self._now() < self._mute_until:
            return None
        return dialog.statuses[number] or 200

    def _take(self, dialog: Dialog, number: int, request: Request) -> int | None:
        if number < dialog.told:
            # RFC 3261 §12.2.2.
            return 500
        self.notified += 1
        dialog.told = number
        if self.key[1] == "dialog" and request.body:
            self._version(dialog, number, request.body)
        if request.body:
            dialog.shows = seen(self.key[1], request.body)
            self.agent.note(self.agent.name, "sees", dialog.shows)
            for fault in dialog.story.told(dialog.shows):
                self.promises.violated(f"{self.name}, CSeq {number}: {fault}")
        state = SubscriptionState.parse(request.headers.get("Subscription-State") or "")
        if state.state == "terminated":
            dialog.over = True
        return None if self._now() < self._mute_until else 200

    def _version(self, dialog: Dialog, number: int, body: bytes) -> None:
        version = int(body.split(b'version="', 2)[2].split(b'"', 1)[0])
        if version <= dialog.version:
            self.promises.violated(f"{self.name}: version {version} after {dialog.version}")
        dialog.version = version
