"""The store as the core sees it: the rows of a shard, and a batch of changes that is saved whole or not at all."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from presence_core.domain.documents import XcapDocument
from presence_core.domain.publication import Publication
from presence_core.domain.registration import Contact
from presence_core.domain.subscription import Subscription
from presence_core.domain.watcher import KnownWatcher, WatcherKey


class StoreError(Exception):
    """The base of what a store raises."""


class StoreAway(StoreError):
    """The database cannot be reached; whether the last batch was saved is not known."""


class Contended(StoreError):
    """Somebody else has had a presentity for too long; nothing was saved."""


class Fenced(StoreError):
    """A shard of the batch has a newer owner (a higher epoch); nothing was saved."""


class SchemaBehind(StoreError):
    """The database lacks migrations that this release needs, and somebody else is to make them."""


class WrongCluster(StoreError):
    """The database belongs to a cluster with another number of shards."""


PresentityKey = tuple[str, str]
"""Canonical AOR and event package."""


class StoredPublication(Struct, frozen=True, kw_only=True, gc=False):
    """A publication as stored; its document is parsed again from the body."""

    shard: int
    aor: str
    event: str
    publication: Publication


class StoredSubscription(Struct, frozen=True, kw_only=True, gc=False):
    """A subscription with the progress of its delivery.

    `cseq_limit` is the last CSeq its owner may have used; `notified` the hash of the document that the watcher
    confirmed last, None when it confirmed nothing.
    """

    shard: int
    subscription: Subscription
    cseq_limit: int
    notified: int | None


class StoredContact(Struct, frozen=True, kw_only=True, gc=False):
    """A binding of the registrar as stored."""

    shard: int
    aor: str
    contact: Contact


class StoredWatcher(Struct, frozen=True, kw_only=True, gc=False):
    """A watcher that is decided about, or waits, as stored."""

    shard: int
    watcher: KnownWatcher


class Ending(Struct, frozen=True, kw_only=True, gc=False):
    """Something of a presentity that is over for good, such as a dialog; remembered until an epoch second."""

    shard: int
    aor: str
    event: str
    name: str
    until: int

    @property
    def key(self) -> "EndingKey":
        """Return what there is one row for."""
        return (self.aor, self.event, self.name)


EndingKey = tuple[str, str, str]
"""Canonical AOR, event package, name of what ended."""


class Progress(Struct, frozen=True, kw_only=True, gc=False):
    """How far a dialog's delivery has come, saved now and then."""

    shard: int
    local_tag: str
    cseq_limit: int
    notified: int | None


@dataclass(slots=True)
class Changes:
    """A batch. The last change of a row wins; `epochs` holds the fencing token of every shard it touches."""

    epochs: dict[int, int] = field(default_factory=dict)
    publications: dict[tuple[str, str, str], StoredPublication] = field(default_factory=dict)
    subscriptions: dict[str, StoredSubscription] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    """Local tags of subscriptions to delete, with their shards."""
    progress: dict[str, Progress] = field(default_factory=dict)
    contacts: dict[tuple[str, str], StoredContact] = field(default_factory=dict)
    watchers: dict[WatcherKey, StoredWatcher] = field(default_factory=dict)
    gone_watchers: dict[WatcherKey, int] = field(default_factory=dict)
    """Watchers to forget, with their shards; a key is here or in `watchers`."""
    endings: dict[EndingKey, Ending] = field(default_factory=dict)
    gone_endings: dict[EndingKey, int] = field(default_factory=dict)
    """Endings to forget, with their shards; a key is here or in `endings`."""
    checked: bool = False
    """Whether the epochs are to be checked also where there is nothing to write."""

    def rows(self) -> int:
        """Return how many rows the batch writes."""
        frequent = len(self.publications) + len(self.subscriptions) + len(self.gone) + len(self.progress)
        rare = len(self.watchers) + len(self.gone_watchers) + len(self.endings) + len(self.gone_endings)
        return frequent + rare + len(self.contacts)


@dataclass(frozen=True, slots=True)
class ShardRows:
    """All that is stored of some shards."""

    publications: list[StoredPublication] = field(default_factory=list)
    subscriptions: list[StoredSubscription] = field(default_factory=list)
    contacts: list[StoredContact] = field(default_factory=list)
    watchers: list[StoredWatcher] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)


class Locked(Protocol):
    """A presentity that nobody else changes until the transaction ends."""

    rows: ShardRows
    documents: tuple[XcapDocument, ...]

    async def save(self, changes: Changes) -> None:
        """Add changes to the transaction."""


class Store(Protocol):
    """Keeps the rows; every method but `close` raises StoreAway when the database cannot be reached."""

    async def open(self, shards: int) -> None:
        """Bring the schema up to date; raise WrongCluster for another number of shards."""

    async def claim(self, epochs: Mapping[int, int], owner: str) -> dict[int, int]:
        """Make `owner` the writer of shards; return the epoch of each: at least the given one, and a new one."""

    async def load(self, shards: list[int]) -> ShardRows:
        """Return all rows of the shards, publications oldest modified first."""

    async def load_documents(self, aors: Collection[str]) -> dict[str, tuple[XcapDocument, ...]]:
        """Return the XCAP documents of presentities, in the order of their URIs; () for one without any."""

    async def save(self, changes: Changes) -> None:
        """Save a batch in one transaction; raise Fenced when an epoch of it is not the newest."""

    def presentity(self, aor: str, shard: int) -> AbstractAsyncContextManager[Locked]:
        """Lock a presentity and read its rows; what is saved in the block is committed at its end.

        Any process may do so, whoever owns the shard; without an exception everything is committed, else nothing.
        """

    async def watched(self, shards: list[int]) -> list[str]:
        """Return the presentities of shards about whose watchers something is stored."""

    async def clean(self, epochs: Mapping[int, int], before: int) -> int:
        """Delete publications and bindings of shards we own that ended before an epoch second."""

    async def clean_all(self, shards: list[int], before: int) -> int:
        """Delete publications and bindings of shards that ended before an epoch second, whoever owns them.

        What is remembered as over is forgotten then, too, when nothing is published any more that may say otherwise.
        """

    async def close(self) -> None:
        """Give back the connections."""
