"""Where the edge listens and how it calls itself there (RFC 3261 §8.1.1.8, §18)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sip_edge.addresses import Address, canonical, read_address, write_address

DEFAULT_PORT = 5060


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One listen address, bound, and the address that clients are told."""

    local: str
    advertised: str

    @property
    def udp_contact(self) -> str:
        """Return the Contact value of dialogs over UDP."""
        return f"<sip:{self.advertised}>"

    @property
    def tcp_contact(self) -> str:
        """Return the Contact value of dialogs over TCP."""
        return f"<sip:{self.advertised};transport=tcp>"


def place_at(bound: Address, index: int, advertise: Sequence[str]) -> Place:
    """Return the place of the listen address number `index`; without `advertise` it is known by what was bound."""
    local = write_address(bound)
    if not advertise:
        return Place(local=local, advertised=local)
    advertised = advertise[index if len(advertise) > 1 else 0]
    host, port = read_address(advertised)
    return Place(local=local, advertised=write_address((host, port or bound[1])))


def own_addresses(places: Iterable[Place]) -> frozenset[Address]:
    """Return every address that means this edge, each host in its one spelling."""
    texts = [text for place in places for text in (place.local, place.advertised)]
    return frozenset((canonical(host), port) for host, port in map(read_address, texts))
