"""Publications of one presentity for one event package as values (RFC 3903 §6); the rules are in `presentity`.

Rule 1: a removed publication stays for a while as a tombstone, so that a repeated removal is known for what it is.
"""

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from event_packages.base import Document
from lamplighter_proto import Transaction

TOMBSTONE_SECONDS = 64
"""Twice the time in which a request may be repeated (RFC 3261 §17.1.2.2, Timer F)."""


class Publication(Struct, frozen=True, kw_only=True, gc=False):
    """One publication. `expires` is epoch seconds, 0 when removed; `modified` epoch microseconds, for the order."""

    pub: str
    """Names the publication in the store for all its life: `name_of` the PUBLISH that made it."""
    etag: str
    expires: int
    received: int
    modified: int
    transaction: Transaction
    content_type: str
    body: bytes
    sender: str
    document: Document | None


def forget_at(publication: Publication) -> int:
    """Return the epoch second at which a publication may be forgotten."""
    return publication.expires or publication.received + TOMBSTONE_SECONDS


class Presentity(Struct, frozen=True, kw_only=True, gc=False):
    """All publications of a presentity for one package, the one modified last at the end."""

    aor: str
    event: str
    publications: tuple[Publication, ...] = ()
    endings: Mapping[str, int] = field(default_factory=dict)
    """Names of what is over for good, with the epoch second until which that is remembered."""

    def live(self, now: float) -> list[Publication]:
        """Return the publications that count."""
        return [publication for publication in self.publications if publication.expires > now]

    def documents(self, now: float) -> list[Document]:
        """Return the documents to compose, oldest first."""
        return [one.document for one in self.publications if one.expires > now and one.document is not None]

    def remembering(self, endings: Mapping[str, int]) -> "Presentity":
        """Return the presentity with endings that are remembered until an epoch second."""
        return replace(self, endings={**self.endings, **endings})

    def next_expiry(self) -> int | None:
        """Return when the next publication, tombstone or ending goes, in epoch seconds."""
        publications = min((forget_at(publication) for publication in self.publications), default=None)
        if not self.endings:
            return publications
        endings = min(self.endings.values())
        return endings if publications is None else min(endings, publications)


class Published(Struct, frozen=True, kw_only=True, gc=False):
    """An accepted PUBLISH: the new state, the row to save (None for a repeat), and what to answer."""

    presentity: Presentity
    publication: Publication
    lifetime: int
    repeated: bool = False
    changed: bool = True
    """Whether watchers may see a difference; a refresh changes nothing (RFC 3903 §6 step 6)."""
    endings: tuple[str, ...] = ()
    """Names of what has newly ended for good."""
