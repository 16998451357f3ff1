"""Hard state (RFC 4827): a document that counts like the oldest publication."""

import re
from collections.abc import Callable

from event_packages.documents import pidf
from event_packages.packages.presence import PACKAGE

Inside = Callable[..., str]
Composed = Callable[..., bytes]
Presence = Callable[..., str]

DM = 'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"'
AOR = "sip:alice@example.com"
OFFICE = '<tuple id="office"><status><basic>closed</basic></status><note xml:lang="en">Back on Monday</note></tuple>'
PERSON = '<dm:person id="me"><rpid:activities><rpid:vacation/></rpid:activities></dm:person>'
DEVICE = (
    '<dm:device id="desk"><rpid:class>hard</rpid:class><dm:deviceID>urn:x-mac:0003ba4811e3</dm:deviceID></dm:device>'
)
HARD = OFFICE + PERSON + DEVICE


def ids(written: str) -> list[str]:
    return re.findall(r'<(?:tuple|dm:person|dm:device) id="([^"]*)"', written)


def test_hard_state_is_a_document_of_pidf_manipulation() -> None:
    assert PACKAGE.hard_state == "pidf-manipulation"


def test_hard_state_alone_is_the_whole_state(inside: Inside, presence: Presence) -> None:
    assert inside(presence(HARD, DM)) == HARD


def test_hard_state_with_soft_state_of_other_ids_stands_behind_it(inside: Inside, presence: Presence) -> None:
    soft = '<tuple id="phone"><status><basic>open</basic></status></tuple>'

    written = inside(presence(HARD, DM), presence(soft))

    assert ids(written) == ["phone", "office", "me", "desk"]


def test_hard_state_of_the_same_ids_gives_way_to_soft_state(inside: Inside, presence: Presence) -> None:
    soft = HARD.replace("closed", "open").replace("vacation", "working").replace("hard", "soft")

    assert inside(presence(HARD, DM), presence(soft, DM)) == soft


def test_hard_state_comes_back_when_soft_state_ends(presence: Presence) -> None:
    hard = pidf.parse(presence(HARD, DM).encode())
    soft = pidf.parse(presence(HARD.replace("closed", "open"), DM).encode())
    before = pidf.compose(AOR, [hard])

    with_soft, after = pidf.compose(AOR, [hard, soft]), pidf.compose(AOR, [hard])

    assert with_soft != before
    assert after == before


def test_hard_state_of_nothing_is_the_neutral_document(composed: Composed, presence: Presence) -> None:
    assert composed(presence("")) == pidf.compose(AOR, [])
