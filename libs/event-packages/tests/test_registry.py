"""Packages are found, and an event has one package only."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import event_packages.packages
from event_packages import registry
from event_packages.base import EventPackage
from event_packages.errors import BadRequest
from event_packages.packages.presence import PACKAGE as PRESENCE
from event_packages.registry import DuplicatePackage, Registry, discover

LAMP = '''
"""The event package `lamp`: whether lamps burn, one word a body."""

from collections.abc import Sequence

from event_packages.base import EventPackage
from event_packages.errors import BadRequest


def parse(body: bytes) -> object:
    if body not in (b"on", b"off"):
        raise BadRequest("neither on nor off")
    return body


def compose(presentity: str, documents: Sequence[object]) -> bytes | None:
    return None if not documents else b"on" if b"on" in documents else b"off"


PACKAGE = EventPackage(name="lamp", content_types=("text/plain",), parse=parse, compose=compose, max_expires=600)
'''
"""What a newcomer writes who follows the five steps of CONTRIBUTING.md."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose modules are in `event_packages.packages` too."""
    before = set(sys.modules)
    monkeypatch.setattr(event_packages.packages, "__path__", [*event_packages.packages.__path__, str(tmp_path)])
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("event_packages.packages."):
            del sys.modules[name]


def bring(monkeypatch: pytest.MonkeyPatch, *targets: tuple[str, str]) -> None:
    """Let installed distributions bring packages."""
    points = [EntryPoint(name, target, registry.ENTRY_POINTS) for name, target in targets]
    monkeypatch.setattr(registry, "entry_points", lambda group: [one for one in points if one.group == group])


def test_registry_without_additions_knows_presence() -> None:
    found = discover()

    assert "presence" in found.names()
    assert found.get("presence") is PRESENCE
    assert found.get("unheard-of") is None
    assert "presence" in found
    assert PRESENCE in list(found)


def test_registry_names_are_sorted() -> None:
    packages = [replace(PRESENCE, name=name) for name in ("b", "c", "a")]

    assert list(Registry(packages).names()) == ["a", "b", "c"]


def test_registry_event_names_are_compared_by_case() -> None:
    found = Registry([PRESENCE])

    assert found.get("Presence") is None


def test_registry_name_claimed_twice_is_refused() -> None:
    with pytest.raises(DuplicatePackage, match="'presence'"):
        Registry([PRESENCE, replace(PRESENCE, max_expires=7200)])


def test_registry_module_in_the_folder_is_found(folder: Path) -> None:
    (folder / "lamp.py").write_text(LAMP)

    lamp = discover().get("lamp")

    assert isinstance(lamp, EventPackage)
    assert lamp.compose("sip:a@b", [lamp.parse(b"off"), lamp.parse(b"on")]) == b"on"
    assert lamp.compose("sip:a@b", []) is None
    with pytest.raises(BadRequest):
        lamp.parse(b"perhaps")


def test_registry_module_with_a_name_that_is_taken_is_refused(folder: Path) -> None:
    (folder / "zz.py").write_text(LAMP.replace('"lamp"', '"presence"'))

    with pytest.raises(DuplicatePackage):
        discover()


def test_registry_module_without_a_package_stops_the_start(folder: Path) -> None:
    (folder / "lamp.py").write_text('"""Nothing."""\n')

    with pytest.raises(AttributeError, match="PACKAGE"):
        discover()


def test_registry_entry_point_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lamps_of_others.py").write_text(LAMP)
    monkeypatch.syspath_prepend(str(tmp_path))
    bring(monkeypatch, ("lamp", "lamps_of_others:PACKAGE"))

    found = discover()

    assert list(found.names()) == sorted(["lamp", *Registry(registry._own()).names()])


def test_registry_entry_point_with_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, ("again", "event_packages.packages.presence:PACKAGE"))

    with pytest.raises(DuplicatePackage):
        discover()


def test_registry_entry_point_that_is_no_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, ("odd", "event_packages.documents.pidf:parse"))

    with pytest.raises(TypeError, match="not an EventPackage"):
        discover()
