"""Resource lists that rules refer to (RFC 4826 §3; OMA-TS-XDM_Core §6.6.2.2, `external-list`).

Rule 1: only the presentity's own documents are asked; a reference to another's, or one that leads nowhere, has nobody.
Rule 2: an anchor selects one list, as XCAP would (RFC 4825 §6.3): an ambiguous one selects none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from event_packages.errors import BadRequest
from event_packages.rules.anchors import Anchor, DocumentName, Step, anchor_of, document_of, owner_of
from event_packages.rules.identity import NOBODY, XML_SPACE, Identities, Identity, identities, identity_of, same
from event_packages.rules.names import RESOURCE_LISTS
from event_packages.xml import Element, parse
from sip.errors import ParseError

MAX_REFERENCES = 1_000
"""References to other lists that one question follows; those behind them have nobody."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceList:
    """A list: its members, the lists inside, and what it refers to."""

    members: Identities = NOBODY
    lists: tuple["ResourceList", ...] = ()
    by_name: Mapping[str, "ResourceList | None"] = field(default_factory=dict)
    """None for a name that two lists have."""
    references: tuple[str, ...] = ()
    """Of other lists and of entries in them."""

    def select(self, step: Step) -> "ResourceList | None":
        """Return the one list inside that a step leads to."""
        if step.position is None and step.name is None:
            return self.lists[0] if len(self.lists) == 1 else None
        if step.position is None:
            return self.by_name.get(step.name or "")
        found = self.lists[step.position - 1] if 0 < step.position <= len(self.lists) else None
        return found if step.name is None or self.by_name.get(step.name) is found else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lists:
    """The resource lists of a presentity."""

    documents: Mapping[DocumentName, ResourceList] = field(default_factory=dict)
    """By whose they are and what they are called; each is a list of its lists."""

    def contains(self, anchor: str, watcher: Identity) -> bool:
        """Return whether a watcher is in the list that an anchor selects, or in a list inside of it."""
        if watcher.anonymous or not self.documents:
            return False
        waiting, seen, walked = [anchor], {anchor}, set[int]()
        for _ in range(MAX_REFERENCES):
            if not waiting:
                return False
            found, references = self._asked(anchor_of(waiting.pop()), watcher, walked)
            if found:
                return True
            waiting += {one: None for one in references if one not in seen}
            seen.update(references)
        return False

    def _asked(self, anchor: Anchor | None, watcher: Identity, walked: set[int]) -> tuple[bool, list[str]]:
        """Return whether the watcher is in what an anchor selects, and where that refers to."""
        selected = self._selected(anchor) if anchor else None
        if anchor is None or selected is None:
            return False, []
        if anchor.entry:
            entry = _identity(anchor.entry)
            return entry is not None and entry in selected.members and same(entry, watcher), []
        references: list[str] = []
        inside = [selected]
        while inside:
            one = inside.pop()
            if watcher in one.members:
                return True, []
            if id(one) not in walked:
                walked.add(id(one))
                references += one.references
                inside += one.lists
        return False, references

    def _selected(self, anchor: Anchor) -> ResourceList | None:
        selected = self.documents.get(anchor.document)
        for step in anchor.steps:
            selected = selected.select(step) if selected is not None else None
        return selected


NO_LISTS = Lists()


def read_lists(documents: Mapping[str, bytes], presentity: str = "") -> Lists:
    """Return the lists of documents by URI or path; what cannot be read has nobody.

    Documents are the presentity's: where a path does not say so (`index.xml`), its AOR does.
    """
    named: dict[DocumentName, ResourceList] = {}
    for path, body in documents.items():
        lists = _document(body)
        name = document_of(path)
        if name is not None:
            named[name] = lists
        if presentity:
            named[DocumentName(owner_of(presentity), name.file if name else path.rpartition("/")[2])] = lists
    return Lists(documents=named)


def _document(body: bytes) -> ResourceList:
    try:
        root = parse(body)
    except BadRequest:
        return ResourceList()
    return _list(root) if root.tag == f"{RESOURCE_LISTS}resource-lists" else ResourceList()


def _list(element: Element) -> ResourceList:
    members = [_identity(str(entry.get("uri", ""))) for entry in element.iterchildren(f"{RESOURCE_LISTS}entry")]
    lists, by_name = list[ResourceList](), dict[str, ResourceList | None]()
    for child in element.iterchildren(f"{RESOURCE_LISTS}list"):
        lists.append(_list(child))
        if (name := child.get("name")) is not None:
            by_name[str(name)] = None if name in by_name else lists[-1]
    return ResourceList(
        members=identities(one for one in members if one is not None) if members else NOBODY,
        lists=tuple(lists),
        by_name=by_name,
        references=(*_references(element, "external", "anchor"), *_references(element, "entry-ref", "ref")),
    )


def _references(element: Element, name: str, attribute: str) -> Iterable[str]:
    for child in element.iterchildren(f"{RESOURCE_LISTS}{name}"):
        if reference := str(child.get(attribute, "")).strip(XML_SPACE):
            yield reference


def _identity(uri: str) -> Identity | None:
    try:
        return identity_of(uri)
    except ParseError:
        return None
