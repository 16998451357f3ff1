"""How much of the interpreter a piece of our code uses: a number that does not depend on the machine's mood.

Counted is what our own packages do: bytecode instructions, and calls of functions written in Python and in C. What
asyncio, test doubles and C code do inside is not.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

OURS = (
    "sip.",
    "event_packages.",
    "lamplighter_proto.",
    "lamplighter_runtime.",
    "sip_edge.",
    "presence_core.",
    "notifier.",
)
DOUBLES = ("sip_edge.testing", "presence_core.testing", "presence_core.storage.memory")


@dataclass(slots=True)
class Cost:
    """What was counted."""

    instructions: int = 0
    calls: int = 0

    def each(self, operations: int) -> "Cost":
        """Return the cost of one of so many operations."""
        return Cost(round(self.instructions / operations), round(self.calls / operations))

    def beyond(self, other: "Cost") -> "Cost":
        """Return what this costs more."""
        return Cost(self.instructions - other.instructions, self.calls - other.calls)


class _Trace(Protocol):
    def __call__(self, frame: FrameType, event: str, argument: object, /) -> "_Trace | None": ...


@contextmanager
def counted() -> Iterator[Cost]:
    """Count what our packages do, in this thread, while the block runs."""
    cost = Cost()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call") and _is_ours(frame):
            cost.calls += 1

    def step(frame: FrameType, event: str, argument: object, /) -> _Trace:
        cost.instructions += event == "opcode"
        return step

    def enter(frame: FrameType, event: str, argument: object, /) -> _Trace | None:
        if not _is_ours(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    tracing, profiling = sys.gettrace(), sys.getprofile()
    sys.settrace(enter)
    sys.setprofile(profile)
    try:
        yield cost
    finally:
        sys.settrace(tracing)
        sys.setprofile(profiling)


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", "")) + "."
    return name.startswith(OURS) and not name.startswith(DOUBLES)
