"""On the phone: presence that is derived from dialogs, and what is published beside it (RFC 4235 §3.7.1)."""

import re
from collections.abc import Callable

import pytest
from lxml import etree

from event_packages.documents import dialog_info, pidf
from event_packages.documents.pidf_phone import on_the_phone
from event_packages.packages.presence import PACKAGE

Valid = Callable[[bytes], etree._Element]
Presence = Callable[..., str]

AOR = "sip:alice@example.com"
DM = 'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"'
CLOSED = '<tuple id="desk"><status><basic>closed</basic></status></tuple>'


def dialog(state: str, direction: str = "recipient", id_: str = "d1") -> str:
    return f'<dialog id="{id_}" call-id="{id_}@a" direction="{direction}"><state>{state}</state></dialog>'


def dialogs(*written: str) -> object:
    """Return a document of the package dialog."""
    return dialog_info.parse(
        '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" '
        f'entity="{AOR}">{"".join(written)}</dialog-info>'.encode()
    )


def derived(*documents: object) -> object:
    """Return the presence document of somebody in a call."""
    document = PACKAGE.sources["dialog"](documents or [dialogs(dialog("confirmed"))])
    assert document is not None
    return document


@pytest.mark.parametrize(
    ("state", "direction", "is_call"),
    [
        ("trying", "initiator", False),
        ("proceeding", "initiator", False),
        ("early", "initiator", True),
        ("early", "recipient", False),
        ("confirmed", "initiator", True),
        ("confirmed", "recipient", True),
        ("terminated", "initiator", False),
        ("terminated", "recipient", False),
    ],
)
def test_on_the_phone_is_who_talks_or_calls(state: str, direction: str, is_call: bool) -> None:
    document = on_the_phone([dialogs(dialog(state, direction))])

    assert (document is not None) == is_call


def test_on_the_phone_without_direction_is_who_talks_only() -> None:
    unknown = [dialogs(f'<dialog id="d"><state>{state}</state></dialog>') for state in ("early", "confirmed")]

    assert [on_the_phone([document]) is not None for document in unknown] == [False, True]


def test_on_the_phone_no_dialogs_is_nothing_said() -> None:
    assert on_the_phone([]) is None
    assert on_the_phone([dialogs(), object()]) is None


def test_on_the_phone_one_call_of_many_is_enough() -> None:
    many = dialogs(dialog("terminated", id_="a"), dialog("confirmed", id_="b"), dialog("early", id_="c"))

    assert on_the_phone([dialogs(), many, dialogs()]) is not None


def test_on_the_phone_a_dialog_that_has_ended_is_no_call_in_whatever_order_it_is_told() -> None:
    talks, over = dialogs(dialog("confirmed")), dialogs(dialog("terminated"))

    assert on_the_phone([talks, over]) is None
    assert on_the_phone([over, talks]) is None


def test_on_the_phone_equal_calls_give_equal_documents() -> None:
    assert derived() == derived(dialogs(dialog("early", "initiator"), dialog("confirmed", id_="b")))


def test_on_the_phone_alone_is_open_and_says_so_in_words(valid: Valid) -> None:
    document = pidf.compose(AOR, [derived()])

    valid(document)
    assert re.findall(b"<basic>[^<]*</basic>|<rpid:on-the-phone/>|<dm:note>[^<]*<", document) == [
        b"<basic>open</basic>",
        b"<rpid:on-the-phone/>",
        b"<dm:note>On the phone<",
    ]


@pytest.mark.parametrize("derived_first", [True, False])
def test_on_the_phone_beside_a_publication_leaves_its_tuples_alone(
    valid: Valid, presence: Presence, derived_first: bool
) -> None:
    published = pidf.parse(presence(CLOSED).encode())
    documents = [derived(), published] if derived_first else [published, derived()]

    document = pidf.compose(AOR, documents)

    valid(document)
    assert document.count(b"<tuple ") == 1
    assert b"<basic>closed</basic>" in document
    assert b"<rpid:on-the-phone/>" in document


def test_on_the_phone_beside_a_publication_without_tuples_is_open(valid: Valid, presence: Presence) -> None:
    published = pidf.parse(presence('<note>n</note><dm:person id="p"><rpid:class/></dm:person>', DM).encode())

    document = pidf.compose(AOR, [published, derived()])

    root = valid(document)
    assert [str(child.tag).rpartition("}")[2] for child in root] == ["tuple", "note", "person", "person"]
    assert b"<basic>open</basic>" in document


def test_on_the_phone_person_and_tuple_that_take_its_ids_are_kept(valid: Valid, presence: Presence) -> None:
    taken = pidf.parse(presence('<dm:person id="t6b0de7a4"/><dm:device id="p1c3a86f5">'
                                '<dm:deviceID>urn:x:1</dm:deviceID></dm:device>', DM).encode())  # fmt: skip

    document = pidf.compose(AOR, [derived(), taken])

    assert [str(child.tag).rpartition("}")[2] for child in valid(document)] == ["tuple", "person", "device", "person"]


def test_on_the_phone_composed_read_and_composed_again_is_the_same() -> None:
    document = pidf.compose(AOR, [derived()])

    assert pidf.compose(AOR, [pidf.parse(document)]) == document
