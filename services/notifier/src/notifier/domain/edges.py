"""By which edge a NOTIFY leaves (RFC 3261 §18, RFC 5626 §5.3): its own, or while that is gone another (ADR 0009).

Rule 1: a flow belongs to its edge, and is used again as soon as that is back.
Rule 2: an edge counts as dead only when it has not been seen for `grace` seconds: a directory that was lost is written
anew by the living within that time, and who restarts quickly has lost nothing.
"""

from collections.abc import Mapping

from lamplighter_proto import Flow
from lamplighter_proto.ownership import chosen

UDP = "UDP"


class Edges:
    """Which edges are alive, as far as the directory says; before it has said anything, all are."""

    def __init__(self, *, failover: bool, grace: float) -> None:
        self.moved = 0
        self._failover = failover
        self._grace = grace
        self._alive: Mapping[str, str] = {}
        self._gone: dict[str, float] = {}
        self._since: float | None = None

    def take(self, alive: Mapping[str, str], now: float) -> None:
        """Take the living edges, each with the `host:port` by which clients reach it."""
        if self._since is None:
            self._since = now
        gone = {name: now for name in self._alive if name not in alive}
        kept = {name: at for name, at in self._gone.items() if name not in alive and now - at < self._grace}
        self._gone, self._alive = gone | kept, dict(alive)

    def is_dead(self, edge: str, now: float) -> bool:
        """Return whether an edge has been away for so long that it cannot be waited for."""
        if self._since is None or edge in self._alive:
            return False
        return now - self._gone.get(edge, self._since) >= self._grace

    def lost(self, flow: Flow, now: float) -> bool:
        """Return whether a flow is gone for good: a connection dies with its edge."""
        return flow.transport != UDP and self.is_dead(flow.edge, now)

    def edge_of(self, flow: Flow, now: float) -> str:
        """Return the edge by which a packet for a flow leaves now."""
        if not self._failover or flow.transport != UDP or not self.is_dead(flow.edge, now):
            return flow.edge
        # The same one for a watcher as long as it lives: where NATs let it pass, it passes again.
        return chosen(flow.remote, self._alive) or flow.edge

    def address(self, edge: str) -> str:
        """Return the `host:port` by which clients reach a living edge; empty for others."""
        return self._alive.get(edge, "")
