"""What the methods are told about a request besides the request."""

from typing import NamedTuple

from lamplighter_proto import Transaction
from sip.fields import NameAddr
from sip_edge.addresses import Peer
from sip_edge.flows import Channel
from sip_edge.targets import Target


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
