"""What is known of a request besides what it says."""

from typing import NamedTuple

from lamplighter_proto import Transaction
from sip.fields import NameAddr
from sip.message import Request
from sip_edge.addresses import Peer
from sip_edge.flows import Channel
from sip_edge.targets import Target


class Incoming(NamedTuple):
    """A request that is new, and whence it came."""

    request: Request
    key: str
    channel: Channel
    peer: Peer


class Arrival(NamedTuple):
    """How and where a request came in."""

    id: int
    edge: str
    shards: int
    target: Target
    transaction: Transaction
    sender: NameAddr
    channel: Channel
    peer: Peer
    deadline: float
