"""An event loop whose clock jumps from timer to timer, and processes within it that can be killed and stopped.

Rule 1: nothing waits, no socket is opened, and the order of everything follows from the seed alone.
Rule 2: what a process has on the loop is known by its context: a dead one's is dropped, a stopped one's is held.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol

MAIN: "ContextVar[Process | None]" = ContextVar("process", default=None)


MANY = 200


class Stuck(AssertionError):
    """Nobody waits for any time: the simulation cannot go on."""


class Process:
    """A simulated process: what runs in its context dies and stops with it. `skew` is by what its clock is wrong."""

    def __init__(self, loop: "SimulatedLoop", name: str, skew: float = 0.0) -> None:
        self.name, self.skew = name, skew
        self.alive, self.stopped = True, False
        self.context = copy_context()
        self.context.run(MAIN.set, self)
        self._loop = loop
        self._held: list[asyncio.Handle] = []
        self._tasks: list[asyncio.Task[object]] = []

    def spawn(self, work: Coroutine[object, object, object], name: str = "") -> "asyncio.Task[object]":
        """Begin a task of this process."""
        context = None if MAIN.get() is self else self.context.copy()
        return self._loop.create_task(work, name=name or self.name, context=context)

    def keep(self, task: "asyncio.Task[object]") -> None:
        """Keep a task from being thrown away, at a time that nobody foresees, before the world ends."""
        if len(self._tasks) > MANY:
            self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)

    def hold(self, handle: asyncio.Handle) -> None:
        """Keep what would have run while the process is stopped."""
        self._held.append(handle)

    def stop(self) -> None:
        """Stop, as by SIGSTOP."""
        self.stopped = True

    def go_on(self) -> None:
        """Continue, as by SIGCONT: all that became due meanwhile is due now."""
        self.stopped = False
        held, self._held = self._held, []
        self._loop.run_soon(held)

    def kill(self) -> None:
        """End at once, as by SIGKILL."""
        self.alive = False
        self._held = []


class _Owned(Protocol):
    process: Process | None


class _Handle(asyncio.Handle):
    __slots__ = ("process",)
    process: Process | None

    def _run(self) -> None:
        if may_run(self, self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ("process",)
    process: Process | None

    def _run(self) -> None:
        if may_run(self, self):
            super()._run()


def may_run(owned: _Owned, handle: asyncio.Handle) -> bool:
    """Return whether a handle's process runs; keep the handle where it is stopped."""
    process = owned.process
    if process is None:
        return True
    if process.alive and process.stopped:
        process.hold(handle)
    return process.alive and not process.stopped


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop without sockets: whenever nothing is left to do, its time is that of the next timer."""

    _ready: list[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._clock_resolution = 1e-6
        self.turns = 0

    def time(self) -> float:
        """Return the simulated seconds since the beginning."""
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Let time pass: this is the selector's part of the loop."""
        if timeout is None:
            raise Stuck("nothing is left to wait for")
        self._now += timeout
        self.turns += 1
        return []

    def _process_events(self, events: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        """Run these handles in this order."""
        self._ready.extend(handles)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        """Begin a task, of the process in whose context it runs."""
        task = super().create_task(coro, name=name, context=context)
        process = MAIN.get() if context is None else context.get(MAIN)
        if process is not None:
            process.keep(task)
        return task

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back in the next turn."""
        handle = _Handle(callback, args, self, context)
        handle.process = handle._context.get(MAIN)  # type: ignore[attr-defined]
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after some seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a time."""
        timer = _Timer(when, callback, args, self, context)
        timer.process = timer._context.get(MAIN)  # type: ignore[attr-defined]
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


def here() -> Process:
    """Return the process that runs now."""
    process = MAIN.get()
    assert process is not None, "outside of every process"
    return process
