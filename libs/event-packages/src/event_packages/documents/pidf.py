"""Presence documents: PIDF (RFC 3863), the data model (RFC 4479), rich presence (RFC 4480).

Rule 1: lenient with what publishers send, strict with what watchers get: the composed document follows the schema.
Rule 2: in composed documents PIDF has no prefix and the known namespaces have theirs; some watchers read them as text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from xml.sax.saxutils import quoteattr
from zlib import crc32

from lxml import etree

from event_packages import xml
from event_packages.errors import BadRequest

PIDF = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
PREFIXES: dict[str | None, str] = {
    None: PIDF,
    "dm": DATA_MODEL,
    "rpid": "urn:ietf:params:xml:ns:pidf:rpid",
    "ts": "urn:ietf:params:xml:ns:pidf:timed-status",
    "ci": "urn:ietf:params:xml:ns:pidf:cipid",
    "caps": "urn:ietf:params:xml:ns:pidf:caps",
}
"""Prefixes of the namespaces that composed documents declare at their root."""

_DECLARATIONS = {
    prefix: (f' xmlns:{prefix}="{uri}"' if prefix else f' xmlns="{uri}"').encode() for prefix, uri in PREFIXES.items()
}
_NCNAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,127}")
_TUPLE, _NOTE, _STATUS, _BASIC, _CONTACT, _TIMESTAMP = (
    f"{{{PIDF}}}{name}" for name in ("tuple", "note", "status", "basic", "contact", "timestamp")
)
_PERSON, _DEVICE, _DEVICE_ID, _DM_NOTE, _DM_TIMESTAMP = (
    f"{{{DATA_MODEL}}}{name}" for name in ("person", "device", "deviceID", "note", "timestamp")
)

Kind = Literal["tuple", "note", "person", "device", "other"]
_KINDS: dict[str, Kind] = {_TUPLE: "tuple", _NOTE: "note", _PERSON: "person", _DEVICE: "device"}


@dataclass(frozen=True, slots=True)
class Part:
    """A child of the root, serialised; its id, if it has one, is its first attribute."""

    kind: Kind
    id: str
    contact: str
    """The contact of a tuple: what tells the tuples of two devices apart."""
    xml: bytes

    def renamed(self, new: str) -> "Part":
        """Return the part with another id."""
        old = f' id="{self.id}"'.encode()
        return replace(self, id=new, xml=self.xml.replace(old, f' id="{new}"'.encode(), 1))


@dataclass(frozen=True, slots=True)
class PidfDocument:
    """A published document: its parts in order, and the prefixes that they use."""

    parts: tuple[Part, ...]
    prefixes: frozenset[str | None]


def parse(body: bytes) -> PidfDocument:
    """Return a published document; raise BadRequest for what is no PIDF."""
    root = xml.parse(body)
    if root.tag != f"{{{PIDF}}}presence":
        raise BadRequest("not a PIDF document")
    if not _usual(root, body):
        root = _rebuilt(root)
    declared = frozenset(prefix for prefix in root.nsmap if prefix in PREFIXES)
    strip = [_DECLARATIONS[prefix] for prefix in declared]
    return PidfDocument(tuple(_part(child, strip) for child in root if isinstance(child.tag, str)), declared)


def _usual(root: xml.Element, body: bytes) -> bool:
    """Return whether namespaces are declared at the root alone, each known one by its usual prefix."""
    usual = all(
        PREFIXES.get(prefix) == uri if prefix in PREFIXES else uri not in PREFIXES.values()
        for prefix, uri in root.nsmap.items()
    )
    return usual and body.count(b"xmlns") == len(root.nsmap) and b"\x00" not in body


def _rebuilt(root: xml.Element) -> xml.Element:
    """Return the document anew with the usual prefixes."""
    used = {xml.local_name(element)[0] for element in root.iter()}
    prefixes = {prefix: uri for prefix, uri in PREFIXES.items() if prefix is None or uri in used}
    new = etree.Element(root.tag, nsmap=prefixes)  # type: ignore[arg-type]
    for child in root:
        new.append(_copy(child, new))
    return new


def _copy(element: xml.Element, parent: xml.Element) -> xml.Element:
    new = etree.SubElement(parent, element.tag, _attributes(element))
    new.text, new.tail = element.text, element.tail
    for child in element:
        if isinstance(child.tag, str):
            _copy(child, new)
    return new


def _attributes(element: xml.Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def _part(element: xml.Element, strip: list[bytes]) -> Part:
    kind = _KINDS.get(str(element.tag), "other")
    identifier, contact = "", ""
    if kind == "tuple":
        contact = _mend_tuple(element)
    elif kind in ("person", "device"):
        _mend_data(element)
    if kind in ("tuple", "person", "device"):
        identifier = _identify(element, kind)
    serialised = xml.serialise(element)
    for declaration in strip:
        serialised = serialised.replace(declaration, b"", 1)
    return Part(kind, identifier, contact, serialised)


def _identify(element: xml.Element, kind: Kind) -> str:
    """Give an element an id that is an XML name, as its first attribute; return it."""
    given = element.get("id") or ""
    if len(element.attrib) == 1 and _NCNAME.fullmatch(given):
        return given
    attributes = _attributes(element)
    attributes.pop("id", "")
    identifier = given if _NCNAME.fullmatch(given) else f"{kind[0]}{crc32(given.encode()):08x}"
    if identifier != given or attributes:
        element.attrib.clear()
        element.set("id", identifier)
        for name, value in attributes.items():
            element.set(name, value)
    return identifier


_TUPLE_ORDER = {_STATUS: 0, _CONTACT: 2, _NOTE: 3, _TIMESTAMP: 4}
_DATA_ORDER = {_DEVICE_ID: 1, _DM_NOTE: 2, _DM_TIMESTAMP: 3}


def _mend_tuple(element: xml.Element) -> str:
    """Bring a tuple into the schema's order (RFC 3863 §4.4); return its contact."""
    contact, rank, sorted_, status = "", 0, True, False
    for child in element:
        tag = str(child.tag)
        before, rank = rank, _TUPLE_ORDER.get(tag, 1)
        sorted_ = sorted_ and rank >= before
        if tag == _STATUS:
            status = True
            _mend_status(child)
        elif tag == _CONTACT:
            contact = (child.text or "").strip()
    if not status:
        element.insert(0, etree.Element(_STATUS))
    if not sorted_:
        _sort(element, _TUPLE_ORDER, 1)
    return contact


