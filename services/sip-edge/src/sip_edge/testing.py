"""What surrounds the edge, for tests: clients, a directory, a core and a clock that do as they are told.

`Bench` is an endpoint without sockets, `Running` an edge with them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lamplighter_proto import Answer, Command, Flow, FrameCodec, Received, Reply, Send, Subscribe, subjects
from lamplighter_runtime import clock
from lamplighter_runtime.bus import Bus, MemoryBus
from sip.message import Limits, Response, parse
from sip.transaction import ServerTransactions
from sip_edge.addresses import Peer, read_address, write_address
from sip_edge.checks import Manners
from sip_edge.edge import Edge
from sip_edge.endpoint import Endpoint
from sip_edge.metrics import Counts
from sip_edge.settings import Settings
from sip_edge.sources import Sources
from sip_edge.targets import Targets
from sip_edge.ways import Ways

CLIENT: Peer = ("192.0.2.7", 5070)
TIMEOUT = 5.0


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the seconds it was set to."""
        return self.now


@dataclass
class Owners:
    """A directory that says what a test wrote into it."""

    owners: dict[int, str] = field(default_factory=dict)
    default: str | None = "core-1"
    synced: bool = True

    def owner_of(self, shard: int) -> str | None:
        """Return the owner of a shard."""
        return self.owners.get(shard, self.default)

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Forget the listener: tests tell the edge themselves."""


@dataclass
class Wire:
    """A channel that keeps what is sent."""

    reliable: bool = False
    contact: str = "<sip:192.0.2.1:5060>"
    sent: list[tuple[bytes, Peer]] = field(default_factory=list)

    def send(self, packet: bytes, peer: Peer) -> bool:
        """Keep a packet."""
        self.sent.append((packet, peer))
        return True

    def flow(self, peer: Peer) -> Flow:
        """Return a UDP flow."""
        return Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote=write_address(peer))

    def responses(self) -> list[Response]:
        """Return what was sent, parsed."""
        return [read_response(packet) for packet, _ in self.sent]


def read_response(packet: bytes) -> Response:
    """Return a packet as the response that it must be."""
    response = parse(packet)
    assert isinstance(response, Response)
    return response


class ScriptedCore:
    """A core that keeps its commands and answers them with what `script` returns."""

    def __init__(self, bus: Bus, script: Callable[[Command], Reply | None], name: str = "core-1") -> None:
        self.commands: list[Command] = []
        self._bus = bus
        self.script = script
        self._name = name

    async def start(self) -> None:
        """Take commands from now on."""
        await self._bus.subscribe(subjects.core_commands(self._name), FrameCodec[Command](Command), self._take)

    def _take(self, commands: list[Command]) -> None:
        for command in commands:
            self.commands.append(command)
            reply = self.script(command)
            if reply is not None:
                self._bus.send(subjects.edge_replies(command.edge), reply)


def ok(command: Command) -> Answer:
    """Accept every command."""
    return Answer(id=command.id, status=200, reason="OK", headers=(("Expires", "60"),), to_tag="a" * 40)


def request(
    method: str,
    uri: str = "sip:alice@example.com",
    *,
    branch: str = "z9hG4bKb1",
    cseq: int = 1,
    call_id: str = "call-1",
    to: str = "<sip:alice@example.com>",
    from_: str = "<sip:bob@example.com>;tag=f1",
    headers: Sequence[str] = (),
    body: str = "",
) -> bytes:
    """Return a request as bytes; `headers` are whole lines."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 10.0.0.5:5062;branch={branch};rport",
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *([] if any(line.startswith("Max-Forwards") for line in headers) else ["Max-Forwards: 70"]),
        *headers,
        f"Content-Length: {len(body.encode())}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


NOTIFY = request("NOTIFY", branch="z9hG4bKnotifier-1.abc")


