"""Ways to and from clients: what the transports offer to the rest (RFC 3261 §18, RFC 5626 §1.2)."""

from typing import Protocol

from lamplighter_proto import Flow
from sip.errors import ParseError
from sip_edge.addresses import Peer


class Channel(Protocol):
    """A UDP socket, which reaches many peers, or one TCP connection."""

    @property
    def reliable(self) -> bool:
        """Return whether the transport retransmits by itself."""

    @property
    def contact(self) -> str:
        """Return our Contact value for dialogs that begin here: `<sip:host:port>`."""

    def send(self, packet: bytes, peer: Peer) -> bool:
        """Put a message on the way; False when it cannot leave."""

    def flow(self, peer: Peer) -> Flow:
        """Return what a subscription must remember to come back here."""


class Receiver(Protocol):
    """Takes whole messages from the transports."""

    def receive(self, data: bytes, channel: Channel, peer: Peer) -> None:
        """Take one SIP message."""

    def unreadable(self, error: ParseError, channel: Channel, peer: Peer) -> None:
        """Take the reason why a stream cannot be read any further."""
