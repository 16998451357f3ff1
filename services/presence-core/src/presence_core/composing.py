"""What an entry's state is composed of: publications, hard state, other packages of the presentity, or watchers."""

import logging
from collections.abc import Iterable

from event_packages.base import Document, EventPackage
from event_packages.winfo import Watcher
from presence_core.domain.publication import Presentity
from presence_core.domain.subscription import STATE_NAMES, Status
from presence_core.domain.watcher import watcher_id
from presence_core.shard import Entry, Shard

logger = logging.getLogger(__name__)

SECONDS_PER_DAY = 86_400


class Composer:
    """Gathers documents, oldest first. `derived` names the domains in which packages make use of other packages."""

    def __init__(self, packages: Iterable[EventPackage], *, derived: Iterable[str], waiting_days: int) -> None:
        self._derived = frozenset(derived)
        self._waiting_seconds = waiting_days * SECONDS_PER_DAY
        self._users: dict[str, list[str]] = {}
        for package in packages:
            for source in package.sources:
                self._users.setdefault(source, []).append(package.name)

    def recompose(self, shard: Shard, entry: Entry, now: float) -> bool:
        """Compose the state of an entry anew; return whether it is another one."""
        try:
            state = entry.package.compose(entry.committed.aor, self._documents(shard, entry, now))
        except Exception:
            # The bug that one presentity finds must not end the core, again and again from its rows.
            logger.exception("document not composed", extra={"presentity": entry.committed.aor})
            state = entry.state
        return entry.become(state)

    def users(self, shard: Shard, entry: Entry) -> list[Entry]:
        """Return the entries of the same presentity that make use of this one's documents."""
        names = self._users.get(entry.package.name)
        if not names or not self._derives(entry.committed.aor):
            return []
        found = (shard.entries.get((entry.committed.aor, name)) for name in names)
        return [one for one in found if one is not None]

    def _documents(self, shard: Shard, entry: Entry, now: float) -> list[Document]:
        package, aor = entry.package, entry.committed.aor
        if package.watches:
            return [*self.watchers(shard, aor, package.watches), *entry.over]
        published = published_documents(entry.committed, package, now)
        if package.hard_state and aor in shard.documents:
            hard = shard.documents[aor].hard_states.get(package.hard_state)
            published = published if hard is None else [hard, *published]
        if package.sources and self._derives(aor):
            published += self._derivations(shard, aor, package, now)
        return published

    def _derives(self, aor: str) -> bool:
        return "*" in self._derived or aor.rpartition("@")[2] in self._derived

    def _derivations(self, shard: Shard, aor: str, package: EventPackage, now: float) -> list[Document]:
        documents = []
        for name, derive in package.sources.items():
            source = shard.entries.get((aor, name))
            if source is not None:
                document = derive(published_documents(source.committed, source.package, now))
                documents += [] if document is None else [document]
        return documents

    def watchers(self, shard: Shard, aor: str, event: str) -> list[Watcher]:
        """Return those who watch a presentity or wait to."""
        entry = shard.entries.get((aor, event))
        live = []
        for delivery in entry.watchers.values() if entry else ():
            one = delivery.subscription
            if one.status != Status.TERMINATED:
                live.append(
                    Watcher(
                        id=watcher_id(one.local_tag),
                        uri=one.watcher,
                        status=STATE_NAMES[one.status],
                        event=one.cause,
                        display_name=one.display_name,
                        since=one.since,
                        expires=one.expires,
                    )
                )
        return [*live, *self._waiting(shard, aor, event)]

    def _waiting(self, shard: Shard, aor: str, event: str) -> list[Watcher]:
        return [
            Watcher(
                id=one.watcher.id,
                uri=one.watcher.watcher,
                status="waiting",
                event="timeout",
                display_name=one.watcher.display_name,
                expires=one.watcher.inserted + self._waiting_seconds,
            )
            for one in shard.known_of(aor, event)
            if one.watcher.status == Status.WAITING
        ]


def published_documents(presentity: Presentity, package: EventPackage, now: float) -> list[Document]:
    """Return the published documents that count, oldest first, with what is over for good in it buried."""
    documents = presentity.documents(now)
    if not presentity.endings or package.bury is None:
        return documents
    return [package.bury(document, presentity.endings.keys()) for document in documents]


def winfo_key(aor: str, event: str) -> tuple[str, str]:
    """Return the key of the entry that tells of the watchers of another."""
    return (aor, f"{event}.winfo")
