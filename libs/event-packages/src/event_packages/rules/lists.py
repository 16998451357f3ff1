"""Resource lists that rules refer to (RFC 4826 §3; OMA-TS-XDM_Core §6.6.2.2, `external-list`).

Rule 1: only the presentity's own documents are asked; a reference to another's, or one that leads nowhere, has nobody.
Rule 2: an anchor selects one list, as XCAP would (RFC 4825 §6.3): an ambiguous one selects none.
Rule 3: for a watcher all lists that have it are found at once, upwards from its entries, whatever refers to them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from event_packages.errors import BadRequest
from event_packages.rules.anchors import Anchor, DocumentName, Step, anchor_of, document_of, owner_of
from event_packages.rules.identity import XML_SPACE, Identity, identity_of
from event_packages.rules.names import RESOURCE_LISTS
from event_packages.xml import Element, parse
from sip.errors import ParseError

MAX_REFERENCES = 1_000
"""References to other lists and entries that are followed, of all documents together; others have nobody."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceList:
    """A list: what it is numbered as, and the lists inside."""

    index: int
    lists: tuple["ResourceList", ...] = ()
    by_name: Mapping[str, "ResourceList | None"] = field(default_factory=dict)
    """None for a name that two lists have."""

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
    holders: Mapping[str, list[int]] = field(default_factory=dict)
    """Lists with an entry of their own, by its AOR and by its telephone number."""
    above: Mapping[int, list[int]] = field(default_factory=dict)
    """Lists that contain a list or refer to it."""

    def contains(self, anchor: str, watcher: Identity) -> bool:
        """Return whether a watcher is in the list that an anchor selects, or in a list inside of it."""
        selected = anchor_of(anchor)
        return selected is not None and self.index_of(selected) in self.holding(watcher)

    def holding(self, watcher: Identity) -> set[int | None]:
        """Return all lists that a watcher is in; an anonymous one is in none."""
        if watcher.anonymous or not self.holders:
            return set()
        numbered = self.holders.get(watcher.number, ()) if watcher.number else ()
        waiting = [*self.holders.get(watcher.aor, ()), *numbered]
        found: set[int | None] = set(waiting)
        while waiting:
            new = [index for index in self.above.get(waiting.pop(), ()) if index not in found]
            found.update(new)
            waiting += new
        return found

    def index_of(self, anchor: Anchor) -> int | None:
        """Return the list that an anchor selects; None where it selects none."""
        selected = None if anchor.entry else self.selected(anchor)
        return None if selected is None else selected.index

    def selected(self, anchor: Anchor) -> ResourceList | None:
        """Return the list that an anchor selects, or in which it selects an entry."""
        selected = self.documents.get(anchor.document)
        for step in anchor.steps:
            selected = selected.select(step) if selected is not None else None
        return selected


NO_LISTS = Lists()


def read_lists(documents: Mapping[str, bytes], presentity: str = "") -> Lists:
    """Return the lists of documents by URI or path; what cannot be read has nobody.

    Documents are the presentity's: where a path does not say so (`index.xml`), its AOR does.
    """
    reader = _Reader()
    named: dict[DocumentName, ResourceList] = {}
    for path, body in documents.items():
        lists = reader.document(body)
        name = document_of(path)
        if name is not None:
            named[name] = lists
        if presentity:
            named[DocumentName(owner_of(presentity), name.file if name else path.rpartition("/")[2])] = lists
    lists_ = Lists(documents=named, holders=reader.holders, above=reader.above)
    reader.follow(lists_)
    return lists_


class _Reader:
    """What documents say, collected."""

    def __init__(self) -> None:
        self.holders: defaultdict[str, list[int]] = defaultdict(list)
        self.above: defaultdict[int, list[int]] = defaultdict(list)
        self._count = 0
        self._references: list[tuple[int, str]] = []

    def document(self, body: bytes) -> ResourceList:
        """Return a document as a list of its lists; an empty one for what cannot be read."""
        try:
            root = parse(body)
        except BadRequest:
            return self._new()
        return self._list(root) if root.tag == f"{RESOURCE_LISTS}resource-lists" else self._new()

    def follow(self, lists: Lists) -> None:
        """Add what references lead to."""
        for index, reference in self._references[:MAX_REFERENCES]:
            anchor = anchor_of(reference)
            target = lists.selected(anchor) if anchor is not None else None
            if anchor is not None and target is not None:
                self._add_target(index, anchor, target)

    def _add_target(self, index: int, anchor: Anchor, target: ResourceList) -> None:
        if not anchor.entry:
            self.above[target.index].append(index)
            return
        entry = _identity(anchor.entry)
        if entry is not None and target.index in self.holders.get(entry.aor, ()):
            self._add_member(index, entry)

    def _new(self) -> ResourceList:
        self._count += 1
        return ResourceList(index=self._count)

    def _list(self, element: Element) -> ResourceList:
        self._count += 1
        index, lists, by_name = self._count, list[ResourceList](), dict[str, ResourceList | None]()
        for entry in element.iterchildren(f"{RESOURCE_LISTS}entry"):
            if (member := _identity(str(entry.get("uri", "")))) is not None:
                self._add_member(index, member)
        for child in element.iterchildren(f"{RESOURCE_LISTS}list"):
            lists.append(self._list(child))
            self.above[lists[-1].index].append(index)
            if (name := child.get("name")) is not None:
                by_name[str(name)] = None if name in by_name else lists[-1]
        self._references += ((index, text) for text in _references(element))
        return ResourceList(index=index, lists=tuple(lists), by_name=by_name)

    def _add_member(self, index: int, member: Identity) -> None:
        self.holders[member.aor].append(index)
        if member.number:
            self.holders[member.number].append(index)


def _references(element: Element) -> Iterable[str]:
    for name, attribute in (("external", "anchor"), ("entry-ref", "ref")):
        for child in element.iterchildren(f"{RESOURCE_LISTS}{name}"):
            yield str(child.get(attribute, "")).strip(XML_SPACE)


def _identity(uri: str) -> Identity | None:
    try:
        return identity_of(uri)
    except ParseError:
        return None
