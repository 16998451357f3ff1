"""The one XML parser: no DTD, no entities, no network, bounded depth and size (design §7).

Rule 1: every body that comes from outside is read by `parse` and nothing else.
"""

from lxml import etree

from event_packages.errors import BadRequest

Element = etree._Element

MAX_BYTES = 1_000_000
MAX_ELEMENTS = 20_000
MAX_DEPTH = 32

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
    tags = body.count(b"<")
    if len(body) > MAX_BYTES or tags > 2 * MAX_ELEMENTS:
        raise BadRequest("XML too large")
    if b"<!DOCTYPE" in body:
        raise BadRequest("XML with a DTD")
    try:
        root = etree.fromstring(body, _parser)
    except (etree.XMLSyntaxError, ValueError):
        raise BadRequest("XML not readable") from None
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise BadRequest("XML with a DTD")
    # UTF-16 hides its tags from the count above.
    if (tags > MAX_DEPTH or tags == 0 or b"\x00" in body) and _too_deep(root):
        raise BadRequest("XML too deep")
    return root


def _too_deep(root: Element) -> bool:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return True
        level = [child for element in level for child in element]
    return False


def serialise(element: Element) -> bytes:
    """Return an element as UTF-8, without a declaration and without what follows it."""
    return etree.tostring(element, encoding="UTF-8", with_tail=False)


def local_name(element: Element) -> tuple[str, str]:
    """Return namespace and local name; ("", "") for what is no element."""
    tag = element.tag
    if not isinstance(tag, str):
        return "", ""
    if tag[0] != "{":
        return "", tag
    namespace, _, name = tag[1:].partition("}")
    return namespace, name