class Bench:
    """An endpoint with everything around it."""

    def __init__(
        self,
        *,
        max_pending: int = 10,
        max_pending_per_name: int = 10,
        max_pending_per_core: int = 10,
        domains: Sequence[str] = (),
        registrar: bool = True,
        at_work_per_source: int = 10,
        rate: float = 0.0,
        burst: int = 1,
    ) -> None:
        self.bus, self.owners, self.clock, self.wire = MemoryBus(), Owners(), Clock(), Wire()
        self.counts = Counts()
        self.core = ScriptedCore(self.bus, ok)
        self.endpoint = Endpoint(
            Ways(
                instance="edge-1",
                shards=64,
                limits=Limits(max_body=1000),
                manners=Manners.of(registrar=registrar),
                retry_after=7,
                max_pending=max_pending,
                max_pending_per_name=max_pending_per_name,
                max_pending_per_core=max_pending_per_core,
                at_work_per_source=at_work_per_source,
                answer_timeout=5.0,
                repeat=1.0,
                first_id=100,
            ),
            bus=self.bus,
            directory=self.owners,
            targets=Targets(own=frozenset({("192.0.2.1", 5060)}), domains=frozenset(domains), shards=64),
            transactions=ServerTransactions(),
            sources=Sources(rate=rate, burst=burst),
            counts=self.counts,
            monotonic=self.clock,
            wall=Clock(0.0),
        )

    async def start(self) -> "Bench":
        """Join the bus."""
        await self.core.start()
        await self.bus.subscribe(subjects.edge_replies("edge-1"), FrameCodec[Reply](Reply), self.endpoint.on_replies)
        return self

    def receive(self, data: bytes, peer: Peer = CLIENT) -> None:
        """Hand a message to the endpoint."""
        self.endpoint.receive(data, self.wire, peer)

    async def exchange(self, data: bytes) -> list[int]:
        """Hand over a message, let the core answer, return every status so far."""
        self.receive(data)
        await turns()
        return self.statuses

    @property
    def statuses(self) -> list[int]:
        """Return the status of every response so far."""
        return [response.status for response in self.wire.responses()]


async def turns() -> None:
    """Let the bus deliver what is queued."""
    for _ in range(4):
        await asyncio.sleep(0)


class Running:
    """An edge in this loop."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.counts, self.bus = Counts(), MemoryBus()
        self.settings = Settings.load({"SIP_EDGE_LISTEN": "127.0.0.1:0", "SIP_EDGE_INSTANCE": "edge-1"} | dict(environ))
        self.edge = Edge(self.settings, self.bus, Owners(), self.counts, clock.monotonic, clock.wall)
        self.core = ScriptedCore(self.bus, ok)
        self.received: list[Received] = []
        self.heard = asyncio.Event()
        self.ports = [read_address(place.local)[1] for place in self.edge.places]
        self.port = self.ports[0]

    async def start(self) -> None:
        """Open the sockets and join the bus."""
        await self.edge.open()
        await self.core.start()
        await self.bus.subscribe(
            subjects.edge_replies("edge-1"), FrameCodec[Reply](Reply), self.edge.endpoint.on_replies
        )
        await self.bus.subscribe(subjects.notifier_responses("notifier-1"), FrameCodec[Received](Received), self._hear)

    def _hear(self, received: list[Received]) -> None:
        self.received += received
        self.heard.set()

    async def next_received(self) -> Received:
        """Wait for the next thing that the notifier hears, and return it."""
        async with asyncio.timeout(TIMEOUT):
            await self.heard.wait()
        self.heard.clear()
        return self.received[-1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a TCP connection to the edge."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    def send(self, flow: Flow, next_hop: str = "", local_tag: str = "", cseq: int = 0, *, again: bool = False) -> None:
        """Ask the edge to put NOTIFY on a flow."""
        send = Send(
            notifier="notifier-1",
            branch="z9hG4bKnotifier-1.abc",
            flow=flow,
            packet=NOTIFY,
            next_hop=next_hop,
            local_tag=local_tag,
            cseq=cseq,
            again=again,
        )
        self.edge.port.on_sends([send])

    def flow_of_subscription(self) -> Flow:
        """Return the flow of the SUBSCRIBE that the core got last."""
        command = self.core.commands[-1]
        assert isinstance(command, Subscribe)
        return command.flow


@asynccontextmanager
async def running(**environ: str) -> AsyncIterator[Running]:
    """Run an edge with variables of the environment for as long as the block lasts."""
    edge = Running(environ)
    await edge.start()
    try:
        yield edge
    finally:
        await edge.edge.close()
        await asyncio.sleep(0)
