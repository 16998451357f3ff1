"""A published presence document as we keep it: the parts that it has (RFC 3863 §4.1, RFC 4479 §3)."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Kind = Literal["tuple", "spare", "note", "person", "device", "other"]
"""A spare is a tuple that counts only where there is no other."""


class Part(Struct, frozen=True, gc=False):
    """A child of the root, written."""

    kind: Kind
    id: str
    owner: str
    """What tells two devices apart whose parts have one id: a tuple's contact, a device's device id."""
    xml: bytes
    """Begins with the element's name and, where it has one, its id."""
    prefixes: tuple[str, ...] = ()
    """Those that it needs declared at the root."""
    given: str = ""
    """The id that the publisher gave it, if it has another now."""
    spheres: tuple[str, ...] = ()
    """Those that a person says to be in (RFC 4480 §3.11)."""

    def renamed(self, new: str) -> "Part":
        """Return the part with another id."""
        before, _, after = self.xml.partition(b'id="%b"' % self.id.encode())
        return replace(self, id=new, given=self.given or self.id, xml=b'%bid="%b"%b' % (before, new.encode(), after))


class PidfDocument(Struct, frozen=True, gc=False):
    """A published document: its parts."""

    parts: tuple[Part, ...]
