"""Presence derived from dialogs: whoever talks is on the phone (RFC 4235 §3.7, RFC 4480 §3.2).

Rule 1: only dialogs that are confirmed count, and early ones that the presentity began: it waits for an answer, while
one that is called may not even be there.
"""

from collections.abc import Sequence

from event_packages.documents import dialog_info
from event_packages.documents.dialog_info_model import Dialog, DialogState
from event_packages.documents.pidf_parts import Part, PidfDocument

ON_THE_PHONE = PidfDocument(
    (
        Part("spare", "t6b0de7a4", "", b'<tuple id="t6b0de7a4"><status><basic>open</basic></status></tuple>'),
        Part(
            "person",
            "p1c3a86f5",
            "",
            b'<dm:person id="p1c3a86f5"><rpid:activities><rpid:on-the-phone/></rpid:activities>'
            b"<dm:note>On the phone</dm:note></dm:person>",
            ("dm", "rpid"),
        ),
    )
)


def on_the_phone(documents: Sequence[object]) -> PidfDocument | None:
    """Return what the documents of the package dialog, oldest first, say of presence; None without a call.

    Where nothing else is published, somebody in a call can be reached: then, and only then, there is an open tuple.
    """
    dialogs = dialog_info.compose("", documents).live
    return ON_THE_PHONE if any(_is_call(dialog) for dialog in dialogs) else None


def _is_call(dialog: Dialog) -> bool:
    if dialog.state is DialogState.EARLY:
        return dialog.direction == "initiator"
    return dialog.state is DialogState.CONFIRMED
