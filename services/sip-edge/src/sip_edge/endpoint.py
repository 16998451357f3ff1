"""From a SIP message to a command and from an answer to a response (RFC 3261 §8.2, §17.2).

Rule 1: nothing here waits, and no message gets a task, a timer or a log line of its own.
Rule 2: a request passes transaction, inspection, method, in this order; whoever refuses it raises a Refusal.
"""

import logging
from collections.abc import Callable
from itertools import count

from lamplighter_proto import Answer, Command, Moved, Reply, subjects
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Routes
from sip.errors import ParseError, SipError
from sip.message import Request, parse, stamp_received
from sip.transaction import NEW, ServerTransactions, server_key
from sip_edge import responses
from sip_edge.addresses import Peer
from sip_edge.arrival import Arrival, Incoming
from sip_edge.checks import check_text, inspect, strip_own_routes
from sip_edge.flows import Channel
from sip_edge.lanes import Entry, Lanes
from sip_edge.merges import Merges
from sip_edge.methods import options
from sip_edge.methods.commands import to_command
from sip_edge.metrics import Counts
from sip_edge.pending import Pending, Waiting
from sip_edge.reading import name_addr, transaction_of
from sip_edge.refusals import BadRequest, MergedRequest, Refusal, ServiceUnavailable
from sip_edge.sources import Sources, Verdict
from sip_edge.targets import Targets
from sip_edge.ways import Ways

logger = logging.getLogger(__name__)

MERGE_SECONDS = 16.0
"""How long a request is remembered at least to recognise its twin, and half of how long at most (64*T1)."""
MERGES_PER_PENDING = 10


