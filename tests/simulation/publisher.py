"""A publisher: initial, modified, refreshed and removed publications, one after the other (RFC 3903 §4)."""

import asyncio

from sip.message import Response

from .agent import Agent, retry_after
from .network import Address
from .promises import TYPES, Fact, Promises, document

MARGIN = 1.0
"""Seconds around an expiry in which it is not known which side of it a request falls on."""


class Publisher:
    """Publishes for one presentity; `calm` ends changes, but not refreshes."""

    def __init__(self, agent: Agent, promises: Promises, event: str, edges: list[Address], clock: "Clock") -> None:
        self._agent, self._promises, self._edges = agent, promises, edges
        self._presentity, self.event, self._now = agent.aor, event, clock
        self.calm = False
        self._lives = 0
        self._etag = ""
        self._expires = 30
        self.answered = self.accepted = 0

    async def run(self) -> None:
        """Publish for ever."""
        random = self._agent.random
        while True:
            await asyncio.sleep(random.uniform(0.0, 3.0))
            self._lives += 1
            await self._live(self._promises.fact((self._presentity, self.event), self._name()))

    def _name(self) -> str:
        return f"{self._agent.name}x{self.event[0]}{self._lives}"

    async def _live(self, fact: Fact) -> None:
        """Make one publication and keep it until it is removed or lost."""
        random = self._agent.random
        self._etag, self._expires = "", random.choice((20, 25, 30))
        if not await self._change(fact):
            return
        while True:
            await asyncio.sleep(self._pause(fact))
            choice = random.random()
            if self.calm or choice < 0.3:
                kept = await self._send(fact, b"", self._expires)
            elif choice < 0.9:
                kept = await self._change(fact)
            else:
                await self._send(fact, b"", 0)
                return
            if not kept:
                return

    def _pause(self, fact: Fact) -> float:
        random, left = self._agent.random, fact.certain_until - self._now()
        return max(0.1, min(left / 2, random.choice((0.05, 0.5, 2.0, 6.0)) * random.uniform(0.5, 1.5)))

    async def _change(self, fact: Fact) -> bool:
        fact.sent += 1
        return await self._send(fact, document(self.event, self._presentity, fact.name, fact.sent), self._expires)

    async def _send(self, fact: Fact, body: bytes, expires: int) -> bool:
        """Send until it is answered by more than "later"; return whether the publication still is ours."""
        for _ in range(6):
            before, began = fact.lives(self._now() + MARGIN), self._now()
            response = await self._ask(body, expires)
            if response is not None and response.status == 200:
                self._taken(fact, response, began, expires)
                return True
            if response is not None and response.status == 412:
                if before and self._now() + MARGIN < fact.certain_until:
                    self._promises.violated(f"{fact.name}: an accepted publication is unknown (412)")
                return False
            if response is not None and response.status != 503:
                self._promises.violated(f"{fact.name}: PUBLISH got {response.status} {response.reason}")
            self._unsure(fact, expires)
            if not self._etag:
                return False
            await asyncio.sleep(retry_after(response) * self._agent.random.uniform(1.0, 1.5))
        return False

    async def _ask(self, body: bytes, expires: int) -> Response | None:
        agent = self._agent
        headers = [
            ("From", f"<{agent.aor}>;tag={agent.token()}"),
            ("To", f"<{self._presentity}>"),
            ("Call-ID", agent.token()),
            ("CSeq", "1 PUBLISH"),
            ("Event", self.event),
            ("Expires", str(expires)),
            *([("SIP-If-Match", self._etag)] if self._etag else []),
            *([("Content-Type", TYPES[self.event])] if body else []),
        ]
        response = await agent.request("PUBLISH", self._presentity, headers, agent.random.choice(self._edges), body)
        self.answered += response is not None
        return response

    def _taken(self, fact: Fact, response: Response, began: float, expires: int) -> None:
        self.accepted += 1
        granted = int(response.headers.get("Expires") or "0")
        self._etag = response.headers.get("SIP-ETag") or ""
        fact.accepted, fact.doubtful, fact.removed = fact.sent, False, expires == 0
        fact.certain_until = began + granted
        fact.possible_until = max(fact.possible_until, self._now() + granted + MARGIN)

    def _unsure(self, fact: Fact, expires: int) -> None:
        fact.doubtful = True
        fact.possible_until = max(fact.possible_until, self._now() + expires + MARGIN)


class Clock:
    """The loop's time."""

    def __call__(self) -> float:
        """Return the simulated seconds since the beginning."""
        return asyncio.get_running_loop().time()
