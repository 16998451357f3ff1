"""What xcap-sync needs of a database: the rows of `xcap` that it fetched, and who is wanted.

Rule 1: no method waits for ever; StoreAway says: now it does not work, later perhaps.
Rule 2: a row is written only as it was read: of two replicas that fetch one document none undoes the other's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from xcap_sync.domain.addresses import Place, User

Key = tuple[str, int]
"""A document of a user: its URI and its doc_type."""


class StoreAway(Exception):
    """The database does not answer, or has not been migrated yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A fetched document: its bytes and its ETag header as it came."""

    body: bytes
    etag: str


class Store(Protocol):
    """Rows of `xcap` with source 1, and `xcap_wanted`."""

    async def ready(self) -> bool:
        """Return whether the tables are there."""

    async def want(self, user: User, wanted: int) -> None:
        """Keep that a user's documents were wanted at an epoch second."""

    async def wanted(self, limit: int) -> Mapping[User, int]:
        """Return the users that were wanted last, with the epoch second."""

    async def forget(self, before: int) -> int:
        """Drop users not wanted since an epoch second, and what was fetched for them; return how many users."""

    async def documents(self, user: User) -> Mapping[Key, Document]:
        """Return what was fetched for a user."""

    async def put(self, place: Place, document: Document, before: Document | None) -> bool:
        """Write a document in the place of `before`; False when another one is there by now."""

    async def remove(self, place: Place, before: Document) -> bool:
        """Remove a document if it is still `before`."""

    async def drop(self, user: User, keys: Collection[Key]) -> None:
        """Remove documents of a user from places that are no more."""

    async def find(self, doc_uri: str, port: int) -> User | None:
        """Return whose fetched document is stored under a URI and a port."""

    async def close(self) -> None:
        """Give back what is held."""