def _mend_status(status: xml.Element) -> None:
    for child in list(status):
        if child.tag == _BASIC and child.text not in ("open", "closed"):
            value = (child.text or "").strip()
            if value in ("open", "closed"):
                child.text = value
            else:
                status.remove(child)


def _mend_data(element: xml.Element) -> None:
    """Bring a person or device into the schema's order (RFC 4479 §3.3); PIDF children become the data model's."""
    for child in element:
        if child.tag == _TIMESTAMP:
            child.tag = _DM_TIMESTAMP
        elif child.tag == _NOTE:
            child.tag = _DM_NOTE
    _sort(element, _DATA_ORDER, 0)


def _sort(element: xml.Element, order: dict[str, int], other: int) -> None:
    """Sort children by rank, of equal rank as they stand."""
    element[:] = sorted(element, key=lambda child: order.get(str(child.tag), other))


def compose(presentity: str, documents: Sequence[object]) -> bytes | None:
    """Return one document of several, oldest first; None of none.

    The newest publication comes first. Of parts with one id the newest wins; tuples with one id and different
    contacts belong to different devices and are kept apart.
    """
    published = [document for document in documents if isinstance(document, PidfDocument)]
    if not published:
        return None
    parts = _chosen(reversed(published))
    prefixes = frozenset[str | None]().union(*(document.prefixes for document in published)) | {None}
    declarations = b"".join(_DECLARATIONS[prefix] for prefix in PREFIXES if prefix in prefixes)
    entity = quoteattr(presentity, {'"': "&quot;"}).encode()
    body = b"".join(part.xml for part in sorted(parts, key=_place))
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<presence'
        + declarations
        + b" entity="
        + entity
        + b">"
        + body
        + b"</presence>\n"
    )


def _place(part: Part) -> int:
    """Return where the schema wants a part (RFC 3863 §4.4): tuples, notes, everything else."""
    return 0 if part.kind == "tuple" else 1 if part.kind == "note" else 2


def _chosen(newest_first: Iterator[PidfDocument]) -> Iterator[Part]:
    """Yield the parts that stay, ids unique."""
    taken: dict[str, Part] = {}
    seen: set[bytes] = set()
    for document in newest_first:
        for part in document.parts:
            kept = _kept(part, taken) if part.id else part
            if kept is None or kept.xml in seen:
                continue
            seen.add(kept.xml)
            if kept.id:
                taken[kept.id] = kept
            yield kept


def _kept(part: Part, taken: dict[str, Part]) -> Part | None:
    """Return the part under an id that is free; None when a newer one of the same thing has it."""
    newer = taken.get(part.id)
    if newer is None:
        return part
    if newer.kind == part.kind and (newer.contact == part.contact or not (newer.contact and part.contact)):
        return None
    other = part.renamed(f"{part.id}.{crc32(f'{part.kind}{part.contact}'.encode()):08x}")
    return None if other.id in taken else other
