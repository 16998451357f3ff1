"""A stack under load, with clients that go on whatever happens to it."""

import asyncio
from collections.abc import Callable

from ..conftest import Presload
from ..load import Run, Verdict
from ..relay import Relay
from ..steady import Crowd
from ..test_faults_services import NEVER
from .engine import Container
from .stack import SIP_PORT, Stack

CALM = 1.0
PUBLISHERS, WATCHERS = 50, 2
LOAD = ("mixed", "-P", str(PUBLISHERS), "-W", str(WATCHERS), "--rate", "40", "--grace", "25")
SETUP = 2 * PUBLISHERS * (1 + 2 * WATCHERS)
"""Datagrams by which the load has published and subscribed once, NOTIFYs and all answers included."""
SETUP_SECONDS = 20.0
LONGEST = 120
"""Seconds."""


class Field:
    """A stack, a crowd at its first edge, and a relay at the advertised address for the load."""

    def __init__(self, stack: Stack, crowd: Crowd, relay: Relay, presload: Presload) -> None:
        self.stack = stack
        self.crowd = crowd
        self.relay = relay
        self._presload = presload

    async def load(self) -> Run:
        """Start a load that goes on until it is ended; return it once it has published and subscribed."""
        before = self.relay.fates.passed
        run = self._presload(self.relay, *LOAD, "--seconds", str(LONGEST))
        async with asyncio.timeout(SETUP_SECONDS):
            while self.relay.fates.passed < before + SETUP:  # noqa: ASYNC110  # there is no event
                await asyncio.sleep(0.05)
        await asyncio.sleep(CALM)
        return run

    async def do(self, act: Callable[[], None]) -> None:
        """Do something to the stack, wait until it is ready, follow its edge, and give clients a moment."""
        await asyncio.to_thread(act)
        await asyncio.to_thread(self.stack.until_ready)
        edge = await asyncio.to_thread(self.stack.one, "sip-edge")
        self.relay.server = (edge.address, SIP_PORT)
        self.crowd.move((edge.address, SIP_PORT))
        await asyncio.sleep(CALM)

    async def suffers(self, service: str, fault: Callable[[Container], None]) -> None:
        """Let the first container of a service suffer a fault."""
        container = await asyncio.to_thread(self.stack.one, service)
        await self.do(lambda: fault(container))


async def nothing_lost(run: Run) -> Verdict:
    """End a load with a fault in it and judge it: answers may fail, states may be late, and that is all."""
    run.end()
    verdict = await asyncio.to_thread(run.verdict)
    found = {name: verdict.number("run", name) for name in NEVER}
    assert not any(found.values()), f"{found}\n{verdict.text}"
    assert verdict.number("run", "publish_ok") > 0, verdict.text
    return verdict


async def nothing_noticed(run: Run) -> None:
    """End a load during which everything was done in order and judge it: every answer is what it should be."""
    verdict = await nothing_lost(run)
    assert verdict.status == 0, verdict.text
