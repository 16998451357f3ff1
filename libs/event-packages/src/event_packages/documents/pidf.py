"""Presence documents of several publishers made into one: PIDF (RFC 3863) with the data model (RFC 4479).

Rule 1: lenient with what publishers send, strict with what watchers get: the composed document follows the schema.
Rule 2: in composed documents PIDF has no prefix and the known namespaces have theirs; some watchers read them as text.
Rule 3: a composed document, read and composed again, is the same.
"""

from collections.abc import Container, Sequence
from functools import cache
from zlib import crc32

from event_packages.documents.pidf_parts import Part, PidfDocument
from event_packages.documents.pidf_reading import DECLARED, read
from event_packages.xml import Element, quote
from event_packages.xml import parse as parse_xml

CONTENT_TYPE = "application/pidf+xml"

NEUTRAL = (Part("tuple", "t9ae21c40", "", b'<tuple id="t9ae21c40"><status><basic>closed</basic></status></tuple>'),)
"""What is said of somebody of whom nothing is known, or may be known (RFC 5025 §3.2.1, polite-block)."""
_NEUTRAL_END = b'">%b</presence>\n' % NEUTRAL[0].xml

_PLACES = {"tuple": 0, "spare": -1, "note": 1, "person": 2, "device": 2, "other": 2}
_PREFIXES = {prefix: namespace for namespace, prefix in DECLARED.items()}


def parse(body: bytes) -> PidfDocument:
    """Return a published document; raise BadRequest for what is no PIDF."""
    return document_of(parse_xml(body))


def document_of(root: Element) -> PidfDocument:
    """Return what a tree says; raise BadRequest for what is no PIDF."""
    document = read(root)
    return document if len(document.parts) < 2 else PidfDocument(tuple(_merged([document])))


def compose(presentity: str, documents: Sequence[object]) -> bytes:
    """Return one document of several, oldest first; of none, and of empty ones, the neutral one.

    The newest publication comes first. Of parts with one id the newest wins; tuples with one id and different
    contacts belong to different devices and are kept apart, and so are devices with different device ids.
    """
    published = [document for document in reversed(documents) if isinstance(document, PidfDocument)]
    return write(presentity, published[0].parts if len(published) == 1 else _merged(published))


def write(entity: str, parts: Sequence[Part]) -> bytes:
    """Return the document that says these parts of an entity, or the neutral one where there are none."""
    parts = parts or NEUTRAL
    start = _start(tuple(sorted({prefix for part in parts for prefix in part.prefixes})))
    return b"".join([start, quote(entity).encode(), b">", *[part.xml for part in parts], b"</presence>\n"])


def is_neutral(document: bytes) -> bool:
    """Return whether a composed document says nothing of its entity."""
    return document.endswith(_NEUTRAL_END)


def sphere(documents: Sequence[object]) -> str:
    """Return the sphere of the presentity (RFC 4480 §3.11), "" for none and where its persons contradict each other."""
    published = [document for document in reversed(documents) if isinstance(document, PidfDocument)]
    if not any([part.spheres for document in published for part in document.parts]):
        return ""
    spheres = {sphere for part in _merged(published) for sphere in part.spheres}
    return spheres.pop() if len(spheres) == 1 else ""


@cache
def _start(prefixes: tuple[str, ...]) -> bytes:
    declarations = "".join([f' xmlns:{prefix}="{_PREFIXES[prefix]}"' for prefix in prefixes])
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf"{declarations} entity='
    ).encode()


def _merged(newest_first: Sequence[PidfDocument]) -> list[Part]:
    """Return the parts that stay, ids unique, in the schema's order (RFC 3863 §4.4): tuples, notes, the rest."""
    kept: dict[str | bytes, Part] = {}
    seen: set[tuple[str, ...]] = set()
    for document in newest_first:
        for part in document.parts:
            if not part.id:
                kept.setdefault(part.xml, part)
                continue
            thing = (part.kind, part.given or part.id)
            if not _is_outdated(thing, part.owner, seen):
                seen |= {thing, (*thing, part.owner)}
                unique = _with_free_id(part, kept)
                kept[unique.id] = unique
    parts = sorted(kept.values(), key=lambda part: _PLACES[part.kind])
    return _without_spares(parts) if parts and parts[0].kind == "spare" else parts


def _without_spares(parts: list[Part]) -> list[Part]:
    """Return parts without the spare tuples, which come first, unless there are no others."""
    others = [part for part in parts if part.kind != "spare"]
    return others if others and others[0].kind == "tuple" else parts


def _is_outdated(thing: tuple[str, str], owner: str, seen: Container[tuple[str, ...]]) -> bool:
    """Return whether something newer with that kind and id is of the same device, or may be."""
    if not owner:
        return thing in seen
    return (*thing, owner) in seen or (*thing, "") in seen


def _with_free_id(part: Part, taken: Container[str | bytes]) -> Part:
    name = candidate = part.given or part.id
    while candidate in taken:
        candidate = f"{name[:100]}.{crc32(f'{candidate} {part.kind} {part.owner}'.encode()):08x}"
    return part if candidate == part.id else part.renamed(candidate)
