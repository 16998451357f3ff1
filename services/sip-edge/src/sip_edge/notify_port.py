"""NOTIFYs of the notifiers on their way to watchers, and the responses on their way back.

A branch is `z9hG4bK<notifier>.<rest>`: that is how a response finds the notifier which waits for it.

Rule 1: one `Send` is one packet on the flow that it names, or one `Received` with status 0 or 1.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from lamplighter_proto import Received, Send, subjects
from lamplighter_runtime.bus import Bus
from sip.errors import ParseError
from sip.message import response_head
from sip_edge.addresses import is_ipv6, read_address
from sip_edge.connector import Connector
from sip_edge.metrics import Counts
from sip_edge.order import DialogOrder
from sip_edge.places import Place
from sip_edge.transports.stream import Connections
from sip_edge.transports.udp import UdpChannel

COOKIE = "z9hG4bK"
NOT_SENT = 0
SUPERSEDED = 1
MOST_OPEN = 10_000
"""NOTIFYs that are remembered to be without an answer."""
_CLASSES = ("", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx")


class NotifyPort:
    """Puts packets on flows and forwards what answers them."""

    def __init__(
        self,
        bus: Bus,
        counts: Counts,
        clock: Callable[[], float],
        *,
        instance: str,
        places: Mapping[str, Place],
        udp: Mapping[str, UdpChannel],
        connections: Connections,
    ) -> None:
        self.connector: Connector | None = None
        self._bus = bus
        self._instance = instance
        self._counts = counts
        self._clock = clock
        self._open: dict[str, float] = {}
        self.order = DialogOrder()
        self.order.begin(clock())
        self._places = places
        self._udp = udp
        self._connections = connections

    def on_sends(self, sends: list[Send]) -> None:
        """Send each packet, or tell its notifier that it was not sent."""
        now = self._clock()
        for send in sends:
            # What another edge sent first, this one's predecessor did not.
            again = send.again and send.flow.edge == self._instance
            if not self.order.passes(send.local_tag, send.cseq, again, now):
                self._counts.notifies["superseded"] += 1
                self.refuse(send, SUPERSEDED)
                continue
            sent = self._by_udp(send) if send.flow.transport == "UDP" else self._by_stream(send)
            self._counts.notifies["sent" if sent else "no-flow"] += 1
            if sent:
                self._note(send.branch, now)
            else:
                self.refuse(send)

    def _note(self, branch: str, now: float) -> None:
        self._open.pop(branch, None)
        self._open[branch] = now
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]

    def unanswered(self, since: float) -> bool:
        """Return whether a NOTIFY that was sent after some moment has no answer yet."""
        return bool(self._open) and next(reversed(self._open.values())) > since

    def _by_udp(self, send: Send) -> bool:
        flow = send.flow
        try:
            peer = read_address(flow.remote)
        except ValueError:
            return False
        channel = self._udp.get(flow.local) or self._any_channel(peer[0])
        return channel is not None and channel.send(send.packet, peer)

    def _any_channel(self, host: str) -> UdpChannel | None:
        # The address that the watcher knew is gone; another of ours may still pass its NAT.
        for local, channel in self._udp.items():
            if is_ipv6(read_address(local)[0]) == is_ipv6(host):
                return channel
        return None

    def _by_stream(self, send: Send) -> bool:
        connection = self._connections.find(send.flow)
        if connection is not None:
            return connection.send(send.packet)
        if not send.next_hop or self.connector is None:
            return False
        place = self._places.get(send.flow.local) or next(iter(self._places.values()))
        return self.connector.send(send, place)

    def refuse(self, send: Send, status: int = NOT_SENT) -> None:
        """Tell a notifier that its packet was not sent."""
        self._open.pop(send.branch, None)
        self._bus.send(responses_of(send.notifier), Received(branch=send.branch, status=status))

    def on_response(self, data: bytes) -> None:
        """Forward a response to the notifier whose branch it bears."""
        try:
            status, branch = response_head(data)
            subject = responses_of(notifier_of(branch))
        except (ParseError, ValueError):
            self._counts.drops["stray-response"] += 1
            return
        if not 100 <= status <= 699:
            self._counts.drops["stray-response"] += 1
            return
        self._open.pop(branch, None)
        self._counts.notify_responses[_CLASSES[status // 100]] += 1
        packet = b"" if 200 <= status < 300 else data
        self._bus.send(subject, Received(branch=branch, status=status, packet=packet))


def notifier_of(branch: str) -> str:
    """Return the notifier that made a branch; ValueError when it is none of a notifier's."""
    name, dot, _ = branch.removeprefix(COOKIE).partition(".")
    if not dot or not branch.startswith(COOKIE):
        raise ValueError(f"no branch of a notifier: {branch!r}")
    return name


@lru_cache(maxsize=256)
def responses_of(notifier: str) -> str:
    """Return the subject of a notifier; ValueError for what cannot be an instance's name."""
    return subjects.notifier_responses(subjects.check_instance(notifier))
