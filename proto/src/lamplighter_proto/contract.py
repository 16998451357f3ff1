"""What every message on the bus is: a frozen, array-shaped msgspec struct in a frame.

Rule 1: a field is only ever added at the end, with a default (readers ignore what they do not know).
Rule 2: bodies travel as raw bytes; text is UTF-8; times are epoch seconds; lifetimes are seconds.
Rule 3: a frame is one msgpack array of messages of one subject, in the order in which they were told.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """Base of all that travels in frames."""


M = TypeVar("M", bound=Message)


class FrameCodec(Generic[M]):
    """Frames of one subject: `kinds` is the union of the messages that travel on it."""

    def __init__(self, kinds: object) -> None:
        self._frame = msgspec.msgpack.Decoder(list[kinds])  # type: ignore[valid-type]
        self._single = msgspec.msgpack.Decoder(kinds)
        self._raw = msgspec.msgpack.Decoder(list[msgspec.Raw])

    def decode(self, frame: bytes) -> tuple[list[M], int]:
        """Return the messages of a frame and the number of those that could not be read."""
        try:
            return self._frame.decode(frame), 0
        except msgspec.MsgspecError:
            return self._decode_one_by_one(frame)

    def _decode_one_by_one(self, frame: bytes) -> tuple[list[M], int]:
        try:
            raws = self._raw.decode(frame)
        except msgspec.MsgspecError:
            return [], 1
        messages: list[M] = []
        for raw in raws:
            try:
                messages.append(self._single.decode(raw))
            except msgspec.MsgspecError:
                continue
        return messages, len(raws) - len(messages)


_encoder = msgspec.msgpack.Encoder()


def encode_frame(messages: Sequence[Message]) -> bytes:
    """Return the frame that holds `messages` in their order."""
    return _encoder.encode(messages)
