"""Dialogs of a presentity: one, those of a publication, and those that watchers are told of (RFC 4235 §4).

Rule 1: dialogs are the same by Call-ID and the tags that both know, since publishers learn tags one by one; without
Call-ID by id.
Rule 2: a branch of a forked call that ended before it had a tag takes only itself along, known by its id.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum

from event_packages.xml import quote


class DialogState(IntEnum):
    """The states of a dialog in the order in which they follow each other (RFC 4235 §3.7.1)."""

    TRYING = 1
    PROCEEDING = 2
    EARLY = 3
    CONFIRMED = 4
    TERMINATED = 5

    @property
    def word(self) -> bytes:
        """Return its name in a document."""
        return _WORDS[self]


_CHALLENGES = (b' code="401"', b' code="407"')
_WORDS = {state: state.name.lower().encode() for state in DialogState}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """One dialog as seen from the presentity; "" for what is not known."""

    id: str
    state: DialogState
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    direction: str = ""
    """initiator or recipient."""
    cause: bytes = b""
    """Attributes of `state`, written: event and code."""
    duration: bytes = field(default=b"", compare=False)
    """The element, written; that time goes by is no change."""
    content: tuple[bytes, ...] = (b"",)
    """What stands behind the duration, written, in pieces; those at odd places are session descriptions."""
    buried: bool = False
    """Whether its publisher does not know yet that it has ended; of which branch it speaks may be uncertain."""

    @property
    def live(self) -> bool:
        """Return whether it has not ended."""
        return self.state is not DialogState.TERMINATED

    @property
    def over(self) -> bool:
        """Return whether its publisher says that it has ended for good.

        After a challenge the same call is tried again (RFC 3261 §22.2).
        """
        return not self.live and not self.buried and not any(code in self.cause for code in _CHALLENGES)

    @property
    def vague(self) -> bool:
        """Return whether its tags do not tell it from other branches of the call."""
        return not self.local_tag or not self.remote_tag

    def covers(self, other: "Dialog") -> bool:
        """Return whether `other` is this dialog, by Rules 1 and 2."""
        if not self.call_id or self.call_id != other.call_id:
            return not self.call_id and not other.call_id and self.id == other.id
        if self.local_tag != other.local_tag and self.local_tag and other.local_tag:
            return False
        if self.remote_tag != other.remote_tag and self.remote_tag and other.remote_tag:
            return False
        return self.live or not self.vague or self.id == other.id

    def ended(self) -> "Dialog":
        """Return the dialog terminated; nobody said how."""
        return replace(self, state=DialogState.TERMINATED, cause=b"", duration=b"") if self.live else self

    def without_session_descriptions(self) -> "Dialog":
        """Return the dialog with no word of media (RFC 4235 §3.2)."""
        return replace(self, content=(b"".join(self.content[::2]),)) if len(self.content) > 1 else self

    def written(self) -> bytes:
        """Return the element (RFC 4235 §4.1.1)."""
        named = (
            ("call-id", self.call_id),
            ("local-tag", self.local_tag),
            ("remote-tag", self.remote_tag),
            ("direction", self.direction),
        )
        attributes = "".join([f" {name}={quote(value)}" for name, value in named if value])
        start = f"<dialog id={quote(self.id)}{attributes}><state".encode()
        pieces = (start, self.cause, b">", self.state.word, b"</state>", self.duration, *self.content, b"</dialog>")
        return b"".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogInfo:
    """A published document."""

    dialogs: tuple[Dialog, ...] = ()
    extensions: bytes = b""
    """Elements of other namespaces behind the dialogs, written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogs:
    """All dialogs of a presentity. Those that have ended are told of, but that they are forgotten is no change."""

    entity: str
    live: tuple[Dialog, ...] = ()
    """Sorted by id."""
    ended: tuple[Dialog, ...] = field(default=(), compare=False)
    extensions: tuple[bytes, ...] = ()
