"""What surrounds the edge, for tests: clients, a directory, a core and a clock that do as they are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lamplighter_proto import Answer, Command, Flow, FrameCodec, Reply, subjects
from lamplighter_runtime.bus import Bus
from sip.message import Response, parse
from sip_edge.addresses import Peer, write_address

CLIENT: Peer = ("192.0.2.7", 5070)


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
