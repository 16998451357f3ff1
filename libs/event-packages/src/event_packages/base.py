"""What an event package has to say (RFC 6665 §5, RFC 3903 §6).

From publications to what one watcher gets: documents are *composed* into a state, a watcher *sees* of it what it may,
and that is *written* as a body. The simplest package composes bytes and leaves the rest out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from event_packages.rules.permissions import Permissions

Document = object
"""What `parse` made of a body; opaque to everybody but its package, immutable, small, compared by value."""
State = object
"""What `compose` made of documents: immutable and compared by value. Bytes are written as they are."""


class Body(Struct, frozen=True, kw_only=True, gc=False):
    """The body of a NOTIFY. Where `version_at` is not negative, the document's version belongs at that offset."""

    content_type: str
    document: bytes
    version_at: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How much of a state a watcher sees; watchers with equal views get the same document."""

    permissions: Permissions | None = None
    """What its rules provide (RFC 5025 §3.3); None: everything."""
    single: bool = False
    """Whether the watcher can show one thing only, as phones that know of one dialog."""
    polite: bool = False
    """Whether the watcher is blocked politely: it gets the neutral state for ever (RFC 5025 §3.2.1)."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Those of the Event header that its package takes into account."""


Parse = Callable[[bytes], Document]
Compose = Callable[[str, Sequence[Document]], State | None]
See = Callable[[State, View], State]
Write = Callable[[State, State | None, int], Body]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPackage:
    """A package; lifetimes are its recommendations, in seconds, which an operator's settings bound."""

    name: str
    """The event; with a parameter behind it (`dialog;sla`) it is a package of its own."""
    content_types: tuple[str, ...]
    """What bodies may be; the first is what watchers get."""
    parse: Parse
    """A body to a document; raises BadRequest for one that cannot be read or is another's."""
    compose: Compose
    """Canonical AOR of the presentity and its documents, oldest first, to the state that watchers are told.

    Of no documents it makes the neutral state, which a watcher that is blocked politely sees for ever. None: a NOTIFY
    without a body.
    """
    see: See | None = None
    """A state to what a view leaves of it, also of the neutral state; without it every watcher sees everything."""
    write: Write | None = None
    """What a watcher sees to the body: what has changed since `base` where the package has partial documents, all
    when `base` is None; the last argument is now in epoch seconds. Not needed where states are bytes."""
    removed: Callable[[State, View], Sequence[str]] | None = None
    """What a view takes from a state, in words for an operator."""
    parameters: frozenset[str] = frozenset()
    """Parameters of the Event header, besides id, that say what a watcher wants to see."""
    endings: Callable[[Document], frozenset[str]] | None = None
    """Names of the things that this document says are over for good."""
    bury: Callable[[Document, Collection[str]], Document] | None = None
    """A document as it is when the things of these names are over for good, whatever it says of them."""
    sources: Mapping[str, Callable[[Sequence[Document]], Document | None]] = field(default_factory=dict)
    """Other packages whose documents (of the same presentity, oldest first) can be made into one of this package."""
    sphere: Callable[[Sequence[Document]], str] | None = None
    """The sphere that the presentity is in by its documents (RFC 4480 §3.11), "" when that is not clear."""
    hard_state: str = ""
    """XCAP application usage of a document that counts like the oldest publication (RFC 4827)."""
    rules: tuple[str, ...] = ()
    """XCAP application usages whose documents say who may watch."""
    watches: str = ""
    """For a watcher-information package (RFC 3857): the package whose watchers are its documents."""
    winfo: bool = True
    """Whether there is a watcher-information package for it."""
    published: bool = True
    """Whether there are PUBLISHes for it."""
    subscribed: bool = True
    """Whether there are SUBSCRIBEs for it."""
    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 3600

    def seen(self, state: State | None, view: View) -> State | None:
        """Return what a view leaves of a state."""
        return state if state is None or self.see is None else self.see(state, view)

    def body(self, state: State | None, base: State | None, now: int) -> Body | None:
        """Return the body that tells a state to a watcher who has `base`; None when there is nothing to tell."""
        if state is None:
            return None
        if self.write is not None:
            return self.write(state, base, now)
        if not isinstance(state, bytes):
            raise TypeError(f"{self.name}: a state that is not bytes needs `write`")
        return Body(content_type=self.content_types[0], document=state)
