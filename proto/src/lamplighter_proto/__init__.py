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
from lamplighter_proto.documents import Hint, Refresh, Refreshed, Wanted, XcapCommand
from lamplighter_proto.notification import Dialog, Notify, Outcome, Received, Send, Target

__all__ = [
    "Answer",
    "Binding",
    "Command",
    "Dialog",
    "DialogRoute",
    "Flow",
    "FrameCodec",
    "Hint",
    "Message",
    "Moved",
    "Notify",
    "Outcome",
    "Publish",
    "Received",
    "Refresh",
    "Refreshed",
    "Register",
    "Reply",
    "Send",
    "Subscribe",
    "Target",
    "Transaction",
    "Wanted",
    "XcapCommand",
    "encode_frame",
]
