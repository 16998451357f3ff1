"""What must hold of the rows at every commit (design §3 "Repeat-safe", "CSeq and version after failover")."""

from presence_core.domain.subscription import Status
from presence_core.store import Changes

from .world import World


class Rows:
    """Looks at the database after every batch that took effect."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._limits: dict[str, int] = {}
        self._tags: dict[tuple[str, str, str], str] = {}
        """The local tag of a dialog, by what names it for its watcher."""

    def saved(self, changes: Changes) -> None:
        """Look at what a batch has changed."""
        rows = self._world.database.rows.subscriptions
        for tag in changes.gone:
            self._limits.pop(tag, None)
        for tag in [*changes.subscriptions, *changes.progress]:
            row = rows.get(tag)
            if row is None:
                continue
            if row.cseq_limit < self._limits.get(tag, 0):
                self._world.promises.violated(f"the CSeq of {tag} goes back to {row.cseq_limit}")
            self._limits[tag] = row.cseq_limit
            one = row.subscription
            name = (one.dialog.call_id, one.dialog.remote_tag, one.dialog.event)
            known = rows.get(self._tags.get(name, tag))
            if known is not None and known.subscription.local_tag != tag and one.status != Status.TERMINATED:
                self._world.promises.violated(f"two subscriptions for one SUBSCRIBE: {tag} and {self._tags[name]}")
            self._tags[name] = tag
