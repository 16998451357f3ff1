"""A process that we keep running: what it is, and how it is started."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

LONGEST_LINE = 1024 * 1024
"""Bytes of a log line; of a longer one only pieces are shown."""
_LEASH = str(Path(__file__).with_name("leash.py"))


class Tier(IntEnum):
    """The order in which processes are stopped."""

    EDGE = 0
    NOTIFIER = 1
    CORE = 2
    XCAP = 3
    NATS = 4
    POSTGRES = 5


@dataclass(frozen=True, slots=True)
class User:
    """Whom a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A process to be kept running; `http` is the base URL of its health endpoints, if it has any."""

    name: str
    tier: Tier
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    http: str = ""
    user: User | None = None
    folder: Path | None = None
    """Where it works; it need not be allowed to come there by itself."""
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    """What ends it at once, and what it gets when the supervisor dies."""
    stop_seconds: float = 25.0


class Running:
    """A process that was started, and what it writes."""

    def __init__(
        self, process: asyncio.subprocess.Process, output: asyncio.StreamReader, pipe: asyncio.ReadTransport
    ) -> None:
        self.process = process
        self.output = output
        self._pipe = pipe

    def close(self) -> None:
        """Let go of its output."""
        self._pipe.close()


async def spawn(spec: Spec) -> Running:
    """Start a process in a session of its own, so that Ctrl-C reaches only us; its output is one pipe."""
    user = spec.user or User(-1, -1)
    leash = (sys.executable, "-I", "-S", _LEASH, os.getpid(), int(spec.kill_signal), user.uid, user.gid)
    # A pipe of our own: one of asyncio's would have `wait` last until grandchildren have closed it, too.
    reading, writing = os.pipe()
    try:
        output, pipe = await _reader(reading)
        process = await asyncio.create_subprocess_exec(
            *map(str, leash),
            *spec.command,
            env=spec.environment,
            cwd=spec.folder,
            stdin=DEVNULL,
            stdout=writing,
            stderr=STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(writing)
    return Running(process, output, pipe)


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    file = os.fdopen(descriptor, "rb", buffering=0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader, transport
