"""Elements written anew, so that documents of different publishers fit into one (Namespaces in XML 1.0).

Rule 1: what is written depends on what a document says, not on how it says it: read and written again, it is the same.
Rule 2: a namespace with a fixed prefix has it everywhere; any other is declared where it is used first.
"""

import re
from collections.abc import Mapping, Set

from event_packages.errors import BadRequest
from event_packages.xml import Element, escape, quote, split_name

MAX_DECLARED = 65_536
"""Characters of all declarations of a document: what is declared once may be written many times."""

_XML = "http://www.w3.org/XML/1998/namespace"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


class Vocabulary:
    """The namespaces that a kind of document knows.

    `fixed` has a prefix for every namespace that the root may declare, "" for the default namespace; `default_prefix`
    is for attributes of the default namespace, which need one. Elements of the namespace `nameless` lose their ids:
    those would have to be unique in the whole document, and two publishers may have the same. Elements in `misplaced`
    are left out, and so are attributes in `values` that have another value.
    """

    __slots__ = ("default_prefix", "fixed", "misplaced", "nameless", "reserved", "scope", "values")

    def __init__(
        self,
        fixed: Mapping[str, str],
        default_prefix: str,
        *,
        nameless: str,
        misplaced: Set[str],
        values: Mapping[str, re.Pattern[str]],
    ) -> None:
        self.nameless = nameless
        self.misplaced = misplaced
        self.values = values
        self.fixed = fixed
        self.default_prefix = default_prefix
        self.reserved = frozenset({*fixed.values(), default_prefix, "xml"})
        self.scope = {prefix: namespace for namespace, prefix in fixed.items()} | {"xml": _XML}


class Writer:
    """Writes elements that will stand under one root, which has to declare the prefixes in `used`."""

    __slots__ = ("_declared", "_fixed", "_vocabulary", "used")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._fixed = vocabulary.fixed
        self._declared = 0
        self.used: set[str] = set()

    def write(self, element: Element) -> str:
        """Return an element with all that is in it."""
        return "" if element.tag in self._vocabulary.misplaced else self._element(element, self._vocabulary.scope)

    def take_used(self) -> tuple[str, ...]:
        """Return the prefixes used since this was asked last, sorted."""
        if not self.used:
            return ()
        used, self.used = self.used, set()
        return tuple(sorted(used))

    def _element(self, element: Element, outer: dict[str, str]) -> str:
        namespace, local = split_name(str(element.tag))
        prefix = self._fixed.get(namespace)
        if prefix and not element.attrib:
            self.used.add(prefix)
            start = name = f"{prefix}:{local}"
            scope = outer
        else:
            scope = dict(outer)
            name = self._element_name(element, scope)
            start = name + self._attributes(element, scope) + self._declarations(scope, outer)
        content = self._content(element, scope)
        return f"<{start}>{content}</{name}>" if content else f"<{start}/>"

    def _content(self, element: Element, scope: dict[str, str]) -> str:
        written = escape(element.text) if element.text else ""
        for child in element:
            if child.tag not in self._vocabulary.misplaced:
                written += self._element(child, scope)
            if child.tail:
                written += escape(child.tail)
        return written

    def _element_name(self, element: Element, scope: dict[str, str]) -> str:
        namespace, local = split_name(str(element.tag))
        if not namespace or self._fixed.get(namespace) == "":
            scope[""] = namespace
            return local
        return f"{self._prefix(namespace, element, scope)}:{local}"

    def _attributes(self, element: Element, scope: dict[str, str]) -> str:
        written = ""
        for key, value in element.attrib.items():
            name, text = str(key), str(value)
            if self._is_left_out(element, name, text):
                continue
            content = self._qualified(text.strip(), element, scope) if name == _TYPE else text
            namespace, local = split_name(name)
            if namespace:
                local = f"{self._prefix(namespace, element, scope)}:{local}"
            written += f" {local}={quote(content)}"
        return written

    def _is_left_out(self, element: Element, name: str, value: str) -> bool:
        if name == "id":
            return split_name(str(element.tag))[0] == self._vocabulary.nameless
        pattern = self._vocabulary.values.get(name)
        return pattern is not None and not pattern.fullmatch(value)

    def _qualified(self, name: str, element: Element, scope: dict[str, str]) -> str:
        """Return a qualified name that stands in text with the prefix that its namespace has here."""
        prefix, _, local = name.rpartition(":")
        namespace = element.nsmap.get(prefix or None)
        return f"{self._prefix(namespace, element, scope)}:{local}" if namespace else local

    def _prefix(self, namespace: str, element: Element, scope: dict[str, str]) -> str:
        """Return a prefix for a namespace; new ones are put into the scope."""
        fixed = self._fixed.get(namespace)
        if fixed:
            self.used.add(fixed)
            return fixed
        known = next((prefix for prefix, uri in scope.items() if prefix and uri == namespace), None)
        return known or self._declare(namespace, element, scope)

    def _declare(self, namespace: str, element: Element, scope: dict[str, str]) -> str:
        """Give a namespace the publisher's prefix if it is free, else a new one."""
        if namespace in self._fixed:
            prefix = self._vocabulary.default_prefix
        else:
            taken = self._vocabulary.reserved.union(scope)
            publishers = (prefix for prefix, uri in element.nsmap.items() if prefix and uri == namespace)
            new = (f"x{number}" for number in range(1, len(taken) + 2))
            prefix = next(one for one in (*publishers, *new) if one not in taken)
        scope[prefix] = namespace
        return prefix

    def _declarations(self, scope: dict[str, str], outer: dict[str, str]) -> str:
        """Return what is new in a scope."""
        if scope == outer:
            return ""
        new = {prefix: namespace for prefix, namespace in scope.items() if outer.get(prefix) != namespace}
        written = "".join(f" xmlns{':' if prefix else ''}{prefix}={quote(uri)}" for prefix, uri in new.items())
        self._declared += len(written)
        if self._declared > MAX_DECLARED:
            raise BadRequest("XML with too long namespaces")
        return written
