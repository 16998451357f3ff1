"""Elements of other namespaces reach watchers as they were sent, whoever declared what where (RFC 3863 §4.2.1)."""

from collections.abc import Callable

import pytest

from event_packages.documents import pidf

Inside = Callable[..., str]
Presence = Callable[..., str]

DM = 'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
OPEN = "<status><basic>open</basic></status>"


def test_extension_of_an_unknown_namespace_declared_at_the_root_is_kept(inside: Inside, presence: Presence) -> None:
    sent = '<tuple id="t"><status><basic>open</basic><x:y z="1">v</x:y></status></tuple>'

    written = inside(presence(sent, 'xmlns:x="urn:x" xmlns:unused="urn:unused"'))

    assert '<x:y z="1" xmlns:x="urn:x">v</x:y>' in written
    assert "unused" not in written


def test_extension_one_prefix_of_two_publications_stands_for_each_one_s_namespace(
    inside: Inside, presence: Presence
) -> None:
    bodies = [presence(f"<x:y>{uri}</x:y>", f'xmlns:x="{uri}"') for uri in ("urn:1", "urn:2")]

    written = inside(*bodies)

    assert written == '<x:y xmlns:x="urn:2">urn:2</x:y><x:y xmlns:x="urn:1">urn:1</x:y>'


def test_extension_with_a_well_known_prefix_of_its_own_is_kept(inside: Inside, presence: Presence) -> None:
    written = inside(presence("<dm:person/>", 'xmlns:dm="urn:other"'))

    assert "urn:other" in written
    assert "data-model" not in written


def test_extension_without_prefix_is_kept(inside: Inside, presence: Presence) -> None:
    written = inside(presence(f"<tuple id='t'>{OPEN}<y xmlns='urn:x'><z/></y></tuple>"))

    assert "urn:x" in written
    assert written.count("<") == 2 + 4 + 3


def test_extension_with_parts_of_no_namespace_keeps_them(inside: Inside, presence: Presence) -> None:
    written = inside(presence("<x:y><z xmlns=''><u/></z></x:y>", 'xmlns:x="urn:x"'))

    assert written == '<x:y xmlns:x="urn:x"><z xmlns=""><u/></z></x:y>'


@pytest.mark.parametrize("prefix", ["p", "pidf", "q"])
def test_extension_must_understand_is_kept(inside: Inside, presence: Presence, prefix: str) -> None:
    sent = f'<tuple id="t">{OPEN}<x:y {prefix}:mustUnderstand="1"/></tuple>'

    written = inside(presence(sent, f'xmlns:x="urn:x" xmlns:{prefix}="urn:ietf:params:xml:ns:pidf"'))

    assert ':mustUnderstand="1"' in written


@pytest.mark.parametrize("where", ["root", "tuple", "element"])
def test_extension_type_with_a_prefix_can_be_resolved(presence: Presence, where: str) -> None:
    """A name in an attribute's value needs its prefix, which nothing else may use."""
    at = {"root": "", "tuple": "", "element": ""} | {where: f'{XSI} xmlns:t="urn:types"'}
    sent = f'<tuple id="t" {at["tuple"]}>{OPEN}<x:y xmlns:x="urn:x" {at["element"]} xsi:type="t:kind"/></tuple>'

    document = pidf.compose("sip:a@b", [pidf.parse(presence(sent, at["root"]).encode())])

    assert document is not None
    assert b'xsi:type="t:kind"' in document
    assert b'xmlns:t="urn:types"' in document


def test_extension_with_text_between_its_parts_keeps_it(inside: Inside, presence: Presence) -> None:
    sent = '<x:a xmlns:x="urn:x">1<x:b>2</x:b>3<x:b/>4 &amp; 5</x:a>'

    assert inside(presence(sent)) == sent


def test_extension_prefix_that_means_two_things_inside_of_one_element_means_one_when_written(
    inside: Inside, presence: Presence
) -> None:
    sent = '<x:a xmlns:x="urn:1"><x:b xmlns:x="urn:2" xmlns:o="urn:1" o:c="v"/></x:a>'

    written = inside(presence(sent))

    assert written == '<x:a xmlns:x="urn:1"><x1:b x:c="v" xmlns:x1="urn:2"/></x:a>'


@pytest.mark.parametrize("misplaced", ["<dm:person/>", "<dm:device/>", "<dm:deviceID>[</dm:deviceID>", "<p:presence/>"])
def test_extension_with_elements_that_belong_elsewhere_is_kept_without(
    inside: Inside, presence: Presence, misplaced: str
) -> None:
    """A schema's wildcard checks those that it knows, wherever they stand."""
    declarations = f'{DM} xmlns:x="urn:x" xmlns:p="urn:ietf:params:xml:ns:pidf"'

    assert inside(presence(f"<x:a>{misplaced}</x:a>", declarations)) == '<x:a xmlns:x="urn:x"/>'
