"""Of whom nothing is known, or may be known: one document, always the same (RFC 5025 §3.2.1)."""

import re
from collections.abc import Callable

import pytest
from lxml import etree

from event_packages.base import View
from event_packages.documents import pidf
from event_packages.documents.pidf_view import removed
from event_packages.packages.presence import PACKAGE
from event_packages.rules.permissions import ALL, EVERYTHING, NOTHING, Permissions

Valid = Callable[[bytes], etree._Element]
Composed = Callable[..., bytes]
Presence = Callable[..., str]

AOR = "sip:alice@example.com"
VIEWS = {
    "no rules": View(),
    "everything": View(permissions=EVERYTHING),
    "nothing": View(permissions=NOTHING),
    "persons": View(permissions=Permissions(persons=frozenset({ALL}))),
    "single": View(single=True),
}


def test_neutral_document_is_one_closed_tuple_of_the_presentity(valid: Valid) -> None:
    root = valid(pidf.compose(AOR, []))

    (child,) = root
    assert root.get("entity") == AOR
    assert [str(element.tag).rpartition("}")[2] for element in child.iter()] == ["tuple", "status", "basic"]
    assert "".join(str(text) for text in child.itertext()) == "closed"


def test_neutral_document_begins_and_ends_like_any_other(composed: Composed, presence: Presence) -> None:
    published = composed(presence('<tuple id="t0"><status><basic>open</basic></status></tuple>'))
    frame = re.compile(rb"^(.*?<presence [^>]*>).*(</presence>\n)$", re.DOTALL)

    frames = [found.groups() for found in (frame.match(published), frame.match(pidf.compose(AOR, []))) if found]

    assert frames[0] == frames[1]


def test_neutral_document_has_an_id_like_those_that_tuples_without_one_get(presence: Presence) -> None:
    ids = [part.id for part in (*pidf.NEUTRAL, *pidf.parse(presence("<tuple/>").encode()).parts)]

    assert all(re.fullmatch("t[0-9a-f]{8}", id_) for id_ in ids)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_neutral_document_is_seen_as_it_is_whatever_the_rules_are(view: View) -> None:
    neutral = PACKAGE.compose(AOR, [])

    seen = PACKAGE.body(PACKAGE.seen(neutral, view), None, 1_700_000_000)

    assert seen == PACKAGE.body(neutral, None, 0)
    assert removed(neutral, view) == ()


def test_neutral_document_is_what_remains_when_the_last_publication_says_nothing(presence: Presence) -> None:
    documents = [pidf.parse(presence(content).encode()) for content in ("", "<unheard-of/>")]

    assert pidf.compose(AOR, documents) == pidf.compose(AOR, [])


def test_neutral_document_is_not_what_somebody_published_as_closed(composed: Composed, presence: Presence) -> None:
    document = composed(presence('<tuple id="t0"><status><basic>closed</basic></status></tuple><note>n</note>'))

    assert not pidf.is_neutral(document)
    assert pidf.is_neutral(pidf.compose(AOR, []))


def test_neutral_document_behind_another_tuple_is_not_neutral() -> None:
    other = pidf.parse(
        b'<presence xmlns="urn:ietf:params:xml:ns:pidf"><tuple id="t"><note>a"></note></tuple></presence>'
    )

    document = pidf.compose(AOR, [pidf.parse(pidf.compose(AOR, [])), other])

    assert document.count(b"<tuple ") == 2
    assert not pidf.is_neutral(document)


def test_neutral_document_has_what_simple_clients_look_for() -> None:
    """baresip and others find the first basic status as text."""
    document = pidf.compose(AOR, []).decode()

    assert re.search("<basic>([^<]*)</basic>", document)[1] == "closed"  # type: ignore[index]
    assert "<presence xmlns=" in document
