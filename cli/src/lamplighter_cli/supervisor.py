"""Keeps processes running: starts them, shows what they write, starts them again, stops them in order.

Rule 1: a process that ends before it is told to is started again, but for one whose settings are wrong.
Rule 2: nothing outlives us: every process gets its kill signal when we die (`leash`).
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from itertools import groupby

from lamplighter_cli.backoff import Backoff
from lamplighter_cli.data import Status
from lamplighter_cli.logs import Line, Screen, read
from lamplighter_cli.processes import Running, Spec, spawn
from lamplighter_runtime import clock
from lamplighter_runtime.lifecycle import WRONG_SETTINGS

NAME = "lamplighter"
"""Under which the supervisor's own lines are shown."""
_LAST_WORDS = 20
"""Quiet lines that are kept for the case that their process dies."""
_OUTPUT_GRACE = 0.5
"""Seconds that the output of a dead process is still read: a grandchild may hold it open."""


class Child:
    """One process and all its lives."""

    def __init__(self, spec: Spec, screen: Screen, status: Status, on_hopeless: Callable[[str], None]) -> None:
        self.spec = spec
        self._screen = screen
        self._status = status
        self._on_hopeless = on_hopeless
        self._stopping = asyncio.Event()
        self._running: Running | None = None
        self._quiet: deque[Line] = deque(maxlen=_LAST_WORDS)
        self._keeping = asyncio.create_task(self._keep(), name=spec.name)

    async def _keep(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            born = clock.monotonic()
            code = await self._live()
            if self._stopping.is_set():
                break
            if code >= 0:  # A signal came from outside: what was written before explains nothing.
                self._show_last_words()
            self._quiet.clear()
            if code == WRONG_SETTINGS:
                self._on_hopeless(f"{self.spec.name} does not accept its settings")
                break
            await self._wait_to_restart(code, backoff.after(clock.monotonic() - born))

    async def _wait_to_restart(self, code: int, delay: float) -> None:
        how = {"signal": -code} if code < 0 else {"status": code}
        self._tell(Line(level="WARNING", message=f"{self.spec.name} ended", fields=how | {"restart_in": delay}))
        try:
            await asyncio.wait_for(self._stopping.wait(), delay)
        except TimeoutError:
            return

    async def _live(self) -> int:
        """Run the process to its end; return how it ended: status, or minus the signal."""
        try:
            running = self._running = await spawn(self.spec)
        except OSError as error:
            self._tell(Line(level="ERROR", message=f"{self.spec.name} does not start", fields={"reason": str(error)}))
            return os.EX_OSERR
        if self._stopping.is_set():
            self._signal(self.spec.stop_signal)
        self._status.set(self.spec.name, running.process.pid)
        showing = asyncio.create_task(self._show_output(running))
        code = await running.process.wait()
        self._running = None
        self._status.set(self.spec.name, None)
        await asyncio.wait([showing], timeout=_OUTPUT_GRACE)
        showing.cancel()
        running.close()
        return code

    async def _show_output(self, running: Running) -> None:
        while True:
            try:
                raw = await running.output.readline()
            except ValueError:
                continue  # Longer than any line of ours: dropped.
            if not raw:
                return
            self._show(read(raw.decode(errors="replace").rstrip()))

    def _show(self, line: Line) -> None:
        if line.quiet:
            self._quiet.append(line)
        else:
            self._screen.show(self.spec.name, line, clock.wall())

    def _show_last_words(self) -> None:
        for line in self._quiet:
            self._screen.show(self.spec.name, line, clock.wall())

    def _tell(self, line: Line) -> None:
        self._screen.show(NAME, line, clock.wall())

    def _signal(self, number: int) -> None:
        if self._running:
            self._running.process.send_signal(number)

    def kill(self) -> None:
        """End it at once and for good."""
        self._stopping.set()
        self._signal(self.spec.kill_signal)

    async def stop(self) -> None:
        """Ask it to end, wait, and end it when that takes too long."""
        self._stopping.set()
        self._signal(self.spec.stop_signal)
        done, _ = await asyncio.wait([self._keeping], timeout=self.spec.stop_seconds)
        if not done:
            self._tell(Line(level="WARNING", message=f"{self.spec.name} does not stop: killed"))
            self.kill()
        await self._keeping


class Supervisor:
    """All processes of one `lamplighter up`."""

    def __init__(self, screen: Screen, status: Status) -> None:
        self._screen = screen
        self._status = status
        self._children: list[Child] = []
        self.hopeless: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why it makes no sense to go on, once that is known."""

    def start(self, spec: Spec) -> None:
        """Start a process and keep it running."""
        self._children.append(Child(spec, self._screen, self._status, self._give_up))

    def _give_up(self, why: str) -> None:
        if not self.hopeless.done():
            self.hopeless.set_result(why)

    async def stop(self) -> None:
        """Stop all processes, those of one tier together, one tier after the other."""
        in_order = sorted(self._children, key=lambda child: child.spec.tier)
        for _, tier in groupby(in_order, key=lambda child: child.spec.tier):
            await asyncio.gather(*(child.stop() for child in tier))

    def kill(self) -> None:
        """End all processes at once."""
        for child in self._children:
            child.kill()
