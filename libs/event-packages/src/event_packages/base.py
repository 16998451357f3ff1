"""What an event package has to say (RFC 6665 §5, RFC 3903 §6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Document = object
"""What `parse` made of a body; opaque to everybody but its package, immutable and small."""

Parse = Callable[[bytes], Document]
Compose = Callable[[str, Sequence[Document]], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPackage:
    """A package; lifetimes are its recommendations, in seconds, which an operator's settings bound."""

    name: str
    content_types: tuple[str, ...]
    """What bodies may be; the first is what watchers get."""
    parse: Parse
    """A body to a document; raises BadRequest for one that cannot be read or is another's."""
    compose: Compose
    """Canonical AOR of the presentity and its documents, oldest first, to the body for watchers.

    None when nothing is known: the NOTIFY has no body then.
    """
    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 3600
    authorized: bool = True
    """Whether a watcher must be allowed by rules where the policy is to have rules."""
    winfo: bool = True
    """Whether there is a watcher-information template package for it (RFC 3857)."""
