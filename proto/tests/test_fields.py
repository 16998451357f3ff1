"""A field is only ever added at the end and with a default: old and new processes share the bus in an upgrade.

fields.json holds what stands at each position as of the last release; at a release it is written anew with
`{kind.__name__: field_names(kind) for kind in structs(Message)}`.
"""

import json
from pathlib import Path

import msgspec
import pytest

from lamplighter_proto import Message
from lamplighter_proto.asyncapi import field_names, structs

RELEASED: dict[str, list[str]] = json.loads(Path(__file__).with_name("fields.json").read_text())


def breaks(kind: type[Message], released: list[str]) -> list[str]:
    """Return what keeps a reader of the last release from reading this message, or us from reading its messages."""
    names = field_names(kind)
    if names[: len(released)] != released:
        return [f"{kind.__name__}: {released} are not the first fields any more"]
    added = names[len(released) :]
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    return [f"{kind.__name__}.{name} has no default" for name in added if name in required]


def test_fields_of_released_messages_stand_where_they_stood() -> None:
    problems = [
        problem
        for kind in structs(Message)
        if kind.__name__ in RELEASED
        for problem in breaks(kind, RELEASED[kind.__name__])
    ]

    assert problems == []


def test_messages_of_the_last_release_are_still_there() -> None:
    assert set(RELEASED) <= {kind.__name__ for kind in structs(Message)}


class Inserted(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag="sample"):
    new: int = 0
    old: int


class Appended(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag="sample"):
    old: int
    new: int = 0


class AppendedWithoutDefault(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag="sample"):
    old: int
    new: int


@pytest.mark.parametrize(
    ("kind", "count"), [(Inserted, 1), (Appended, 0), (AppendedWithoutDefault, 1)], ids=lambda value: str(value)
)
def test_field_that_is_added_breaks_readers_unless_last_and_with_default(kind: type[Message], count: int) -> None:
    assert len(breaks(kind, ["kind", "old"])) == count
