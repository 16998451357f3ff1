"""Packages are found, and an event has one package only."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import event_packages.packages
from event_packages import registry
from event_packages.base import Body, EventPackage, View
from event_packages.errors import BadRequest
from event_packages.packages.presence import PACKAGE as PRESENCE
from event_packages.registry import DuplicatePackage, Registry, discover
from event_packages.winfo import winfo_of

CONTRIBUTING = Path(__file__).parents[3] / "CONTRIBUTING.md"
SECTION = "## Add an event package in five steps\n"


def example() -> str:
    """Return the module that CONTRIBUTING.md shows to newcomers."""
    section = CONTRIBUTING.read_text().partition(SECTION)[2].partition("\n## ")[0]
    (block,) = re.findall(r"(?ms)^```python\n(.*?)^```$", section)
    assert isinstance(block, str)
    return block


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


def check_lamp(lamp: EventPackage) -> None:
    """Check the whole way from publications to a NOTIFY's body."""
    documents = [lamp.parse(b"off"), lamp.parse(b"on")]
    state = lamp.seen(lamp.compose("sip:a@b", documents), View())

    assert lamp.body(state, None, 0) == Body(content_type="text/plain", document=b"on")
    assert lamp.body(lamp.compose("sip:a@b", []), state, 0) == Body(content_type="text/plain", document=b"off")
    with pytest.raises(BadRequest):
        lamp.parse(b"perhaps")


def test_registry_without_additions_knows_the_packages_of_this_distribution() -> None:
    found = discover()

    assert {"dialog", "dialog.winfo", "message-summary", "presence", "presence.winfo"} <= set(found.names())
    assert {"dialog;sla", "xcap-diff"} <= {package.name for package in found} - set(found.names())
    assert found.get("presence") is PRESENCE
    assert found.get("unheard-of") is None
    assert "presence" in found
    assert PRESENCE in list(found)


def test_registry_names_are_sorted() -> None:
    packages = [replace(PRESENCE, name=name) for name in ("b", "c", "a")]

    assert list(Registry(packages).names()) == ["a", "b", "c"]


def test_registry_name_with_a_parameter_is_listed_without_it_and_once() -> None:
    packages = [replace(PRESENCE, name=name) for name in ("b;x", "b", "a;y")]

    assert list(Registry(packages).names()) == ["a", "b"]


def test_registry_event_with_the_parameter_of_a_package_is_resolved_to_it() -> None:
    plain, special = replace(PRESENCE, name="dialog"), replace(PRESENCE, name="dialog;sla")
    found = Registry([plain, special])

    assert found.resolve("dialog", [("id", "7"), ("sla", "")]) is special
    assert found.resolve("dialog", [("call-id", "sla")]) is plain
    assert found.resolve("dialog") is plain
    assert found.resolve("presence", [("sla", "")]) is None


WITH_RULES = replace(PRESENCE, name="lamp", rules=("lamp-rules",))


@pytest.mark.parametrize(
    ("package", "added"),
    [
        (WITH_RULES, {"lamp.winfo"}),
        (replace(WITH_RULES, rules=()), set()),
        (replace(WITH_RULES, winfo=False), set()),
        (replace(WITH_RULES, name="lamp;red"), set()),
        (replace(winfo_of(PRESENCE), name="lamp", rules=("lamp-rules",), winfo=True), set()),
    ],
    ids=["rules", "no rules", "not wanted", "a parameter", "watchers"],
)
def test_registry_package_has_watcher_information_if_it_has_rules(
    package: EventPackage, added: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {one.name for one in discover()}
    monkeypatch.setattr(registry, "_foreign", lambda: [package])

    after = {one.name for one in discover()}

    assert after - before == {package.name} | added


def test_registry_event_names_are_compared_by_case() -> None:
    found = Registry([PRESENCE])

    assert found.get("Presence") is None


def test_registry_name_claimed_twice_is_refused() -> None:
    with pytest.raises(DuplicatePackage, match="'presence'"):
        Registry([PRESENCE, replace(PRESENCE, max_expires=7200)])


def test_registry_module_in_the_folder_is_found(folder: Path) -> None:
    (folder / "lamp.py").write_text(example())

    lamp = discover().get("lamp")

    assert isinstance(lamp, EventPackage)
    check_lamp(lamp)


def test_registry_module_with_a_name_that_is_taken_is_refused(folder: Path) -> None:
    (folder / "zz.py").write_text(example().replace('"lamp"', '"presence"'))

    with pytest.raises(DuplicatePackage):
        discover()


def test_registry_module_without_a_package_stops_the_start(folder: Path) -> None:
    (folder / "lamp.py").write_text('"""Nothing."""\n')

    with pytest.raises(AttributeError, match="PACKAGE"):
        discover()


def test_registry_entry_point_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lamps_of_others.py").write_text(example())
    monkeypatch.syspath_prepend(str(tmp_path))
    before = discover().names()
    bring(monkeypatch, ("lamp", "lamps_of_others:PACKAGE"))

    found = discover()

    assert list(found.names()) == sorted(["lamp", *before])
    lamp = found.get("lamp")
    assert lamp is not None
    check_lamp(lamp)


def test_registry_entry_point_with_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, ("again", "event_packages.packages.presence:PACKAGE"))

    with pytest.raises(DuplicatePackage):
        discover()


def test_registry_entry_point_that_is_no_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, ("odd", "event_packages.documents.pidf:parse"))

    with pytest.raises(TypeError, match="not an EventPackage"):
        discover()
