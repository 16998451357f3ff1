"""What a terminal shows of full and partial documents, as the packages write them."""

import pytest

from event_packages.base import EventPackage
from event_packages.registry import discover
from event_packages.winfo import Watcher
from lamplighter_cli.tables import DIALOG_TYPE, WATCHERS_TYPE, Table

AOR = "sip:alice@example.com"
PACKAGES = discover()
CONTENT_TYPES = {"dialog": DIALOG_TYPE, "presence.winfo": WATCHERS_TYPE}


class Subscription:
    """The NOTIFYs of one subscription, and what they are shown as."""

    def __init__(self, event: str) -> None:
        package = PACKAGES.get(event)
        assert package is not None
        self.package: EventPackage = package
        self.table = Table()
        self.version = -1
        self._base: object = None

    def notify(self, *documents: object) -> str:
        """Tell of documents in a partial document, the first time in a full one."""
        state = self.package.compose(AOR, documents)
        body = self.package.body(state, self._base, 1000)
        assert body is not None
        self._base = state
        self.version += 1
        document = b"%b%d%b" % (body.document[: body.version_at], self.version, body.document[body.version_at :])
        return self.table.take(CONTENT_TYPES[self.package.name], document)


def calls(**states: str) -> object:
    package = PACKAGES.get("dialog")
    assert package is not None
    dialogs = "".join(
        f'<dialog id="{name}" call-id="{name}"><state>{state}</state>'
        f"<remote><identity>sip:{name}@example.net</identity></remote></dialog>"
        for name, state in states.items()
    )
    namespace = "urn:ietf:params:xml:ns:dialog-info"
    body = f'<dialog-info xmlns="{namespace}" version="0" state="full" entity="{AOR}">{dialogs}</dialog-info>'
    return package.parse(body.encode())


def watcher(name: str, status: str, event: str, display_name: str = "") -> Watcher:
    return Watcher(id=name, uri=f"sip:{name}@example.net", status=status, event=event, display_name=display_name)


def test_table_of_calls_keeps_those_that_a_partial_document_does_not_name() -> None:
    subscription = Subscription("dialog")

    shown = [
        subscription.notify(),
        subscription.notify(calls(bob="confirmed")),
        subscription.notify(calls(bob="confirmed", carol="early")),
        subscription.notify(calls(bob="confirmed", carol="terminated")),
        subscription.notify(calls(bob="terminated", carol="terminated")),
    ]

    assert shown == [
        "idle",
        "confirmed sip:bob@example.net",
        "confirmed sip:bob@example.net, early sip:carol@example.net",
        "confirmed sip:bob@example.net",
        "idle",
    ]


def test_table_of_watchers_says_who_came_and_who_went_and_why() -> None:
    subscription = Subscription("presence.winfo")
    bob = watcher("bob", "active", "approved", "Bob")

    shown = [
        subscription.notify(),
        subscription.notify(bob),
        subscription.notify(bob, watcher("carol", "pending", "subscribe")),
        subscription.notify(bob, watcher("carol", "terminated", "rejected")),
        subscription.notify(watcher("bob", "waiting", "timeout"), watcher("carol", "terminated", "rejected")),
    ]

    assert shown == [
        "no watchers",
        '1 watcher, "Bob" sip:bob@example.net active (approved)',
        '2 watchers, "Bob" sip:bob@example.net active (approved), sip:carol@example.net pending (subscribe)',
        '1 watcher, "Bob" sip:bob@example.net active (approved), sip:carol@example.net terminated (rejected)',
        "1 watcher, sip:bob@example.net waiting (timeout)",
    ]


def test_table_that_missed_a_partial_document_says_so_until_a_full_one_comes() -> None:
    subscription = Subscription("dialog")
    subscription.notify()
    subscription.version += 1

    late = [subscription.notify(calls(bob="early")), subscription.notify(calls(bob="confirmed"))]
    again = subscription.table.take(DIALOG_TYPE, b'<dialog-info version="9" state="full"/>')

    assert late == [
        "early sip:bob@example.net (documents are missing)",
        "confirmed sip:bob@example.net (documents are missing)",
    ]
    assert again == "idle"


def test_table_that_begins_with_a_partial_document_says_so() -> None:
    assert Table().take(DIALOG_TYPE, b'<dialog-info version="0" state="partial"/>') == "idle (documents are missing)"


@pytest.mark.parametrize("version", ["", "x", "-1", "\u00b2", "9" * 5000])
def test_table_of_a_document_without_a_readable_version_is_shown(version: str) -> None:
    body = f'<dialog-info version="{version}" state="full"/>'

    assert Table().take(DIALOG_TYPE, body.encode()) == "idle"


@pytest.mark.parametrize("body", [b"<", b"", b"<!DOCTYPE x><x/>"])
def test_table_of_an_unreadable_document_says_that(body: bytes) -> None:
    assert Table().take(WATCHERS_TYPE, body) == "unreadable"
