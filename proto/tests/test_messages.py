"""Every message through a frame, and against its published schema."""

from pathlib import Path

import msgspec
import yaml
from jsonschema import Draft202012Validator

from lamplighter_proto import FrameCodec, Message, Moved, Reply, encode_frame
from lamplighter_proto.asyncapi import CHANNELS, structs

PUBLISHED = yaml.safe_load(Path(__file__).parent.parent.joinpath("asyncapi.yaml").read_text())


def as_published(message: Message) -> object:
    """Return the message as the arrays that the schema describes, bytes as text, since a JSON Schema knows none."""
    return msgspec.json.decode(msgspec.json.encode(message))


def validator(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": PUBLISHED["components"]}
    return Draft202012Validator(schema)


def is_tagged(kind: type[Message]) -> bool:
    return kind.__struct_config__.tag is not None


def test_message_in_a_frame_comes_out_as_it_went_in(sample: Message) -> None:
    codec: FrameCodec[Message] = FrameCodec(type(sample))

    decoded, unreadable = codec.decode(encode_frame([sample, sample]))

    assert (decoded, unreadable) == ([sample, sample], 0)


def test_message_against_the_published_schema_is_valid(sample: Message) -> None:
    errors = list(validator(type(sample).__name__).iter_errors(as_published(sample)))

    assert errors == []


def test_message_with_a_field_of_another_type_is_not_valid(sample: Message) -> None:
    fields = msgspec.to_builtins(sample)
    fields[1] = {"not": "an array, text or number"}

    errors = list(validator(type(sample).__name__).iter_errors(fields))

    assert errors


def test_message_with_a_field_that_we_do_not_know_is_read(sample: Message) -> None:
    codec: FrameCodec[Message] = FrameCodec(type(sample))
    newer = [*msgspec.to_builtins(sample, builtin_types=(bytes,)), "a field of a later release"]

    decoded, unreadable = codec.decode(msgspec.msgpack.encode([newer]))

    assert (decoded, unreadable) == ([sample], 0)


def test_samples_hold_every_kind_of_message(samples: tuple[Message, ...]) -> None:
    tagged = {kind for kind in structs(Message) if is_tagged(kind)}

    assert {type(sample) for sample in samples} == tagged


def test_samples_set_every_field_to_something_else_than_its_default(sample: Message) -> None:
    fields = msgspec.structs.fields(type(sample))

    assert [field.name for field in fields if getattr(sample, field.name) == field.default] == []


def test_channels_carry_every_kind_of_message_once() -> None:
    carried = [kind for channel in CHANNELS for kind in channel.kinds if issubclass(kind, Message)]

    assert sorted(kind.__name__ for kind in carried) == sorted(
        kind.__name__ for kind in structs(Message) if is_tagged(kind)
    )


def test_frame_with_one_unknown_message_loses_only_that_one() -> None:
    codec: FrameCodec[Reply] = FrameCodec(Reply)
    before, after = Moved(id=1, shard=1), Moved(id=2, shard=2)
    frame = msgspec.msgpack.encode([before, ["later-kind", 1, 2], after])

    assert codec.decode(frame) == ([before, after], 1)


def test_frame_with_one_message_of_wrong_fields_loses_only_that_one() -> None:
    codec: FrameCodec[Reply] = FrameCodec(Reply)
    good = Moved(id=1, shard=1)

    assert codec.decode(msgspec.msgpack.encode([["moved", "x", 1], good])) == ([good], 1)


def test_frame_that_is_no_frame_is_counted_once() -> None:
    codec: FrameCodec[Reply] = FrameCodec(Reply)

    assert codec.decode(b"\xc1 not MessagePack") == ([], 1)
