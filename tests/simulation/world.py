"""The whole system in one process: the real services between a bus, a database, a network and a clock in memory."""

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from event_packages.registry import discover
from notifier import service as notifier_service
from presence_core.service import PresenceCore
from sip_edge import service as edge_service

from .loop import MAIN, Process, SimulatedLoop
from .nats import Client, Link, Server
from .network import Address, Network, NoServer, Receiver, Socket, Transport, bind_both
from .promises import Promises, Wire
from .store import Connection, Database
from .trace import Trace

EPOCH = 1_800_000_000.0
"""The time of day at the beginning."""
SHARDS = 8
LEASE_SECONDS = 2.0
EDGES, CORES, NOTIFIERS = "sip-edge", "presence-core", "notifier"

Settings = Mapping[str, str]


class Loop(SimulatedLoop):
    """The loop with what edges ask of it."""

    network: Network

    async def create_datagram_endpoint(  # type: ignore[override]
        self, factory: Callable[[], Any], *, sock: Socket
    ) -> tuple[Transport, Receiver]:
        """Read a socket that an edge has bound."""
        process = MAIN.get()
        assert process is not None
        protocol = factory()
        transport = Transport(self.network, sock.address, protocol, process)
        protocol.connection_made(transport)
        return transport, protocol

    async def create_server(self, *args: object, **options: object) -> NoServer:  # type: ignore[override]
        """Listen where nobody calls."""
        return NoServer()


@dataclass
class Member:
    """One process of the system and what is known of it."""

    kind: str
    name: str
    process: Process
    service: Any
    stop: asyncio.Event
    work: "asyncio.Task[object]"


class World:
    """One run. `members` are the processes that live, by name; `errors` what they logged as errors."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.loop = Loop()
        self.trace = Trace(self.loop.time)
        self.promises = Promises()
        note = self.trace.note
        self.network = self.loop.network = Network(self.loop, self.random, note, Wire(self.promises).carried)
        self.server = Server(self.loop, self.random, note)
        self.database = Database(self.loop, self.random)
        self.members: dict[str, Member] = {}
        self.started: list[asyncio.Task[object]] = []
        self.counts: dict[str, int] = {}
        self.loop.set_exception_handler(self._on_exception)
        self.settings: dict[str, dict[str, str]] = {EDGES: {}, CORES: {}, NOTIFIERS: {}}

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what nobody caught; what a garbage collector finds comes at no certain time and does not count."""
        if "task" not in context:
            self.promises.violated(f"{context['message']}: {context.get('exception')!r}")

    # --- processes

    def start(self, kind: str, name: str) -> None:
        """Start a process, the first or the next one of its name."""
        self.trace.note(name, "starts")
        process = Process(self.loop, name, skew=self.random.uniform(-0.05, 0.05))
        process.context.run(self._start, kind, name, process)

    def _start(self, kind: str, name: str, process: Process) -> None:
        stop = asyncio.Event()
        service = self._build(kind, name, process)
        service.app.state.http_url = f"http://{name}"
        work = process.spawn(service.run(stop))
        self.started.append(work)
        self.members[name] = Member(kind, name, process, service, stop, work)

    def _build(self, kind: str, name: str, process: Process) -> Any:
        variables = {
            "INSTANCE": name,
            "SHARDS": str(SHARDS),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            **self.settings[kind],
        }
        if kind == EDGES:
            host, port = edge_address(name)
            return edge_service.build(_environ("SIP_EDGE_", variables | {"LISTEN": f"{host}:{port}"}))
        if kind == NOTIFIERS:
            del variables["SHARDS"]
            return notifier_service.build(_environ("NOTIFIER_", variables))
        core = PresenceCore(_environ("PRESENCE_CORE_", variables))
        core.store = Connection(self.database, process)  # type: ignore[assignment]
        return core

    def kill(self, name: str) -> None:
        """End a process at once."""
        self.trace.note(name, "is killed")
        member = self.members.pop(name)
        member.process.kill()
        for client in [one for one in self.server.clients if one.process is member.process]:
            client.die()

    def of(self, kind: str) -> list[Member]:
        """Return the live processes of a kind."""
        return [member for member in self.members.values() if member.kind == kind]

    def clients_of(self, name: str) -> list[Client]:
        """Return the connection of a process, if it has one."""
        process = self.members[name].process
        return [one for one in self.server.clients if one.process is process]

    def client(self) -> Client:
        """Return a connection to be, of the process that runs now."""
        connected: type[Client] = type("Client", (Client,), {"server": self.server})
        return connected()

    def count(self, what: str) -> None:
        """Count a fault."""
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- the frame around a run

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let all code see this world's clock, bus, sockets and randomness for as long as the block lasts."""
        handler = _Errors(self)
        replaced = {
            "lamplighter_runtime.clock.time": SimpleNamespace(time=self._wall, monotonic=self._monotonic),
            "lamplighter_runtime.nats_bus.Client": type("Client", (Client,), {"server": self.server}),
            "lamplighter_runtime.nats_bus.Link": type("Link", (Link,), {"server": self.server}),
            "sip_edge.edge.bind_both": bind_both,
            "secrets.token_hex": self._token,
            "presence_core.service.discover": _discovered,
            **{f"{module}.create_app": _no_http for module in _WITH_HTTP},
        }
        with ExitStack() as stack:
            for name, thing in replaced.items():
                stack.enter_context(patch(name, thing))
            logging.getLogger().addHandler(handler)
            try:
                yield
            finally:
                logging.getLogger().removeHandler(handler)
                self._end()

    def _wall(self) -> float:
        process = MAIN.get()
        return EPOCH + self.loop.time() + (process.skew if process else 0.0)

    def _monotonic(self) -> float:
        return self.loop.time()

    def _token(self, size: int) -> str:
        return f"{self.random.getrandbits(8 * size):0{2 * size}x}"

    def _end(self) -> None:
        """Throw away what is left on the loop."""
        for member in self.members.values():
            member.process.kill()
        with _silent_tasks(self.loop):
            self.loop.close()


class _Errors(logging.Handler):
    """What a service logs as an error is a bug."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        process = MAIN.get()
        if process is None or process.alive:
            error = record.exc_info[1] if record.exc_info else None
            self._world.trace.note("logged", record.getMessage(), repr(error))
            self._world.promises.violated(f"{process.name if process else '?'} logged {record.getMessage()}: {error!r}")


@contextmanager
def _silent_tasks(loop: SimulatedLoop) -> Iterator[None]:
    """End every task without letting it do anything more."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        work = task.get_coro()
        try:
            work.close()
        except BaseException:
            # It wanted to clean up first: dead processes do not.
            continue
    yield


def edge_address(name: str) -> Address:
    """Return where an edge listens."""
    return (f"192.0.2.{name.rpartition('-')[2]}", 5060)


def _environ(prefix: str, variables: Settings) -> dict[str, str]:
    return {f"{prefix}{key}": value for key, value in variables.items()}


_WITH_HTTP = ("presence_core.service", "sip_edge.service", "notifier.service")


class _NoHttp:
    """An app without a server: what is registered with it is forgotten."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(stopping=False, http_url="")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: lambda function: function


def _no_http(*args: object, **options: object) -> _NoHttp:
    return _NoHttp()


_discovered = functools.cache(discover)
