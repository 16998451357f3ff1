"""References to lists: XCAP node URIs `…/resource-lists/users/XUI/FILE/~~/resource-lists/list[…]` (RFC 4825 §6)."""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from sip.errors import ParseError
from sip.uri import canonical_aor

MAX_LENGTH = 2_000
"""Of a reference, in characters; a longer one leads nowhere."""

_USAGE = ["resource-lists", "users"]
_ROOT = re.compile(r"(?:[\w.-]+:)?resource-lists(?:\[1\])?")
_VALUE = r"""(?:"([^"]*)"|'([^']*)')"""
_LIST = re.compile(rf"/(?:[\w.-]+:)?list(?:\[([0-9]{{1,6}})\])?(?:\[@name={_VALUE}\])?")
_ENTRY = re.compile(rf"/(?:[\w.-]+:)?entry(?:\[[0-9]{{1,6}}\])?\[@uri={_VALUE}\]")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


class DocumentName(NamedTuple):
    """Whose document it is, as canonical AOR where it is an address, and what it is called."""

    owner: str
    file: str


class Step(NamedTuple):
    """One step down to a list: by position, counted from 1, by name, or the only one there is."""

    position: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What a reference selects: a list in a document, or the entry with a URI in that list."""

    document: DocumentName
    steps: tuple[Step, ...]
    entry: str = ""


def anchor_of(text: str) -> Anchor | None:
    """Return what a reference selects; None for one that selects no list that could be here."""
    if len(text) > MAX_LENGTH:
        return None
    path, separator, selector = text.partition("/~~/")
    document = document_of(path) if separator else None
    if document is None:
        return None
    steps, rest = _steps(unquote(selector.partition("?")[0]))
    entry = _ENTRY.fullmatch(rest)
    if not steps or (rest and entry is None):
        return None
    return Anchor(document=document, steps=steps, entry=_value(entry[1], entry[2]) or "" if entry else "")


def document_of(path: str) -> DocumentName | None:
    """Return the name of a user's document by its URI or path; None for another usage's and for a bare file name."""
    parts = path.split("/")
    at = next((at for at in range(len(parts) - 3) if parts[at : at + 2] == _USAGE), None)
    if at is None:
        return None
    return DocumentName(owner_of(unquote(parts[at + 2])), unquote("/".join(parts[at + 3 :])))


def owner_of(xui: str) -> str:
    """Return the one spelling of a user (XUI, RFC 4825 §4)."""
    try:
        return canonical_aor(xui)
    except ParseError:
        return xui


def _steps(selector: str) -> tuple[tuple[Step, ...], str]:
    """Return the steps down to a list, and what is behind them."""
    root = _ROOT.match(selector)
    at, steps = root.end() if root else 0, list[Step]()
    while root and (match := _LIST.match(selector, at)):
        steps.append(Step(int(match[1]) if match[1] else None, _value(match[2], match[3])))
        at = match.end()
    return tuple(steps), selector[at:]


def _value(double: str | None, single: str | None) -> str | None:
    """Return a value as it is in the document; it is written as in an attribute (RFC 4825 §6.3)."""
    value = double if double is not None else single
    if value is not None and "&" in value:
        for entity, character in _ENTITIES:
            value = value.replace(entity, character)
    return value
