"""The bus as an AsyncAPI 3.0 document, made of the messages themselves: `make proto` writes proto/asyncapi.yaml."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import TypeAlias

import msgspec
import yaml
from pydantic.json_schema import models_json_schema

from lamplighter_proto import commands, documents, notification, ownership, subjects
from lamplighter_proto.contract import Message

Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value] | None"
Tree: TypeAlias = dict[str, Value]

SCHEMAS = "#/components/schemas"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
MSGPACK = "application/vnd.msgpack"
JSON = "application/json"

ABOUT = """
What Lamplighter's services say to each other over NATS, at most once and without streams.

The wire. The payload of a bus message is a frame: one MessagePack array that holds one or more messages of its
channel in the order in which they were told. A message is itself an array. Its first element is the tag that names
its kind, its other elements are its fields by position; each position's `title` is the field's name. The structures
inside a message are arrays of the same sort without a tag. Bodies and packets are raw bytes (MessagePack `bin`),
everything else is UTF-8 text, integers, booleans and nil. Times are epoch seconds, lifetimes are seconds.

Changes. A field is only ever added at the end and with a default; readers ignore elements behind those that they
know and drop a message that they cannot read, not its frame. `v1` in a subject changes when a field changes meaning.

Ownership records are JSON in the key-value bucket `lamplighter`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One subject, what travels on it, who sends and who hears it."""

    name: str
    address: str
    summary: str
    kinds: tuple[type[Message] | type[ownership.Record], ...]
    sender: str
    receiver: str
    queue: str = ""
    content_type: str = MSGPACK

    @property
    def parameters(self) -> list[str]:
        """Return the names in braces of the address."""
        return [part.split("}")[0] for part in self.address.split("{")[1:]]


CHANNELS = (
    Channel(
        name="coreCommands",
        address=subjects.core_commands("{core}"),
        summary="Commands for the shards that a core owns.",
        kinds=(commands.Publish, commands.Subscribe, commands.Register),
        sender="sip-edge",
        receiver="presence-core",
    ),
    Channel(
        name="edgeReplies",
        address=subjects.edge_replies("{edge}"),
        summary="Answers to the commands of an edge.",
        kinds=(commands.Answer, commands.Moved),
        sender="presence-core",
        receiver="sip-edge",
    ),
    Channel(
        name="notify",
        address=subjects.NOTIFY,
        summary="States to tell watchers of; the notifiers share them.",
        kinds=(notification.Notify,),
        sender="presence-core",
        receiver="notifier",
        queue=subjects.NOTIFIERS,
    ),
    Channel(
        name="edgeSends",
        address=subjects.edge_sends("{edge}"),
        summary="Bytes for the flows of an edge.",
        kinds=(notification.Send,),
        sender="notifier",
        receiver="sip-edge",
    ),
    Channel(
        name="notifierResponses",
        address=subjects.notifier_responses("{notifier}"),
        summary="SIP responses to the NOTIFYs of a notifier.",
        kinds=(notification.Received,),
        sender="sip-edge",
        receiver="notifier",
    ),
    Channel(
        name="coreOutcomes",
        address=subjects.core_outcomes("{core}"),
        summary="Outcomes of the NOTIFYs that a core asked for.",
        kinds=(notification.Outcome,),
        sender="notifier",
        receiver="presence-core",
    ),
    Channel(
        name="xcapCommands",
        address=subjects.XCAP,
        summary="XCAP documents that cores want, and hints that some have changed; every xcap-sync hears them.",
        kinds=(documents.Wanted, documents.Hint),
        sender="presence-core",
        receiver="xcap-sync",
    ),
    Channel(
        name="coreRefreshes",
        address=subjects.core_refreshes("{core}"),
        summary="Word that XCAP documents may have changed.",
        kinds=(documents.Refresh,),
        sender="xcap-sync",
        receiver="presence-core",
    ),
    Channel(
        name="xcapReplies",
        address=subjects.xcap_replies("{xcap_sync}"),
        summary="Confirmations of refreshes.",
        kinds=(documents.Refreshed,),
        sender="presence-core",
        receiver="xcap-sync",
    ),
    Channel(
        name="shardTable",
        address=f"$KV.{ownership.BUCKET}.{ownership.TABLE_KEY}",
        summary="Key-value entry: the owner of every shard, written by compare-and-set.",
        kinds=(ownership.ShardTable,),
        sender="presence-core",
        receiver="everybody",
        content_type=JSON,
    ),
    Channel(
        name="members",
        address=f"$KV.{ownership.BUCKET}.{ownership.member_key('{service}', '{instance}')}",
        summary="Key-value entry: a live process; gone when it is no longer renewed.",
        kinds=(ownership.Member,),
        sender="everybody",
        receiver="everybody",
        content_type=JSON,
    ),
)


def document() -> Tree:
    """Return the AsyncAPI document as plain values."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Lamplighter bus", "version": "1.0.0", "description": ABOUT.strip()},
        "defaultContentType": MSGPACK,
        "servers": {"nats": {"host": "127.0.0.1:4222", "protocol": "nats"}},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {name: body for channel in CHANNELS for name, body in _operations(channel).items()},
        "components": {
            "messages": {_payload_name(channel): _payload(channel) for channel in CHANNELS},
            "schemas": message_schemas() | _record_schemas(),
        },
    }