class Endpoint:
    """The edge without its sockets."""

    def __init__(
        self,
        ways: Ways,
        *,
        bus: Bus,
        directory: Routes,
        targets: Targets,
        transactions: ServerTransactions,
        sources: Sources,
        counts: Counts,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.draining = False
        self.on_response: Callable[[bytes], None] = self._drop_response
        self.transactions = transactions
        self.pending = Pending(
            self._send_command,
            directory.owner_of,
            limit=ways.max_pending,
            limit_of_name=ways.max_pending_per_name,
            limit_of_core=ways.max_pending_per_core,
            timeout=ways.answer_timeout,
            repeat=ways.repeat,
        )
        self._ways = ways
        self._bus = bus
        self._targets = targets
        self._sources = sources
        self._counts = counts
        self._monotonic = monotonic
        self._wall = wall
        self._ids = count(ways.first_id)
        self._lanes: Lanes[Incoming] = Lanes(at_work=ways.at_work_per_source, limit=ways.max_pending_per_name)
        self._merges = Merges(ways.max_pending * MERGES_PER_PENDING)
        self._rotated = monotonic()
        self._connected = True
        self._date = responses.date(wall())

    # What the transports call.

    def receive(self, data: bytes, channel: Channel, peer: Peer) -> None:
        """Take one SIP message."""
        try:
            if data.startswith(b"SIP/"):
                self._on_response(data, peer)
            else:
                self._on_request_packet(data, channel, peer)
        except Exception:
            # A bug must cost this message only.
            self._counts.drops["bug"] += 1
            logger.exception("message failed", extra={"peer": peer[0]})

    def unreadable(self, error: ParseError, channel: Channel, peer: Peer) -> None:
        """Answer what could not be read, where enough of it could (RFC 3261 §8.2.7: without a transaction)."""
        head = error.head
        if head is None or head.method == "ACK":
            self._counts.drops["unreadable"] += 1
            return
        stamp_received(head, peer[0], peer[1])
        self._counts.request(head.method)
        self._counts.responses[error.status] += 1
        channel.send(responses.stateless(head, error.status, error.reason), peer)

    def _on_response(self, data: bytes, peer: Peer) -> None:
        if self._sources.admits_response(peer[0], self._monotonic()):
            self.on_response(data)
        else:
            self._counts.over_rate["response-dropped"] += 1

    # Requests.

    def _drop_response(self, data: bytes) -> None:
        self._counts.drops["stray-response"] += 1

    def _on_request_packet(self, data: bytes, channel: Channel, peer: Peer) -> None:
        now = self._monotonic()
        verdict = self._sources.judge(peer[0], now)
        if verdict is Verdict.DROP:
            self._counts.over_rate["dropped"] += 1
        elif (request := self._read(data, channel, peer)) is not None:
            key = server_key(request)
            if verdict is Verdict.REFUSE and key not in self.transactions:
                self._refuse_statelessly(request, key, channel, peer)
            else:
                self._on_read(request, key, channel, peer, now)

    def _read(self, data: bytes, channel: Channel, peer: Peer) -> Request | None:
        """Return the request that a packet is; None when that is dealt with already."""
        try:
            request = parse(data, self._ways.limits, datagram=not channel.reliable)
            if not isinstance(request, Request) or request.method == "ACK":
                self._counts.drops["ack"] += 1
                return None
            if not data.isascii():
                check_text(request)
            stamp_received(request, peer[0], peer[1])
        except ParseError as error:
            self.unreadable(error, channel, peer)
            return None
        return request

    def _refuse_statelessly(self, request: Request, key: str, channel: Channel, peer: Peer) -> None:
        """Answer 503 and remember nothing: the source is over its rate (RFC 3261 §8.2.7)."""
        self._counts.over_rate["refused"] += 1
        self._counts.responses[503] += 1
        channel.send(responses.refused(request, ServiceUnavailable(self._ways.retry_after), key), peer)

    def _on_read(self, request: Request, key: str, channel: Channel, peer: Peer, now: float) -> None:
        if self.draining and not channel.reliable and key not in self.transactions:
            # It comes again (RFC 3261 §17.1.2.1), to whoever has this address then.
            self._counts.drops["draining"] += 1
            return
        seen = self.transactions.receive(key, channel.reliable, now)
        if seen is NEW:
            self._counts.request(request.method)
            self._enter(Incoming(request, key, channel, peer), now)
            return
        self._counts.retransmissions += 1
        if isinstance(seen, bytes):
            channel.send(seen, peer)

    def _enter(self, incoming: Incoming, now: float) -> None:
        """Serve a request now, or when its source has fewer of them with the cores; refuse it when those have enough.

        A refusal is remembered: were its repeat served, who knows of the 503 alone would not know the entity-tag.
        """
        if self.pending.full:
            self._counts.crowded += 1
            self._refuse(incoming, ServiceUnavailable(self._ways.retry_after))
            return
        source = self._sources.limited(incoming.peer[0])
        entry = self._lanes.enter(source, incoming, now)
        if entry is Entry.GO:
            self._serve(incoming, source, now)
        elif entry is Entry.FULL:
            self._counts.crowded += 1
            self._refuse(incoming, ServiceUnavailable(self._ways.retry_after))

    def _serve(self, incoming: Incoming | None, source: bytes | None, now: float) -> None:
        """Serve a request, and the next ones of its source while they wait for no core."""
        while incoming is not None and not self._to_core(incoming, now):
            incoming = self._lanes.leave(source)

    def _to_core(self, incoming: Incoming, now: float) -> bool:
        """Send the command of a request, or else answer it; return whether it waits for a core now."""
        request, key, channel, peer = incoming
        try:
            command = self._judge(request, key, channel, peer)
        except (Refusal, ParseError) as error:
            self._refuse(incoming, error if isinstance(error, Refusal) else BadRequest(error.reason))
            return False
        except Exception:
            # Its source has its place back.
            self._counts.drops["bug"] += 1
            logger.exception("request failed", extra={"peer": peer[0]})
            self._refuse(incoming, Refusal())
            return False
        if command is None:
            packet = responses.accepted(request, options.headers(self._ways.manners), key)
            self._respond(key, channel, peer, packet, 200)
            return False
        self.pending.add(Waiting(command=command, request=request, channel=channel, peer=peer, key=key, since=now))
        return True

    def _judge(self, request: Request, key: str, channel: Channel, peer: Peer) -> Command | None:
        """Return the command that a request means, None for OPTIONS; a Refusal when it means none."""
        strip_own_routes(request, self._targets)
        target = inspect(request, self._ways.manners, self._targets)
        sender = name_addr(request, "From")
        transaction = transaction_of(request, sender)
        full = len(self.pending) + len(self._lanes) >= self._ways.max_pending
        if full or self.draining or not self._bus.connected:
            raise ServiceUnavailable(self._ways.retry_after)
        if not name_addr(request, "To").tag and self._merges.is_merged(transaction, key):
            raise MergedRequest()
        if request.method == "OPTIONS":
            return None
        ways = self._ways
        deadline = self._wall() + ways.answer_timeout
        arrival = Arrival(
            next(self._ids), ways.instance, ways.shards, target, transaction, sender, channel, peer, deadline
        )
        command = to_command(request, arrival, self._targets)
        if self.pending.is_crowded(command):
            self._merges.forget(transaction)
            self._counts.crowded += 1
            raise ServiceUnavailable(ways.retry_after)
        return command

    def _respond(self, key: str, channel: Channel, peer: Peer, packet: bytes, status: int) -> None:
        self.transactions.complete(key, packet, self._monotonic())
        self._counts.responses[status] += 1
        channel.send(packet, peer)

    # What the bus calls.

    def _send_command(self, owner: str, command: Command) -> None:
        self._bus.send(subjects.core_commands(owner), command)

    def on_replies(self, replies: list[Reply]) -> None:
        """Answer the requests that cores have decided; ask again for those of moved shards."""
        now = self._monotonic()
        for reply in replies:
            if not isinstance(reply, Moved):
                self._on_answer(reply, now)
            elif reply.asked:
                self.pending.asked(reply.id, reply.asked, now)
            else:
                self.pending.moved(reply.id)

    def _on_answer(self, answer: Answer, now: float) -> None:
        waiting = self.pending.take(answer.id)
        if waiting is None:
            self._counts.late_answers += 1
            return
        self._counts.answer_seconds.observe(now - waiting.since)
        if answer.status == 503:
            self._merges.forget(waiting.command.transaction)
        self._answer(waiting, answer)
        self._done(waiting, now)

    def _answer(self, waiting: Waiting, answer: Answer) -> None:
        try:
            packet = responses.answered(waiting.request, answer, waiting.key, waiting.channel.contact, self._date)
        except (SipError, ValueError):
            self._refuse(waiting, Refusal())
            logger.exception("answer cannot be written", extra={"status": answer.status})
            return
        self._respond(waiting.key, waiting.channel, waiting.peer, packet, answer.status)

    def _done(self, waiting: Waiting, now: float) -> None:
        """Serve who comes next of the same source."""
        source = self._sources.limited(waiting.peer[0])
        self._serve(self._lanes.leave(source), source, now)

    def _refuse(self, one: Waiting | Incoming, refusal: Refusal) -> None:
        packet = responses.refused(one.request, refusal, one.key)
        self._respond(one.key, one.channel, one.peer, packet, refusal.status)

    # What the clock calls.

    def sweep(self) -> None:
        """Repeat and give up commands, forget old transactions; ten times a second."""
        now = self._monotonic()
        self._notice_bus()
        for incoming in self._lanes.overdue(now - self._ways.answer_timeout):
            self._refuse(incoming, ServiceUnavailable(self._ways.retry_after))
        for waiting in self.pending.sweep(now):
            self._merges.forget(waiting.command.transaction)
            self._refuse(waiting, ServiceUnavailable(self._ways.retry_after))
            self._done(waiting, now)
        self.transactions.expire(now)
        self._date = responses.date(self._wall())
        if now - self._rotated >= MERGE_SECONDS:
            self._rotated = now
            self._merges.rotate()

    def _notice_bus(self) -> None:
        connected = self._bus.connected
        if connected and not self._connected:
            self.pending.resend()
        self._connected = connected
