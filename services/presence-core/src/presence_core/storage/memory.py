"""The store in memory, for tests and the simulation: the same promises, the same refusals."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from msgspec.structs import replace

from presence_core.domain.documents import XcapDocument
from presence_core.domain.watcher import WatcherKey
from presence_core.store import (
    Changes,
    Ending,
    EndingKey,
    Fenced,
    ShardRows,
    StoreAway,
    StoredContact,
    StoredPublication,
    StoredSubscription,
    StoredWatcher,
    WrongCluster,
)


@dataclass
class LockedInMemory:
    """A presentity that nobody else changes."""

    rows: ShardRows
    documents: tuple[XcapDocument, ...]
    saved: list[Changes] = field(default_factory=list)

    async def save(self, changes: Changes) -> None:
        """Add changes to the transaction."""
        self.saved.append(changes)


class MemoryStore:
    """A Store whose rows outlive the cores that use it. `away` makes every call fail."""

    def __init__(self) -> None:
        self.away = False
        self.shards = 0
        self.leases: dict[int, tuple[int, str]] = {}
        self.publications: dict[tuple[str, str, str], StoredPublication] = {}
        self.subscriptions: dict[str, StoredSubscription] = {}
        self.contacts: dict[tuple[str, str], StoredContact] = {}
        self.watchers: dict[WatcherKey, StoredWatcher] = {}
        self.endings: dict[EndingKey, Ending] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.documents: dict[str, tuple[XcapDocument, ...]] = {}
        """What `load_documents` finds, by presentity; for tests to fill."""

    def _check(self) -> None:
        if self.away:
            raise StoreAway("told to be away")

    async def open(self, shards: int) -> None:
        """Take the number of shards; raise WrongCluster for another one."""
        self._check()
        self.shards = self.shards or shards
        if self.shards != shards:
            raise WrongCluster(f"this store was made for {self.shards} shards, not {shards}")

    async def claim(self, epochs: Mapping[int, int], owner: str) -> dict[int, int]:
        """Make `owner` the writer of shards; return the epoch of each."""
        self._check()
        for shard, least in epochs.items():
            before, _ = self.leases.get(shard, (0, ""))
            self.leases[shard] = (max(before + 1, least), owner)
        return {shard: self.leases[shard][0] for shard in epochs}

    async def load(self, shards: list[int]) -> ShardRows:
        """Return all rows of the shards, publications oldest modified first."""
        self._check()
        publications = sorted(self.publications.values(), key=lambda row: row.publication.modified)
        return ShardRows(
            [_unparsed(row) for row in publications if row.shard in shards],
            [row for row in self.subscriptions.values() if row.shard in shards],
            [row for row in self.contacts.values() if row.shard in shards],
            [row for row in self.watchers.values() if row.shard in shards],
            sorted(
                (row for row in self.endings.values() if row.shard in shards), key=lambda row: (row.until, row.name)
            ),
        )

    async def load_documents(self, aors: Collection[str]) -> dict[str, tuple[XcapDocument, ...]]:
        """Return the XCAP documents of presentities, in the order of their URIs; () for one without any."""
        self._check()
        return {aor: tuple(sorted(self.documents.get(aor, ()), key=lambda document: document.uri)) for aor in aors}

    @asynccontextmanager
    async def presentity(self, aor: str, shard: int) -> AsyncIterator["LockedInMemory"]:
        """Lock a presentity and read its rows; what is saved in the block is kept at its end."""
        self._check()
        async with self._locks.setdefault(aor, asyncio.Lock()):
            locked = LockedInMemory(self._rows_of(aor), self.documents.get(aor, ()))
            yield locked
            self._check()
            for changes in locked.saved:
                self._keep(changes)

    def _rows_of(self, aor: str) -> ShardRows:
        publications = sorted(self.publications.values(), key=lambda row: row.publication.modified)
        return ShardRows(
            [_unparsed(row) for row in publications if row.aor == aor],
            [row for row in self.subscriptions.values() if row.subscription.presentity == aor],
            [row for row in self.contacts.values() if row.aor == aor],
            [row for row in self.watchers.values() if row.watcher.presentity == aor],
            [row for row in self.endings.values() if row.aor == aor],
        )

    async def watched(self, shards: list[int]) -> list[str]:
        """Return the presentities of shards about whose watchers something is stored."""
        self._check()
        found = {row.subscription.presentity: row.shard for row in self.subscriptions.values()}
        found |= {row.watcher.presentity: row.shard for row in self.watchers.values()}
        return [aor for aor, shard in found.items() if shard in shards]

    async def clean_all(self, shards: list[int], before: int) -> int:
        """Delete publications and bindings of shards that ended before an epoch second, whoever owns them."""
        self._check()
        cleaned = self._clean(set(shards), before)
        published = {(row.aor, row.event) for row in self.publications.values()}
        for key, row in list(self.endings.items()):
            if row.shard in shards and row.until < before and (row.aor, row.event) not in published:
                del self.endings[key]
        return cleaned

    async def save(self, changes: Changes) -> None:
        """Save a batch whole; raise Fenced when an epoch of it is not the newest."""
        self._check()
        if any(self.leases.get(shard, (0, ""))[0] != epoch for shard, epoch in changes.epochs.items()):
            raise Fenced
        self._keep(changes)

    def _keep(self, changes: Changes) -> None:
        self.publications |= changes.publications
        for tag, row in changes.subscriptions.items():
            self._save_subscription(tag, row)
        for tag, progress in changes.progress.items():
            if tag in self.subscriptions:
                limit = max(progress.cseq_limit, self.subscriptions[tag].cseq_limit)
                self.subscriptions[tag] = replace(self.subscriptions[tag], cseq_limit=limit, notified=progress.notified)
        for tag in changes.gone:
            self.subscriptions.pop(tag, None)
        self.contacts |= changes.contacts
        self.watchers |= changes.watchers
        for watcher in changes.gone_watchers:
            self.watchers.pop(watcher, None)
        self.endings |= changes.endings
        for ending in changes.gone_endings:
            self.endings.pop(ending, None)

    def _save_subscription(self, tag: str, row: StoredSubscription) -> None:
        before = self.subscriptions.get(tag)
        if before is not None:
            row = replace(row, cseq_limit=before.cseq_limit, notified=before.notified)
        self.subscriptions[tag] = row

    async def clean(self, epochs: Mapping[int, int], before: int) -> int:
        """Delete publications and bindings of shards we own that ended before an epoch second."""
        self._check()
        ours = {shard for shard, epoch in epochs.items() if self.leases.get(shard, (0, ""))[0] == epoch}
        return self._clean(ours, before)

    def _clean(self, ours: set[int], before: int) -> int:
        ended = [
            key
            for key, row in self.publications.items()
            if row.shard in ours and max(row.publication.expires, row.publication.received) < before
        ]
        unbound = [key for key, row in self.contacts.items() if row.shard in ours and row.contact.expires < before]
        for key in ended:
            del self.publications[key]
        for contact in unbound:
            del self.contacts[contact]
        return len(ended) + len(unbound)

    async def close(self) -> None:
        """Nothing to give back."""


def _unparsed(row: StoredPublication) -> StoredPublication:
    return replace(row, publication=replace(row.publication, document=None))
