"""The contracts of the bus: messages, subjects, ownership records."""

from lamplighter_proto.commands import (
    Answer,
    Binding,
    Command,
    DialogRoute,
    Flow,
    Moved,
    Publish,
    Register,
    Reply,
    Subscribe,
    Transaction,
)
from lamplighter_proto.contract import FrameCodec, Message, encode_frame
from lamplighter_proto.notification import Dialog, Notify, Outcome, Received, Send, Target

__all__ = [
    "Answer",
    "Binding",
    "Command",
    "Dialog",
    "DialogRoute",
    "Flow",
    "FrameCodec",
    "Message",
    "Moved",
    "Notify",
    "Outcome",
    "Publish",
    "Received",
    "Register",
    "Reply",
    "Send",
    "Subscribe",
    "Target",
    "Transaction",
    "encode_frame",
]
