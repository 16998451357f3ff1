"""The sphere that somebody is in, for the condition of rules (RFC 4480 §3.11, RFC 4745 §7.2)."""

from collections.abc import Callable

import pytest

from event_packages.documents import pidf

Presence = Callable[..., str]

DM = 'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:x="urn:x"'
WORK, HOME = "<r:sphere>work</r:sphere>", "<r:sphere><r:home/></r:sphere>"


def person(content: str, id_: str = "p") -> str:
    return f'<dm:person id="{id_}">{content}</dm:person>'


def sphere_of(presence: Presence, *contents: str) -> str:
    """Return the sphere of publications, oldest first."""
    return pidf.sphere([pidf.parse(presence(content, DM).encode()) for content in contents])


@pytest.mark.parametrize(
    ("content", "sphere"),
    [
        (WORK, "work"),
        (HOME, "home"),
        ("<r:sphere>\n work </r:sphere>", "work"),
        ("<r:sphere>\n <r:work/> </r:sphere>", "work"),
        ("<r:sphere><x:boat/></r:sphere>", "boat"),
        ('<r:sphere id="s" from="2026-01-02T03:04:05Z">bowling league</r:sphere>', "bowling league"),
        ("<r:sphere/>", ""),
        ("<r:sphere> </r:sphere>", ""),
        ("<r:sphere><r:unknown/></r:sphere>", ""),
        ("<x:sphere>work</x:sphere>", ""),
        (f"<x:past>{WORK}</x:past>", ""),
        (WORK + HOME, ""),
        (WORK + WORK, "work"),
        ("", ""),
    ],
)
def test_sphere_of_a_person_is_its_text_or_its_element(presence: Presence, content: str, sphere: str) -> None:
    assert sphere_of(presence, person(content)) == sphere


def test_sphere_no_documents_is_not_clear() -> None:
    assert pidf.sphere([]) == ""
    assert pidf.sphere([object()]) == ""


def test_sphere_of_what_is_no_person_does_not_count(presence: Presence) -> None:
    elsewhere = f"<tuple id='t'><status/>{WORK}</tuple><dm:device id='d'>{WORK}<dm:deviceID>urn:x:1</dm:deviceID>"

    assert sphere_of(presence, f"{elsewhere}</dm:device>{WORK}") == ""


def test_sphere_said_alike_by_several_is_clear(presence: Presence) -> None:
    assert (
        sphere_of(presence, person(WORK, "a"), person("", "b"), person("<r:sphere><r:work/></r:sphere>", "c")) == "work"
    )


def test_sphere_of_persons_that_contradict_each_other_is_not_clear(presence: Presence) -> None:
    assert sphere_of(presence, person(WORK, "a"), person(HOME, "b")) == ""
    assert sphere_of(presence, person(WORK, "a") + person(HOME, "b")) == ""


def test_sphere_of_one_person_is_what_its_newest_publication_says(presence: Presence) -> None:
    assert sphere_of(presence, person(WORK), person(HOME)) == "home"
    assert sphere_of(presence, person(HOME), person(WORK)) == "work"
    assert sphere_of(presence, person(HOME), person("")) == ""
