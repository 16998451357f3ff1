"""Documents that are refused, and rules in them that nobody can read (RFC 4745 §13, RFC 3470 §5.1)."""

import pytest

from event_packages import xml
from event_packages.errors import BadRequest
from event_packages.rules.decision import Handling
from event_packages.rules.reading import MAX_RULES, read_rules
from event_packages.rules.testing import ask, many, one, rule, ruleset, validity

BOB = "sip:bob@example.com"
LAUGHS = b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'


def _nested(depth: int) -> str:
    return "<cp:x>" * depth + "</cp:x>" * depth


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "XML in an encoding that is not read"),
        (b"allow everybody", "XML in an encoding that is not read"),
        (ruleset(rule())[:-3], "XML not readable"),
        (b"<!DOCTYPE ruleset>" + ruleset(), "XML with a DTD"),
        (LAUGHS + ruleset(rule(provides="&c;")), "XML with a DTD"),
        (ruleset(rule(provides="&c;")), "XML not readable"),
        (ruleset(rule(_nested(1_000))), "XML not readable"),
        (ruleset(rule(_nested(100))), "XML too deep"),
        (ruleset(rule(many("<cp:except id='sip:a@b'/>" * xml.MAX_ELEMENTS))), "XML too large"),
        (ruleset(rule(), "<!--" + "x" * xml.MAX_BYTES + "-->"), "XML too large"),
        (ruleset().replace(b"common-policy", b"common-policies"), "not a ruleset of common policy"),
        (ruleset().replace(b"cp:ruleset", b"cp:rules"), "not a ruleset of common policy"),
        (b"<ruleset><rule id='a'/></ruleset>", "not a ruleset of common policy"),
        (ruleset(*(f"<cp:rule id='r{at}'/>" for at in range(10_000))), f"more than {MAX_RULES} rules"),
    ],
    ids=[
        "empty",
        "no XML",
        "cut off",
        "document type",
        "billion laughs",
        "entity",
        "1000 deep",
        "100 deep",
        "elements",
        "bytes",
        "namespace",
        "root",
        "no namespace",
        "rules",
    ],
)
def test_read_rules_a_document_that_is_none_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        read_rules(body)


def test_read_rules_without_rules_is_an_empty_ruleset() -> None:
    assert read_rules(ruleset()).rules == ()


def test_read_rules_ids_are_kept() -> None:
    rules = read_rules(ruleset(rule(id="wp_prs_allow_own"), rule(id="ö"))).rules

    assert [one.id for one in rules] == ["wp_prs_allow_own", "ö"]


@pytest.mark.parametrize("conditions", ["", '<cp:sphere value="work"/>'])
def test_read_rules_says_whether_the_sphere_counts(conditions: str) -> None:
    assert read_rules(ruleset(rule(), rule(conditions))).uses_sphere == (conditions != "")


@pytest.mark.parametrize(
    ("unreadable", "why"),
    [
        (rule(id=""), "a rule without an id"),
        (rule().replace(' id="a"', ""), "a rule without an id"),
        ("<cp:rule id='x'><conditions/></cp:rule>", "'conditions' of namespace '' is not a part of a rule"),
        ("<cp:rule id='x'><cp:condition/></cp:rule>", "'condition' of namespace"),
        ("<cp:rule id='x'><pr:conditions/></cp:rule>", "'conditions' of namespace"),
        ("<cp:rule id='x'><oc:other-identity/></cp:rule>", "'other-identity' of namespace"),
    ],
)
def test_read_rules_an_unreadable_rule_gives_nothing_and_spoils_no_other(unreadable: str, why: str) -> None:
    generous = unreadable.replace(
        "</cp:rule>", "<cp:actions><pr:sub-handling>allow</pr:sub-handling></cp:actions></cp:rule>"
    )

    decision = ask(generous, rule(handling="confirm", id="b"), generous)

    assert decision.handling is Handling.CONFIRM
    assert [outcome.matched for outcome in decision.rules] == [False, True, False]
    assert why in decision.rules[0].why


def test_read_rules_extensions_in_a_rule_are_left_alone() -> None:
    extended = rule(one(BOB)).replace("</cp:rule>", '<x:name xmlns:x="urn:example:names">Friends</x:name></cp:rule>')

    assert ask(extended).handling is Handling.ALLOW


def test_read_rules_several_conditions_elements_are_all_asked() -> None:
    twice = rule(one(BOB)).replace(
        "</cp:rule>", f"<cp:conditions>{one('sip:eve@example.com')}</cp:conditions></cp:rule>"
    )

    assert ask(twice).handling is None


def test_decide_ten_thousand_exceptions_the_last_one_counts() -> None:
    excepted = "".join(f'<cp:except id="sip:user{at}@example.com"/>' for at in range(10_000))

    decision = ask(rule(many(excepted)), watcher="sip:user9999@example.com")

    assert decision.handling is None
    assert ask(rule(many(excepted))).handling is Handling.ALLOW


def test_decide_200_kilobytes_of_identities_the_last_one_counts() -> None:
    identities = [f"sip:user{at}@example.com" for at in range(5_000)]

    assert len(ruleset(rule(one(*identities)))) > 190_000
    assert ask(rule(one(*identities)), watcher=identities[-1]).handling is Handling.ALLOW


def test_decide_the_most_rules_there_may_be_the_last_one_counts() -> None:
    rules = [rule(one(f"sip:user{at}@example.com"), handling="confirm", id=f"r{at}") for at in range(MAX_RULES - 1)]

    assert ask(*rules, rule(one(BOB), id="last"), watcher=BOB).handling is Handling.ALLOW


HUGE = {
    "user": one(f"sip:{'a' * 500_000}@example.com"),
    "escapes": one(f"sip:{'%41' * 200_000}@example.com"),
    "number": one(f"tel:+{'1-' * 250_000}1"),
    "domain": many(domain="a" * 500_000),
    "except": many(f'<cp:except id="{"a" * 500_000}"/>'),
    "sphere": f'<cp:sphere value="{"a" * 500_000}"/>',
    "time": validity(("a" * 500_000, "2026-01-01T00:00:00Z")),
    "name": f"<cp:{'a' * 40_000}/>",
}


@pytest.mark.parametrize("conditions", HUGE.values(), ids=HUGE)
def test_decide_huge_values_match_nobody_and_are_explained_in_short(conditions: str) -> None:
    decision = ask(rule(conditions), sphere="work")

    assert decision.handling is None
    assert len(decision.rules[0].why) < 300
