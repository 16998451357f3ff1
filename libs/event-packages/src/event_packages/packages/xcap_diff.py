"""The event package `xcap-diff`, as XCAP servers publish it: word that documents have changed (RFC 5874).

Rule 1: it is a hint and no more: what has changed is read from the document itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from event_packages.base import EventPackage
from event_packages.errors import BadRequest
from event_packages.xml import Element, local_name
from event_packages.xml import parse as parse_xml

MAX_SELECTORS = 100
MAX_LENGTH = 1000
"""Characters of a selector, XCAP root included."""

NAMESPACE = "urn:ietf:params:xml:ns:xcap-diff"
_CHANGED = ("document", "element", "attribute")
_NODE = "/~~/"
"""Where the address of a document ends and that of a node in it begins (RFC 4825 §6.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XcapDiff:
    """Which documents have changed."""

    selectors: tuple[str, ...]
    """URIs of the documents, whole where the XCAP root was given; none when nothing is said of them."""


def parse(body: bytes) -> XcapDiff:
    """Return which documents have changed; raise BadRequest for what is no xcap-diff or has too many."""
    root = parse_xml(body)
    if local_name(root) != (NAMESPACE, "xcap-diff"):
        raise BadRequest("not an xcap-diff")
    xcap_root = root.get("xcap-root") or ""
    named = [_document(xcap_root, child.get("sel") or "") for child in root if _is_change(child)]
    selectors = tuple(dict.fromkeys(selector for selector in named if selector))
    if len(selectors) > MAX_SELECTORS or any(len(selector) > MAX_LENGTH for selector in selectors):
        raise BadRequest("xcap-diff with too many documents or too long a URI")
    return XcapDiff(selectors=selectors)


def _is_change(element: Element) -> bool:
    namespace, name = local_name(element)
    return namespace == NAMESPACE and name in _CHANGED


def _document(xcap_root: str, selector: str) -> str:
    """Return the URI of the document that a selector is about (RFC 5874 §4)."""
    path = selector.strip().partition(_NODE)[0]
    if not path or "://" in path.partition("?")[0] or not xcap_root.strip():
        return path
    return f"{xcap_root.strip().rstrip('/')}/{path.lstrip('/')}"


def compose(presentity: str, documents: Sequence[object]) -> None:
    """Return nothing: nobody watches it."""


PACKAGE = EventPackage(
    name="xcap-diff",
    content_types=("application/xcap-diff+xml",),
    parse=parse,
    compose=compose,
    winfo=False,
    subscribed=False,
)
