"""The published document is that of the messages, and holds together."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from lamplighter_proto import Message, asyncapi, subjects
from lamplighter_proto.asyncapi import Channel, document, render, structs
from lamplighter_proto.commands import Moved
from lamplighter_proto.ownership import Member, ShardOwner, ShardTable

DOCUMENT = Path(__file__).parent.parent / "asyncapi.yaml"


def is_stale(published: str) -> bool:
    return published != render()


def references(node: object) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(tree: dict[str, object], reference: str) -> object:
    node: object = tree
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(node, dict)
        node = node[part]
    return node


def test_document_is_up_to_date_with_the_messages() -> None:
    assert not is_stale(DOCUMENT.read_text()), "run `make proto` and commit proto/asyncapi.yaml"


def test_document_after_a_change_of_a_channel_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    published = DOCUMENT.read_text()
    later = Channel(name="later", address="x.{core}", summary="s", kinds=(Moved,), sender="a", receiver="b")

    monkeypatch.setattr(asyncapi, "CHANNELS", (*asyncapi.CHANNELS, later))

    assert is_stale(published)


def test_document_of_the_command_line_is_the_rendered_one() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "lamplighter_proto.asyncapi"], capture_output=True, text=True, check=True
    )

    assert made.stdout == render()


def test_document_names_only_what_it_holds() -> None:
    tree: dict[str, object] = yaml.safe_load(DOCUMENT.read_text())

    assert all(resolve(tree, reference) for reference in references(tree))


def test_document_has_the_schema_of_every_structure() -> None:
    schemas = yaml.safe_load(DOCUMENT.read_text())["components"]["schemas"]
    # Tests of others may have made messages of their own.
    structures = {kind.__name__ for kind in structs(Message) if kind.__module__.startswith("lamplighter_proto.")}

    assert set(schemas) == structures | {"Member", "ShardOwner", "ShardTable"}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_document_says_that_bodies_are_raw_bytes() -> None:
    text = DOCUMENT.read_text()

    assert "base64" not in text
    assert "format: binary" in text
    assert "one MessagePack array" in text


def test_document_of_channels_describes_every_parameter() -> None:
    channels = yaml.safe_load(DOCUMENT.read_text())["channels"]

    for channel in channels.values():
        named = {part.split("}")[0] for part in channel["address"].split("{")[1:]}
        assert set(channel.get("parameters", {})) == named


def test_document_of_the_shared_subject_names_its_queue_group() -> None:
    receive = document()["operations"]["notifyReceive"]  # type: ignore[index, call-overload]

    assert receive["bindings"] == {"nats": {"queue": subjects.NOTIFIERS}}  # type: ignore[index, call-overload]


def test_record_as_stored_is_valid_against_the_published_schema() -> None:
    components = yaml.safe_load(DOCUMENT.read_text())["components"]
    table = ShardTable(shards=64, owners={17: ShardOwner(owner="core-1", epoch=3)})
    member = Member(service="sip-edge", instance="edge-1", token="t", http="http://h:1", sip="h:5060")

    for record in (table, member):
        schema = {"$ref": f"#/components/schemas/{type(record).__name__}", "components": components}
        assert Draft202012Validator(schema).is_valid(record.model_dump(mode="json"))
