"""What rules provide (RFC 5025 §3.3, OMA-TS-Presence_SIMPLE_XDM §5.1)."""

import pytest

from event_packages.rules.names import ATTRIBUTES, OMA_ATTRIBUTES
from event_packages.rules.permissions import (
    ALL,
    ALL_ATTRIBUTES,
    EVERYTHING,
    NOTHING,
    Permissions,
    Selector,
    UserInput,
    join,
)
from event_packages.rules.testing import ask, rule

EVERY_SERVICE = "<pr:provide-services><pr:all-services/></pr:provide-services>"
EVERY_PERSON = "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"
EVERY_DEVICE = "<pr:provide-devices><pr:all-devices/></pr:provide-devices>"


def _provided(*transformations: str) -> Permissions:
    return ask(rule(provides="".join(transformations))).permissions


def test_provide_everything_is_complete() -> None:
    permissions = _provided(EVERY_SERVICE, EVERY_PERSON, EVERY_DEVICE, "<pr:provide-all-attributes/>")

    assert permissions == EVERYTHING
    assert permissions.complete


def test_provide_services_by_each_selector() -> None:
    inside = (
        "<pr:class>friends</pr:class><pr:occurrence-id>t1</pr:occurrence-id><pr:service-uri>sip:a@b</pr:service-uri>"
        "<pr:service-uri-scheme> sip </pr:service-uri-scheme><op:service-id>org.example:im</op:service-id>"
        "<pr:deviceID>urn:uuid:1</pr:deviceID><pr:all-persons/><pr:class/><service-id>x</service-id>"
    )

    assert _provided(f"<pr:provide-services>{inside}</pr:provide-services>").services == {
        Selector("class", "friends"),
        Selector("occurrence-id", "t1"),
        Selector("service-uri", "sip:a@b"),
        Selector("service-uri-scheme", "sip"),
        Selector("service-id", "org.example:im"),
    }


def test_provide_all_of_a_kind_unless_it_says_no() -> None:
    for yes in ("", "true", " 1 "):
        element = f"<pr:all-services>{yes}</pr:all-services>"
        assert _provided(f"<pr:provide-services>{element}</pr:provide-services>").services == {ALL}
    for no in ("false", "0", "<pr:but/>"):
        element = f"<pr:all-services>{no}</pr:all-services>"
        assert _provided(f"<pr:provide-services>{element}</pr:provide-services>").services == frozenset()


def test_provide_persons_and_devices_by_their_selectors_alone() -> None:
    inside = (
        "<pr:class>a</pr:class><pr:occurrence-id>b</pr:occurrence-id><pr:deviceID>c</pr:deviceID>"
        "<pr:service-uri>sip:d@e</pr:service-uri><pr:all-services/>"
    )
    both = {Selector("class", "a"), Selector("occurrence-id", "b")}

    permissions = _provided(
        f"<pr:provide-persons>{inside}</pr:provide-persons>", f"<pr:provide-devices>{inside}</pr:provide-devices>"
    )

    assert permissions.persons == both
    assert permissions.devices == {*both, Selector("deviceID", "c")}
    assert permissions.services == frozenset()


@pytest.mark.parametrize(
    ("element", "name"),
    [(f"pr:provide-{name}", name) for name in ATTRIBUTES] + [(f"op:provide-{name}", name) for name in OMA_ATTRIBUTES],
)
def test_provide_each_attribute_true_or_false(element: str, name: str) -> None:
    for yes in ("true", "1", " true\n"):
        assert _provided(f"<{element}>{yes}</{element}>") == Permissions(attributes=frozenset({name}))
    for no in ("false", "0", "", "True", "yes"):
        assert _provided(f"<{element}>{no}</{element}>") == NOTHING


@pytest.mark.parametrize(
    "element", ["op:provide-mood", "pr:provide-willingness", "pr:provide-colour", "cp:provide-mood"]
)
def test_provide_in_another_namespace_is_nothing(element: str) -> None:
    assert _provided(f"<{element}>true</{element}>") == NOTHING


@pytest.mark.parametrize(
    ("word", "attributes"), [("full", {"geopriv"}), ("false", set()), ("true", set()), ("", set())]
)
def test_provide_geopriv_in_its_own_words(word: str, attributes: set[str]) -> None:
    assert _provided(f"<op:provide-geopriv>{word}</op:provide-geopriv>").attributes == attributes


def test_provide_all_attributes_has_user_input_too() -> None:
    expected = Permissions(attributes=frozenset({ALL_ATTRIBUTES}), user_input=UserInput.FULL)

    assert _provided("<pr:provide-all-attributes/>") == expected
    assert _provided("<pr:provide-all-attributes>false</pr:provide-all-attributes>") == NOTHING


def test_provide_unknown_attributes_by_namespace_and_name() -> None:
    unknown = "<pr:provide-unknown-attribute ns='urn:x' name='{}'>{}</pr:provide-unknown-attribute>"

    permissions = _provided(unknown.format("a", "true"), unknown.format("b", "false"), unknown.format("", "true"))

    assert permissions.unknown == {("urn:x", "a")}


def test_provide_user_input_the_highest_level_of_all_rules() -> None:
    levels = [f"<pr:provide-user-input>{word}</pr:provide-user-input>" for word in ("bare", "thresholds", "false")]

    decision = ask(*(rule(provides=level) for level in levels))

    assert decision.permissions.user_input is UserInput.THRESHOLDS


def test_permissions_of_a_rule_with_lower_handling_still_count() -> None:
    decision = ask(rule(handling="block", provides=EVERY_PERSON), rule(handling="allow", provides=EVERY_SERVICE))

    assert decision.permissions == Permissions(services=frozenset({ALL}), persons=frozenset({ALL}))


def test_handling_of_one_rule_is_its_highest_word() -> None:
    several = "confirm</pr:sub-handling><pr:sub-handling>allow</pr:sub-handling><pr:sub-handling>nonsense"

    assert ask(rule(handling=several)).handling == 30
    assert ask(rule(handling=None)).handling is None
    assert ask(rule(handling="allow").replace("pr:sub-handling", "cp:sub-handling")).handling is None


def test_join_is_the_union_of_all() -> None:
    some = [
        Permissions(services=frozenset({Selector("class", str(at))}), unknown=frozenset({("urn:x", str(at))}))
        for at in range(3)
    ]

    assert join([]) == NOTHING
    assert join(some[:1]) == some[0]
    assert join(some) == some[0].joined(some[1]).joined(some[2])
