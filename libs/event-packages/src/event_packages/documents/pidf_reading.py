"""A published presence document read: mended where it breaks the schemas of RFC 3863 §4.4 and RFC 4479 §5.

Rule 1: what comes out is valid; what cannot be mended is left out, and the rest is kept.
Rule 2: elements of other namespaces are kept as they are (RFC 3863 §4.2.1), wherever the schema lets them be.
"""

import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote as urlquote
from zlib import crc32

from event_packages.documents.pidf_parts import Part, PidfDocument
from event_packages.documents.writing import Vocabulary, Writer
from event_packages.errors import BadRequest
from event_packages.xml import Element, escape, split_name, text_of

PIDF = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"
DECLARED = {
    DATA_MODEL: "dm",
    RPID: "rpid",
    "urn:ietf:params:xml:ns:pidf:timed-status": "ts",
    "urn:ietf:params:xml:ns:pidf:cipid": "ci",
    "urn:ietf:params:xml:ns:pidf:caps": "caps",
}
"""Namespaces that composed documents declare at their root when they need them, and their prefixes."""

MAX_URI = 2048
"""Characters of a contact or device id."""

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_ROOT, _TUPLE, _NOTE, _STATUS, _BASIC, _CONTACT, _TIMESTAMP = (
    f"{{{PIDF}}}{name}" for name in ("presence", "tuple", "note", "status", "basic", "contact", "timestamp")
)
_PERSON, _DEVICE, _DEVICE_ID, _DM_NOTE, _DM_TIMESTAMP = (
    f"{{{DATA_MODEL}}}{name}" for name in ("person", "device", "deviceID", "note", "timestamp")
)
_SPHERE = f"{{{RPID}}}sphere"
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_VOCABULARY = Vocabulary(
    {PIDF: "", **DECLARED},
    "pidf",
    nameless=RPID,
    misplaced=frozenset({_ROOT, _PERSON, _DEVICE, _DEVICE_ID}),
    values={f"{{{PIDF}}}mustUnderstand": re.compile("0|1|false|true"), _LANG: _LANGUAGE},
)
_NCNAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,127}")
_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_CHARACTER = r"(?:[\w.~!$&'()*+,;=@/?:-]|%[0-9A-Fa-f]{2})"
_URI = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?]*:))(?!//){_CHARACTER}+"
    rf"|[A-Za-z][A-Za-z0-9+.-]*://(?:[\w.~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?(?:[/?]{_CHARACTER}*)?"
)
_NOT_IN_URI = re.compile(r"[^\w.~!$&'()*+,;=@/?:%-]|%(?![0-9A-Fa-f]{2})")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,20})?"
    r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])?"
)


def read(root: Element) -> PidfDocument:
    """Return the parts of a document in its order; raise BadRequest for what is no PIDF."""
    if root.tag != _ROOT:
        raise BadRequest("not a PIDF document")
    writer = Writer(_VOCABULARY)
    parts = [part for index, child in enumerate(root) if (part := _part(child, index, writer)) is not None]
    return PidfDocument(tuple(parts))


def _part(element: Element, index: int, writer: Writer) -> Part | None:
    reader = _READERS.get(str(element.tag))
    if reader is not None:
        return reader(element, index, writer)
    extension = _extension(element, writer) if _is_extension(str(element.tag)) else ""
    return Part("other", "", "", extension.encode(), writer.take_used()) if extension else None


def _is_extension(tag: str) -> bool:
    """Return whether the schema's wildcard lets an element in: of a namespace, but not of PIDF's."""
    return tag[0] == "{" and not tag.startswith(f"{{{PIDF}}}")


def _root_note(element: Element, _index: int, _writer: Writer) -> Part:
    return Part("note", "", "", _note(element).encode())


def _tuple(element: Element, index: int, writer: Writer) -> Part:
    """Read a tuple: status, extensions, contact, notes, timestamp (RFC 3863 §4.1.2)."""
    status = contact = owner = extensions = notes = timestamp = ""
    for child in element:
        tag = child.tag
        if tag == _STATUS:
            status = status or _status(child, writer)
        elif tag == _NOTE:
            notes += _note(child)
        elif tag == _CONTACT:
            if not contact:
                contact, owner = _contact(child)
        elif tag == _TIMESTAMP:
            timestamp = timestamp or _timestamp(child, "timestamp")
        elif _is_extension(str(tag)):
            extensions += _extension(child, writer)
    identifier = _identifier(element, f"t{index}", owner)
    content = f"{status or '<status/>'}{extensions}{contact}{notes}{timestamp}"
    return Part("tuple", identifier, owner, f'<tuple id="{identifier}">{content}</tuple>'.encode(), writer.take_used())


