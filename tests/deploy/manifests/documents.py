"""Kubernetes documents as they are rendered, and what is asked of them again and again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"
Fields: TypeAlias = dict[str, Value]

NAME = "app.kubernetes.io/name"
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})


def fields(value: Value) -> Fields:
    """Return a mapping, empty for nothing; TypeError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"not a mapping: {value!r}")
    return value


def items(value: Value) -> list[Fields]:
    """Return a list of mappings, empty for nothing; TypeError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"not a list: {value!r}")
    return [fields(one) for one in value]


def words(value: Value) -> list[str]:
    """Return a list of words, empty for nothing."""
    return [str(one) for one in value] if isinstance(value, list) else []


def at(value: Value, path: str) -> Value:
    """Return what is at a path of names with dots between, None where nothing is."""
    for name in path.split("."):
        value = fields(value).get(name)
    return value


def labels(value: Value) -> dict[str, str]:
    """Return a mapping of words."""
    return {name: str(one) for name, one in fields(value).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A rendered document."""

    content: Fields

    @property
    def kind(self) -> str:
        """Return its kind."""
        return str(self.content.get("kind"))

    @property
    def name(self) -> str:
        """Return its name."""
        return str(at(self.content, "metadata.name"))

    @property
    def namespace(self) -> str:
        """Return its namespace, empty for what has none."""
        return str(at(self.content, "metadata.namespace") or "")

    @property
    def labels(self) -> dict[str, str]:
        """Return its labels."""
        return labels(at(self.content, "metadata.labels"))

    def at(self, path: str) -> Value:
        """Return what is at a path."""
        return at(self.content, path)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """The template of a workload's pods."""

    workload: Document

    @property
    def spec(self) -> Fields:
        """Return its spec."""
        return fields(self.workload.at("spec.template.spec"))

    @property
    def labels(self) -> dict[str, str]:
        """Return its labels."""
        return labels(self.workload.at("spec.template.metadata.labels"))

    @property
    def annotations(self) -> dict[str, str]:
        """Return its annotations."""
        return labels(self.workload.at("spec.template.metadata.annotations"))

    @property
    def namespace(self) -> str:
        """Return its namespace."""
        return self.workload.namespace

    @property
    def containers(self) -> list[Fields]:
        """Return its containers."""
        return items(self.spec.get("containers"))

    def ports(self) -> dict[str, Fields]:
        """Return the ports of its containers by their names."""
        return {str(port.get("name")): port for one in self.containers for port in items(one.get("ports"))}

    def __str__(self) -> str:
        return str(self.workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """Everything that an overlay renders."""

    documents: tuple[Document, ...]

    @classmethod
    def of(cls, contents: list[Fields]) -> "Manifests":
        """Return the documents of what was rendered."""
        return cls(documents=tuple(Document(content=content) for content in contents))

    def of_kind(self, *kinds: str) -> Iterator[Document]:
        """Yield the documents of some kinds."""
        return (document for document in self.documents if document.kind in kinds)

    def find(self, kind: str, name: str, namespace: str) -> Document | None:
        """Return a document, None when it is not there."""
        for document in self.of_kind(kind):
            if (document.name, document.namespace) == (name, namespace):
                return document
        return None

    @property
    def pods(self) -> list[Pod]:
        """Return the templates of all pods."""
        return [Pod(workload=document) for document in self.documents if document.kind in WORKLOADS]


def selects(selector: Value, found: Mapping[str, str]) -> bool:
    """Return whether a label selector selects these labels; an empty one selects all."""
    if any(found.get(name) != value for name, value in labels(at(selector, "matchLabels")).items()):
        return False
    return all(_matches(one, found) for one in items(at(selector, "matchExpressions")))


def _matches(expression: Fields, found: Mapping[str, str]) -> bool:
    value = found.get(str(expression["key"]))
    match expression["operator"]:
        case "In":
            return value in words(expression["values"])
        case "NotIn":
            return value not in words(expression["values"])
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
