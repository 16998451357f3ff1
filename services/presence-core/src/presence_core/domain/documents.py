"""XCAP documents of a presentity (RFC 4825): as the table `xcap` holds them, and as they are read.

Rule 1: a document that cannot be read gives nothing and is said to be unreadable; it never makes others unreadable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from event_packages.base import Document, EventPackage
from event_packages.errors import BadRequest
from event_packages.rules.lists import NO_LISTS, Lists, read_lists
from event_packages.rules.reading import read_rules
from event_packages.rules.ruleset import Ruleset
from lamplighter_proto.documents import RESOURCE_LISTS


@dataclass(frozen=True, slots=True, kw_only=True)
class XcapDocument:
    """One document. `usage` is the application unique id, such as `pres-rules`."""

    usage: str
    uri: str
    """`xcap.doc_uri`, in the spelling of whoever wrote the row."""
    etag: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """All documents of one presentity, read. `rulesets` and `hard_states` are by usage."""

    stored: tuple[XcapDocument, ...] = ()
    rulesets: Mapping[str, tuple[Ruleset, ...]] = field(default_factory=dict)
    hard_states: Mapping[str, Document] = field(default_factory=dict)
    lists: Lists = NO_LISTS
    problems: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What is wrong with a document, by its usage and URI."""

    def rules_of(self, package: EventPackage) -> tuple[Ruleset, ...]:
        """Return the rules that say who may watch a package."""
        return tuple(ruleset for usage in package.rules for ruleset in self.rulesets.get(usage, ()))

    def problems_of(self, package: EventPackage) -> list[str]:
        """Return what is wrong with the documents that would say who may watch a package."""
        relevant = {name: problem for name, problem in self.problems.items() if name[0] in package.rules}
        return [f"{usage} {uri}: {problem}" for (usage, uri), problem in relevant.items()]


NO_DOCUMENTS = Documents()


def read_documents(
    presentity: str, stored: Iterable[XcapDocument], packages: Iterable[EventPackage], *, limit: int
) -> Documents:
    """Read the documents of a presentity; a larger one than `limit` bytes counts as unreadable."""
    stored, packages = tuple(stored), tuple(packages)
    governing = {usage for package in packages for usage in package.rules}
    authors = {package.hard_state: package for package in packages if package.hard_state}
    rulesets: dict[str, tuple[Ruleset, ...]] = {}
    hard_states: dict[str, Document] = {}
    lists: dict[str, bytes] = {}
    problems: dict[tuple[str, str], str] = {}
    for one in stored:
        try:
            if len(one.body) > limit:
                raise BadRequest(f"{len(one.body)} bytes are too many")
            if one.usage in governing:
                rulesets[one.usage] = (*rulesets.get(one.usage, ()), read_rules(one.body))
            elif one.usage in authors:
                hard_states[one.usage] = authors[one.usage].parse(one.body)
            elif one.usage == RESOURCE_LISTS:
                lists[one.uri] = one.body
        except Exception as problem:
            # Also the bug that a document finds makes it unreadable, and no more.
            problems[(one.usage, one.uri)] = str(problem) or repr(problem)
    return Documents(
        stored=stored,
        rulesets=rulesets,
        hard_states=hard_states,
        lists=read_lists(lists, presentity) if lists else NO_LISTS,
        problems=problems,
    )