def _status(element: Element, writer: Writer) -> str:
    """Return a status; a basic status that is neither open nor closed is left out (RFC 3863 §4.1.4)."""
    basic = extensions = ""
    for child in element:
        if child.tag == _BASIC:
            value = text_of(child).strip().lower()
            if not basic and value in ("open", "closed"):
                basic = f"<basic>{value}</basic>"
        elif _is_extension(str(child.tag)):
            extensions += _extension(child, writer)
    return f"<status>{basic}{extensions}</status>" if basic or extensions else "<status/>"


def _contact(element: Element) -> tuple[str, str]:
    """Return a contact, written, and its URI; empty for what is no URI."""
    uri = _uri(element)
    if not uri:
        return "", ""
    priority = (element.get("priority") or "").strip()
    attribute = f' priority="{priority}"' if _QVALUE.fullmatch(priority) else ""
    return f"<contact{attribute}>{escape(uri)}</contact>", uri


def _uri(element: Element) -> str:
    """Return the URI in an element, escaped where validators want it; empty for what is none."""
    text = text_of(element).strip()
    if len(text) > MAX_URI:
        return ""
    if not _URI.fullmatch(text):
        text = _NOT_IN_URI.sub(lambda found: urlquote(found[0]), text)
    return text if _URI.fullmatch(text) else ""


def _extension(element: Element, writer: Writer) -> str:
    """Return an element of another namespace; empty where its own schema would refuse it."""
    if element.tag != _DEVICE_ID:
        return writer.write(element)
    uri = _uri(element)
    writer.used.update({"dm"} if uri else ())
    return f"<dm:deviceID>{escape(uri)}</dm:deviceID>" if uri else ""


def _note(element: Element, name: str = "note") -> str:
    language = element.get(_LANG) if element.attrib else None
    attribute = f' xml:lang="{language}"' if language and _LANGUAGE.fullmatch(language) else ""
    return f"<{name}{attribute}>{escape(text_of(element))}</{name}>"


def _timestamp(element: Element, name: str) -> str:
    text = text_of(element).strip()
    try:
        valid = _DATE_TIME.fullmatch(text) and datetime.fromisoformat(text)
    except ValueError:
        return ""
    return f"<{name}>{text}</{name}>" if valid else ""


def _person(element: Element, index: int, writer: Writer) -> Part:
    writer.used.add("dm")
    identifier = _identifier(element, f"p{index}")
    extensions, _, notes, timestamp = _data(element, writer)
    content = f"{extensions}{notes}{timestamp}"
    written = f'<dm:person id="{identifier}">{content}</dm:person>'
    spheres = _spheres(element) if "<rpid:sphere" in extensions else ()
    return Part("person", identifier, "", written.encode(), writer.take_used(), spheres=spheres)


def _spheres(person: Element) -> tuple[str, ...]:
    """Return spheres by their name or, of those that have one, by the name of their element; unknown is none."""
    found = person.iterchildren(_SPHERE)
    names = (split_name(str(child[0].tag))[1] if len(child) else text_of(child).strip() for child in found)
    return tuple(sorted({name for name in names if name not in ("", "unknown")}))


def _device(element: Element, index: int, writer: Writer) -> Part | None:
    """Read a device; one without a device id cannot be valid (RFC 4479 §3.3)."""
    extensions, device_id, notes, timestamp = _data(element, writer)
    if not device_id:
        writer.take_used()
        return None
    writer.used.add("dm")
    identifier = _identifier(element, f"d{index}", device_id)
    content = f"{extensions}<dm:deviceID>{escape(device_id)}</dm:deviceID>{notes}{timestamp}"
    written = f'<dm:device id="{identifier}">{content}</dm:device>'
    return Part("device", identifier, device_id, written.encode(), writer.take_used())


def _data(element: Element, writer: Writer) -> tuple[str, str, str, str]:
    """Return extensions, device id, notes and timestamp; those of PIDF become the data model's (RFC 4479 §3)."""
    extensions = device_id = notes = timestamp = ""
    for child in element:
        tag = str(child.tag)
        if tag in (_DM_NOTE, _NOTE):
            notes += _note(child, "dm:note")
        elif tag in (_DM_TIMESTAMP, _TIMESTAMP):
            timestamp = timestamp or _timestamp(child, "dm:timestamp")
        elif tag == _DEVICE_ID:
            device_id = device_id or _uri(child)
        elif _is_extension(tag) and not tag.startswith(f"{{{DATA_MODEL}}}"):
            extensions += _extension(child, writer)
    return extensions, device_id, notes, timestamp


def _identifier(element: Element, place: str, owner: str = "") -> str:
    """Return the id of an element if it is an XML name, else one that its next publication gets, too."""
    given = element.get("id") or ""
    if _NCNAME.fullmatch(given):
        return given
    return f"{place[0]}{crc32((given or f'{place} {owner}').encode()):08x}"


_READERS: dict[str, Callable[[Element, int, Writer], Part | None]] = {
    _TUPLE: _tuple,
    _NOTE: _root_note,
    _PERSON: _person,
    _DEVICE: _device,
}
