"""What servers of today get wrong in presence rules: each fault has its test here (RFC 4745, RFC 5025, OMA)."""

import time

import pytest

from event_packages.rules.decision import Handling, Question, decide
from event_packages.rules.identity import identity_of
from event_packages.rules.permissions import ALL, NOTHING, Permissions, Selector, UserInput
from event_packages.rules.testing import ask, many, one, rule, validity

BOB = "sip:bob@example.com"
NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""


def test_fault_same_length_domain_another_domain_of_equal_length_does_not_match() -> None:
    decision = ask(rule(many(domain="example.org")), watcher=BOB)

    assert decision.handling is None
    assert decision.rules[0].why == "identity: sip:bob@example.com is not of example.org"


def test_fault_domain_suffix_a_domain_below_does_not_match() -> None:
    assert ask(rule(many(domain="example.com")), watcher="sip:bob@evil-example.com").handling is None
    assert ask(rule(many(domain="example.com")), watcher="sip:bob@sub.example.com").handling is None


def test_fault_except_id_the_excepted_watcher_gets_nothing() -> None:
    decision = ask(rule(many(f'<cp:except id="{BOB}"/>'), provides="<pr:provide-all-attributes/>"), watcher=BOB)

    assert decision.handling is None
    assert decision.permissions == NOTHING
    assert decision.rules[0].why == "identity: sip:bob@example.com is excepted"


def test_fault_identity_as_text_another_spelling_of_the_watcher_is_the_watcher() -> None:
    bob = one("sip:b%6Fb@EXAMPLE.com;transport=tcp")

    assert ask(rule(bob), watcher="sips:bob@example.com:5061").handling is Handling.ALLOW
    assert ask(rule(many(f'<cp:except id="{BOB}"/>')), watcher="sip:%62ob@Example.Com").handling is None


def test_fault_absent_conditions_the_rule_always_matches() -> None:
    assert ask(rule(None)).handling is Handling.ALLOW
    assert ask(rule("")).handling is Handling.ALLOW


def test_fault_absent_conditions_the_rules_behind_are_asked_too() -> None:
    decision = ask(rule(None, handling="confirm", id="a"), rule(many(), handling="allow", id="b"))

    assert decision.handling is Handling.ALLOW


def test_fault_absent_identity_other_conditions_decide() -> None:
    decision = ask(rule('<cp:sphere value="work"/>'), sphere="work")

    assert decision.handling is Handling.ALLOW