def message_schemas() -> dict[str, Tree]:
    """Return the JSON Schema of every message and of the structures in it, by name."""
    kinds = [kind for channel in CHANNELS for kind in channel.kinds if issubclass(kind, Message)]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=SCHEMAS + "/{name}")
    fields = {struct.__name__: field_names(struct) for struct in structs(Message)}
    return {name: _named(_raw_bytes(schema), fields[name]) for name, schema in schemas.items()}


def structs(base: type[Message]) -> list[type[Message]]:
    """Return every message and structure that is defined so far."""
    return [kind for sub in base.__subclasses__() for kind in (sub, *structs(sub))]


def field_names(kind: type[Message]) -> list[str]:
    """Return what stands at each position of a message's array, the tag included."""
    tag = ["kind"] if kind.__struct_config__.tag else []
    return tag + list(kind.__struct_fields__)


def _record_schemas() -> dict[str, Tree]:
    records = [kind for channel in CHANNELS for kind in channel.kinds if issubclass(kind, ownership.Record)]
    _, top = models_json_schema([(kind, "serialization") for kind in records], ref_template=SCHEMAS + "/{model}")
    schemas: dict[str, Tree] = top["$defs"]
    return schemas


def _named(schema: Tree, names: Sequence[str]) -> Tree:
    items = schema["prefixItems"]
    assert isinstance(items, list)
    named = [{"title": name, **item} for name, item in zip(names, items, strict=True)]
    return schema | {"description": cleandoc(str(schema["description"])), "prefixItems": named}


def _raw_bytes(schema: Mapping[str, Value]) -> Tree:
    """Say of bytes what they are on the wire; msgspec describes JSON, where they would be base64."""
    if "contentEncoding" in schema:
        return {"type": "string", "format": "binary", "description": "Raw bytes."}
    return {key: _raw_bytes_in(value) for key, value in schema.items()}


def _raw_bytes_in(value: Value) -> Value:
    if isinstance(value, Mapping):
        return _raw_bytes(value)
    return [_raw_bytes_in(item) for item in value] if isinstance(value, list) else value


def _payload_name(channel: Channel) -> str:
    if channel.content_type == JSON:
        return channel.kinds[0].__name__
    return "".join(kind.__name__ for kind in channel.kinds) + "Frame"


def _payload(channel: Channel) -> Tree:
    references: list[Value] = [{"$ref": f"{SCHEMAS}/{kind.__name__}"} for kind in channel.kinds]
    one: Tree = {"oneOf": references} if len(references) > 1 else {"$ref": f"{SCHEMAS}/{channel.kinds[0].__name__}"}
    schema: Tree = one if channel.content_type == JSON else {"type": "array", "items": one}
    return {"contentType": channel.content_type, "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": schema}}


def _channel(channel: Channel) -> Tree:
    name = _payload_name(channel)
    body: Tree = {
        "address": channel.address,
        "summary": channel.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }
    if channel.parameters:
        body["parameters"] = {name: {"description": _PARAMETERS[name]} for name in channel.parameters}
    return body


_PARAMETERS = {
    "core": "Instance of presence-core.",
    "edge": "Instance of sip-edge.",
    "notifier": "Instance of notifier.",
    "xcap_sync": "Instance of xcap-sync.",
    "service": "sip-edge, presence-core, notifier or xcap-sync.",
    "instance": "Instance of that service: letters, digits, - and _.",
}


def _operations(channel: Channel) -> dict[str, Tree]:
    reference: Tree = {"$ref": f"#/channels/{channel.name}"}
    receive: Tree = {"action": "receive", "channel": reference, "summary": f"Heard by {channel.receiver}."}
    if channel.queue:
        receive["bindings"] = {"nats": {"queue": channel.queue}}
    send: Tree = {"action": "send", "channel": dict(reference), "summary": f"Sent by {channel.sender}."}
    return {f"{channel.name}Send": send, f"{channel.name}Receive": receive}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks and repeats nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def render() -> str:
    """Return the document as YAML."""
    head = "# Made by `make proto` from the messages; do not edit.\n"
    return head + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(render())
