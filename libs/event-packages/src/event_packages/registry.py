"""The event packages there are: every module of `packages`, and those that other distributions bring."""

import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import entry_points

from event_packages.base import EventPackage
from event_packages.winfo import winfo_of

ENTRY_POINTS = "lamplighter.event_packages"


class DuplicatePackage(Exception):
    """Two packages claim one name."""


class Registry:
    """Packages by name."""

    def __init__(self, packages: Iterable[EventPackage]) -> None:
        self._packages: dict[str, EventPackage] = {}
        for package in packages:
            if package.name in self._packages:
                raise DuplicatePackage(f"two packages claim the event {package.name!r}")
            self._packages[package.name] = package

    def resolve(self, event: str, parameters: Iterable[tuple[str, str]] = ()) -> EventPackage | None:
        """Return the package of an Event header; one that is named with a parameter goes before the plain one."""
        for name, _ in parameters:
            special = self._packages.get(f"{event};{name}")
            if special is not None:
                return special
        return self._packages.get(event)

    def get(self, name: str) -> EventPackage | None:
        """Return the package of an event, None for one that nobody knows."""
        return self._packages.get(name)

    def names(self) -> Sequence[str]:
        """Return the names of what can be subscribed to, sorted, as Allow-Events lists them (RFC 6665 §8.2.2)."""
        return sorted({one.name.partition(";")[0] for one in self if one.subscribed})

    def __contains__(self, name: str) -> bool:
        return name in self._packages

    def __iter__(self) -> Iterator[EventPackage]:
        return iter(self._packages.values())


def discover() -> Registry:
    """Return the registry of all packages; raise DuplicatePackage when a name is claimed twice."""
    packages = [*_own(), *_foreign()]
    return Registry([*packages, *(winfo_of(package) for package in packages if _has_winfo(package))])


def _has_winfo(package: EventPackage) -> bool:
    """Return whether there are watchers to decide about; a package named with a parameter has no template."""
    return package.winfo and bool(package.rules) and not package.watches and ";" not in package.name


def _own() -> list[EventPackage]:
    folder = import_module("event_packages.packages")
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return [_package(import_module(f"{folder.__name__}.{name}").PACKAGE) for name in names]


def _foreign() -> list[EventPackage]:
    points = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    return [_package(point.load()) for point in points]


def _package(found: object) -> EventPackage:
    if not isinstance(found, EventPackage):
        raise TypeError(f"not an EventPackage: {found!r}")
    return found
