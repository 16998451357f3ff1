"""What the directory says of cores and of the other xcap-syncs."""

from collections.abc import Callable, Collection

from lamplighter_proto.ownership import chosen
from lamplighter_runtime.membership import Directory

SERVICE = "xcap-sync"
_CORE = "presence-core"


class Cluster:
    """Owners of shards, and which presentities are ours."""

    def __init__(self, directory: Directory, instance: str) -> None:
        self._directory = directory
        self._instance = instance

    def owner_of(self, shard: int) -> str | None:
        """Return the core that owns a shard, None while nobody does."""
        return self._directory.owner_of(shard)

    def all(self) -> Collection[str]:
        """Return every core that is alive or owns a shard: one whose lease lapsed a moment ago may still serve."""
        table = self._directory.view.table
        owners = {owner.owner for owner in table.owners.values() if owner.owner} if table else set()
        return owners | self._directory.view.alive(_CORE)

    def replicas(self) -> frozenset[str]:
        """Return the xcap-syncs that are alive, ourselves among them."""
        return frozenset(self._directory.view.alive(SERVICE) | {self._instance})

    def ours(self, presentity: str) -> bool:
        """Return whether it is us who act for a presentity."""
        return chosen(presentity, self.replicas()) == self._instance

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when an xcap-sync comes or goes."""
        before = self.replicas()

        def changed() -> None:
            nonlocal before
            if (now := self.replicas()) != before:
                before = now
                listener()

        self._directory.on_members(changed)
