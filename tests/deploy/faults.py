"""Manifests with one fault each, made of those that are rendered."""

import copy
import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from .manifests.documents import Fields, Manifests, Value, fields, items
from .manifests.rendering import FOLDER, kubectl, render

PRODUCTION, ON_HOST, DEV = "production", "production-host-network", "dev"


def need_kubectl() -> None:
    """Skip the test without kubectl; where clients are required (REQUIRE_CLIENTS=1), fail it."""
    if kubectl() is None:
        if os.environ.get("REQUIRE_CLIENTS") == "1":
            pytest.fail("kubectl is not installed")
        pytest.skip("kubectl is not installed: make manifests fetches it")


@functools.cache
def rendered(overlay: str) -> Manifests:
    """Return what an overlay renders; nobody may change it."""
    need_kubectl()
    return render(FOLDER / "overlays" / overlay)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One document, one place in it, and what stands there instead; None: nothing."""

    document: str
    path: str
    value: Value
    told: str
    overlay: str = PRODUCTION

    def __str__(self) -> str:
        return f"{self.document}:{self.path}"

    def manifests(self) -> Manifests:
        """Return all that the overlay renders, with the fault."""
        contents = [copy.deepcopy(one.content) for one in rendered(self.overlay).documents]
        (content,) = [one for one in contents if self._is_meant(one)]
        if not self.path:
            contents.remove(content)
        else:
            put(content, self.path, self.value)
        return Manifests.of(contents)

    def _is_meant(self, content: Fields) -> bool:
        name = re.sub(r"-[a-z0-9]{10}$", "", str(fields(content["metadata"])["name"]))
        return f"{content['kind']}/{name}" == self.document


def put(content: Fields, path: str, value: Value) -> None:
    """Put a value at a path of names and numbers with slashes between, or take away what is there for None."""
    *above, last = path.split("/")
    place: Value = content
    for name in above:
        place = place[int(name)] if isinstance(place, list) else fields(place)[name]
    if isinstance(place, list):
        place[int(last)] = value
    elif value is None:
        del fields(place)[last]
    else:
        fields(place)[last] = value


def also(document: str, change: Callable[[Fields], None], overlay: str = PRODUCTION) -> Manifests:
    """Return what an overlay renders and a changed copy of one of its documents besides."""
    contents = [copy.deepcopy(one.content) for one in rendered(overlay).documents]
    (content,) = [
        copy.deepcopy(one) for one in contents if f"{one['kind']}/{fields(one['metadata'])['name']}" == document
    ]
    change(content)
    return Manifests.of([*contents, content])


def container(content: Fields) -> Fields:
    """Return the first container of a workload."""
    template = fields(fields(content["spec"])["template"])
    return items(fields(template["spec"])["containers"])[0]