@pytest.mark.parametrize("between", ["<!-- friends -->", "<?editor fold?>", "text", "<other xmlns='urn:x'/>"])
def test_fault_comment_between_rules_all_rules_are_asked(between: str) -> None:
    decision = ask(between, rule(handling="confirm", id="a"), between, rule(handling="allow", id="b"), between)

    assert decision.handling is Handling.ALLOW
    assert [outcome.id for outcome in decision.rules] == ["a", "b"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_fault_first_rule_only_several_matching_rules_are_combined(order: tuple[int, ...]) -> None:
    rules = [
        rule(handling="confirm", provides="<pr:provide-mood>true</pr:provide-mood>", id="a"),
        rule(handling="allow", provides="<pr:provide-note>true</pr:provide-note>", id="b"),
        rule(handling=None, provides="<pr:provide-persons><pr:all-persons/></pr:provide-persons>", id="c"),
    ]

    decision = ask(*(rules[at] for at in order))

    assert decision.handling is Handling.ALLOW
    assert decision.permissions.attributes == {"mood", "note"}
    assert decision.permissions.persons == {ALL}


def test_fault_absent_sphere_the_condition_is_false() -> None:
    decision = ask(rule('<cp:sphere value="work"/>'), sphere="")

    assert decision.handling is None
    assert decision.rules[0].why == "sphere: the presentity has none, wanted is 'work'"


def test_fault_sphere_element_text_the_attribute_counts() -> None:
    assert ask(rule('<cp:sphere value="work">home</cp:sphere>'), sphere="work").handling is Handling.ALLOW
    assert ask(rule('<cp:sphere value="work">home</cp:sphere>'), sphere="home").handling is None
    assert ask(rule("<cp:sphere>home</cp:sphere>"), sphere="home").handling is None


def test_fault_inverted_sphere_another_sphere_does_not_match() -> None:
    assert ask(rule('<cp:sphere value="work"/>'), sphere="home").handling is None


def test_fault_validity_zones_the_zone_counts() -> None:
    early = validity(("2026-01-01T13:00:00+02:00", "2026-01-01T13:30:00+02:00"))
    late = validity(("2026-01-01T06:59:00-05:00", "2026-01-01T07:01:00-05:00"))

    assert ask(rule(early), now=NOON).handling is None
    assert ask(rule(late), now=NOON).handling is Handling.ALLOW


def test_fault_validity_carried_over_a_rule_before_does_not_count_for_the_next() -> None:
    now = validity(("2026-01-01T11:00:00Z", "2026-01-01T13:00:00Z"))
    past = validity(("2025-01-01T11:00:00Z", "2025-01-01T13:00:00Z"))

    decision = ask(rule(now, handling="confirm", id="a"), rule(past, id="b"), rule(past, id="c"), now=NOON)

    assert decision.handling is Handling.CONFIRM
    assert [outcome.matched for outcome in decision.rules] == [True, False, False]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_fault_validity_local_time_the_zone_of_the_server_does_not_count(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    window = validity(("2026-01-01T11:59:00", "2026-01-01T12:01:00"))

    decisions = [ask(rule(window), now=now) for now in (NOON, NOON + 60)]
    monkeypatch.undo()
    time.tzset()

    assert [decision.handling for decision in decisions] == [Handling.ALLOW, None]


@pytest.mark.parametrize("word", ["allowed", "allow-nobody", "ALLOW", "al low", "31", "030", "", "true"])
def test_fault_prefix_of_an_action_words_are_compared_whole(word: str) -> None:
    assert ask(rule(handling=word)).handling is None


@pytest.mark.parametrize(
    ("words", "handling"),
    [
        ("block 0", Handling.BLOCK),
        ("confirm 10", Handling.CONFIRM),
        ("polite-block 20", Handling.POLITE_BLOCK),
        ("allow 30", Handling.ALLOW),
    ],
)
def test_fault_numeric_actions_words_and_numbers_are_one(words: str, handling: Handling) -> None:
    for word in words.split():
        assert ask(rule(handling=f"\n\t{word} ")).handling is handling


def test_fault_provide_devices_only_the_selected_devices_are_provided() -> None:
    some = "<pr:provide-devices><pr:deviceID>urn:uuid:1</pr:deviceID></pr:provide-devices>"

    assert ask(rule(provides=some)).permissions.devices == {Selector("deviceID", "urn:uuid:1")}
    assert ask(rule(provides="<pr:provide-persons/>")).permissions.devices == frozenset()


def test_fault_occurrence_id_misspelt_the_rfc_spelling_counts() -> None:
    inside = "<pr:occurrence-id>p1</pr:occurrence-id><pr:occurence-id>p2</pr:occurence-id>"

    permissions = ask(rule(provides=f"<pr:provide-persons>{inside}</pr:provide-persons>")).permissions

    assert permissions.persons == {Selector("occurrence-id", "p1")}


@pytest.mark.parametrize("no", ["false", "0", "no", "TRUE", "", "true<pr:x/>"])
def test_fault_nested_booleans_an_attribute_that_is_not_said_to_be_true_is_withheld(no: str) -> None:
    provides = f"<pr:provide-mood>{no}</pr:provide-mood><pr:provide-note>true</pr:provide-note>"

    assert ask(rule(provides=provides)).permissions.attributes == {"note"}


def test_fault_unlisted_attributes_what_no_rule_provides_is_withheld() -> None:
    permissions = ask(rule(provides="<pr:provide-mood>1</pr:provide-mood>")).permissions

    assert permissions == Permissions(attributes=frozenset({"mood"}))


def test_fault_no_transformations_element_nothing_is_provided() -> None:
    decision = ask(rule(provides=""))

    assert decision.handling is Handling.ALLOW
    assert decision.permissions == NOTHING


def test_fault_no_ruleset_is_not_allow() -> None:
    decision = decide((), Question(watcher=identity_of(BOB), now=NOON))

    assert decision.handling is None
    assert decision.permissions == NOTHING
    assert decision.rules == ()


def test_fault_no_rule_matches_is_not_allow() -> None:
    assert ask(rule(many(domain="example.net"))).handling is None
    assert ask().handling is None


@pytest.mark.parametrize("level", UserInput)
def test_fault_user_input_levels_every_level_is_known(level: UserInput) -> None:
    provides = f"<pr:provide-user-input>{level.name.lower()}</pr:provide-user-input>"

    assert ask(rule(provides=provides)).permissions.user_input is level


@pytest.mark.parametrize("word", ["true", "1", "Full", "everything"])
def test_fault_user_input_as_boolean_unknown_levels_give_nothing(word: str) -> None:
    provides = f"<pr:provide-user-input>{word}</pr:provide-user-input>"

    assert ask(rule(provides=provides)).permissions.user_input is UserInput.FALSE


def test_fault_oma_rules_ignore_sphere_and_validity_they_count_with_them() -> None:
    sphere = rule('<oc:other-identity/><cp:sphere value="work"/>')
    past = rule("<oc:other-identity/>" + validity(("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")))

    assert ask(sphere, sphere="home").handling is None
    assert ask(past, now=NOON).handling is None
