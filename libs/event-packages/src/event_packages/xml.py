"""The one XML parser: no DTD, no entities, no network, bounded depth and size (XML 1.0, RFC 3470 §5.1).

Rule 1: every body that comes from outside is read by `parse` and nothing else.
Rule 2: only encodings that contain ASCII are read, and UTF-16 made UTF-8; no document type can hide in them.
"""

import re

from lxml import etree

from event_packages.errors import BadRequest

Element = etree._Element

MAX_BYTES = 1_000_000
MAX_ELEMENTS = 20_000
MAX_DEPTH = 32
MAX_NAMESPACES = 500
"""Declarations in a document."""
MAX_ATTRIBUTES = 100
"""Of one element; the work grows with the square."""

_MARK = b"\xef\xbb\xbf"
_USUAL = b'<?xml version="1.0" encoding="UTF-8"?>'
_DECLARATION = re.compile(
    rb"""<\?xml\s+version\s*=\s*(?:"1\.[0-9]"|'1\.[0-9]')"""
    rb"""(?:\s+encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["'])?"""
    rb"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>"""
)
_ANY_DECLARATION = re.compile(r"^<\?xml\s[^>]*\?>")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ENCODING = re.compile(rb"utf-?8|us-ascii|ascii|iso[-_]?8859-[0-9]{1,2}|latin-?[0-9]|(?:windows-|cp)125[0-8]", re.I)

_parser = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    recover=False,
    collect_ids=False,
)


def parse(body: bytes) -> Element:
    """Return the root element; raise BadRequest for what is not well-formed, has a DTD or is too large or deep."""
    if body[:2] in _UTF_16:
        body = _from_utf_16(body)
    _check_bytes(body)
    try:
        root = etree.fromstring(body.strip(), _parser)
    except (etree.XMLSyntaxError, ValueError):
        raise BadRequest("XML not readable") from None
    if body.count(b"<") > MAX_DEPTH and _depth(root) > MAX_DEPTH:
        raise BadRequest("XML too deep")
    if body.count(b"=") > MAX_ATTRIBUTES and any(len(element.attrib) > MAX_ATTRIBUTES for element in root.iter()):
        raise BadRequest("XML with too many attributes")
    return root


def _from_utf_16(body: bytes) -> bytes:
    try:
        text = body[:MAX_BYTES].decode("utf-16")
    except UnicodeDecodeError:
        raise BadRequest("XML not readable") from None
    return _ANY_DECLARATION.sub("", text, count=1).encode()


def _check_bytes(body: bytes) -> None:
    if len(body) > MAX_BYTES or body.count(b"<") - body.count(b"</") > MAX_ELEMENTS:
        raise BadRequest("XML too large")
    if b"<!DOCTYPE" in body:
        raise BadRequest("XML with a DTD")
    if body.count(b"xmlns") > MAX_NAMESPACES:
        raise BadRequest("XML with too many namespaces")
    if b"\x00" in body or not (body.startswith(_USUAL) or _known_encoding(body.strip().removeprefix(_MARK))):
        raise BadRequest("XML in an encoding that is not read")


def _known_encoding(body: bytes) -> bool:
    if not re.match(rb"<\?xml\s", body):
        return body.startswith(b"<")
    declaration = _DECLARATION.match(body)
    return declaration is not None and (declaration[1] is None or _ENCODING.fullmatch(declaration[1]) is not None)


def _depth(root: Element) -> int:
    """Return the depth of a tree, or one more than may be."""
    level, depth = [root], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [child for element in level for child in element]
    return depth


def local_name(element: Element) -> tuple[str, str]:
    """Return namespace and local name; the namespace is "" for an element that is in none."""
    return split_name(str(element.tag))


def split_name(name: str) -> tuple[str, str]:
    """Return namespace and local name of a name as lxml writes it, `{namespace}local`."""
    if name[0] != "{":
        return "", name
    namespace, _, local = name[1:].partition("}")
    return namespace, local


def text_of(element: Element) -> str:
    """Return all text in an element, that of its children too."""
    if len(element):
        return "".join(str(text) for text in element.itertext())
    return element.text or ""


def escape(text: str) -> str:
    """Return text for the inside of an element; it is read back as it is, also with carriage returns."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def quote(value: str) -> str:
    """Return an attribute's value in quotes; it is read back as it is, also with line ends."""
    escaped = escape(value).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")
    return f'"{escaped}"'
