"""Reads the compose files as `docker compose` merges them, as far as ours go."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | bool | None"
Fields: TypeAlias = dict[str, Value]

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^{}]*))?\}")


class _Loader(yaml.SafeLoader):
    """A loader that knows compose's tags."""


class Replace(list[Value]):
    """A list that takes the place of what was there, and is not added to it."""


def _replacing(loader: _Loader, node: yaml.Node) -> Replace:
    assert isinstance(node, yaml.SequenceNode)
    return Replace(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("!override", _replacing)
_Loader.add_constructor("!reset", _replacing)


def read(*names: str, environ: Mapping[str, str] | None = None) -> dict[str, Fields]:
    """Return the services of `compose.yaml` and the further files; KeyError for a variable that has to be set."""
    found: Value = {}
    for name in ("compose.yaml", *names):
        text = (FOLDER / name).read_text()
        found = _merged(found, _filled(yaml.load(text, _Loader), environ or {}))
    services = fields(found)["services"]
    return {name: fields(service) for name, service in fields(services).items()}


def fields(value: Value) -> Fields:
    """Return a mapping that is known to be one."""
    assert isinstance(value, dict)
    return value


def words(value: Value) -> list[str]:
    """Return a list of strings that is known to be one."""
    assert isinstance(value, list)
    return [str(word) for word in value]


def environment(service: Fields) -> dict[str, str]:
    """Return the variables of a service."""
    return {name: str(value) for name, value in fields(service.get("environment", {})).items()}


def _merged(old: Value, new: Value) -> Value:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {name: _merged(old.get(name), value) for name, value in new.items()}
    if isinstance(old, list) and isinstance(new, list) and not isinstance(new, Replace):
        return [*old, *new]
    return new


def _filled(value: Value, environ: Mapping[str, str]) -> Value:
    if isinstance(value, dict):
        return {name: _filled(one, environ) for name, one in value.items()}
    if isinstance(value, list):
        return type(value)([_filled(one, environ) for one in value])
    if isinstance(value, str):
        return _filled_text(value, environ)
    return value


def _filled_text(text: str, environ: Mapping[str, str]) -> str:
    filled = _VARIABLE.sub(lambda found: _value(found, environ), text)
    return filled if filled == text else _filled_text(filled, environ)


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    name, kind, default = found.groups()
    if name in environ or kind != "-":
        return environ[name]
    return str(default)
