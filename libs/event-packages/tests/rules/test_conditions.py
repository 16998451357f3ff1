"""Conditions one by one (RFC 4745 §7)."""

import pytest

from event_packages.rules.decision import Handling, next_change
from event_packages.rules.reading import read_rules
from event_packages.rules.testing import ask, many, one, rule, ruleset, validity

BOB, CAROL, EVE = "sip:bob@example.com", "sip:carol@example.com", "sip:eve@example.com"
ANONYMOUS = "sip:anonymous@anonymous.invalid"
NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""


def test_conditions_are_all_needed() -> None:
    both = one(BOB) + '<cp:sphere value="work"/>'

    assert ask(rule(both), sphere="work").handling is Handling.ALLOW
    assert ask(rule(both), sphere="home").handling is None
    assert ask(rule(both), sphere="work", watcher=CAROL).handling is None


def test_condition_of_another_kind_the_rule_never_matches() -> None:
    for unknown in ("<cp:moon/>", '<x:day xmlns:x="urn:x">Monday</x:day>', "<identity/>", "<pr:identity/>"):
        decision = ask(rule(one(BOB) + unknown))

        assert decision.handling is None
        assert decision.rules[0].why.endswith(": a condition that is not known")


def test_identity_one_of_several_suffices() -> None:
    several = one(BOB, CAROL).replace("</cp:identity>", '<cp:many domain="example.net"/></cp:identity>')

    assert ask(rule(several), watcher=CAROL).handling is Handling.ALLOW
    assert ask(rule(several), watcher="sip:dan@example.net").handling is Handling.ALLOW
    assert ask(rule(several), watcher=EVE).rules[0].why == "identity: sip:eve@example.com is not of example.net"


def test_identity_twice_both_are_needed() -> None:
    assert ask(rule(one(BOB, CAROL) + one(CAROL, EVE)), watcher=CAROL).handling is Handling.ALLOW
    assert ask(rule(one(BOB, CAROL) + one(CAROL, EVE)), watcher=BOB).handling is None


def test_identity_empty_matches_nobody() -> None:
    assert ask(rule("<cp:identity/>")).handling is None


@pytest.mark.parametrize("condition", [one(ANONYMOUS), many(), many(domain="anonymous.invalid"), "<cp:identity/>"])
def test_identity_an_anonymous_watcher_has_none(condition: str) -> None:
    decision = ask(rule(condition), watcher=ANONYMOUS)

    assert decision.handling is None
    assert decision.rules[0].why == "identity: the watcher is anonymous"


def test_identity_absent_an_anonymous_watcher_matches() -> None:
    assert ask(rule(), watcher=ANONYMOUS).handling is Handling.ALLOW


@pytest.mark.parametrize("id_", ["", "bob", "mailto:bob@example.com", "sip:"])
def test_one_unreadable_matches_nobody_and_spoils_no_other(id_: str) -> None:
    assert ask(rule(one(id_))).handling is None
    assert ask(rule(one(id_, BOB))).handling is Handling.ALLOW


def test_one_with_something_inside_matches_nobody() -> None:
    restricted = f'<cp:identity><cp:one id="{BOB}"><x:only-if xmlns:x="urn:x"/></cp:one></cp:identity>'

    assert ask(rule(restricted)).handling is None


@pytest.mark.parametrize(
    "inside",
    [
        '<cp:except id="bob"/>',
        '<cp:except id=""/>',
        "<cp:except/>",
        '<cp:except domain=""/>',
        '<cp:except domain="a b"/>',
        '<cp:except domain="a:5060"/>',
        f'<cp:except id="{EVE}"><cp:x/></cp:except>',
        '<x:but xmlns:x="urn:x"/>',
        f'<oc:except id="{EVE}"/>',
    ],
)
def test_except_unreadable_nobody_matches(inside: str) -> None:
    decision = ask(rule(many(inside)))

    assert decision.handling is None
    assert decision.rules[0].why.endswith("is not readable")


def test_except_several_each_counts() -> None:
    inside = f'<cp:except id="{EVE}"/><cp:except id="{CAROL}" domain="Example.NET"/><cp:except domain="example.org."/>'

    for excepted in (EVE, CAROL, "sip:any@example.net", "sip:any@example.org"):
        assert ask(rule(many(inside)), watcher=excepted).handling is None
    assert ask(rule(many(inside)), watcher=BOB).handling is Handling.ALLOW
    assert ask(rule(many(inside)), watcher="sip:any@sub.example.net").handling is Handling.ALLOW


def test_except_a_number_in_another_spelling() -> None:
    inside = '<cp:except id="tel:+1-555-0100"/>'

    assert ask(rule(many(inside)), watcher="sip:+15550100@gw.example;user=phone").handling is None


def test_except_in_one_many_another_many_may_match() -> None:
    condition = many(f'<cp:except id="{BOB}"/>').replace(
        "</cp:identity>", '<cp:many domain="example.com"/></cp:identity>'
    )

    assert ask(rule(condition)).handling is Handling.ALLOW


@pytest.mark.parametrize("domain", ["example.com", "EXAMPLE.com", " example.com ", "example.com."])
def test_many_domain_without_case(domain: str) -> None:
    assert ask(rule(many(domain=domain))).handling is Handling.ALLOW


@pytest.mark.parametrize("domain", ["com", "xample.com", "*.com", "*", "example.com:5060", "bob@example.com", " "])
def test_many_domain_whole(domain: str) -> None:
    assert ask(rule(many(domain=domain))).handling is None


def test_many_domain_numbers_have_none() -> None:
    assert ask(rule(many(domain="example.com")), watcher="tel:+15550100").handling is None
    assert ask(rule('<cp:identity><cp:many domain=""/></cp:identity>'), watcher="tel:+15550100").handling is None
    assert ask(rule(many()), watcher="tel:+15550100").handling is Handling.ALLOW


@pytest.mark.parametrize(
    ("start", "end", "matches"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z", True),
        ("2026-01-01T12:00:00.001Z", "2026-01-01T12:00:01Z", False),
        ("2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z", False),
        ("2026-01-01T11:00:00Z", "2026-01-01T12:00:00.5Z", True),
        ("2026-01-01T17:30:00+05:30", "2026-01-01T17:31:00+05:30", True),
        ("2025-12-31T24:00:00Z", "2026-01-01T24:00:00Z", True),
        ("2026-01-01T02:00:00-10:00", "2026-01-02T02:00:00+14:00", False),
        (" 2026-01-01T12:00:00Z\n", "2026-01-02T00:00:00", True),
        ("2026-01-01T13:00:00Z", "2026-01-01T11:00:00Z", False),
    ],
)
def test_validity_from_is_inside_and_until_is_not(start: str, end: str, matches: bool) -> None:
    assert (ask(rule(validity((start, end))), now=NOON).handling is not None) == matches


def test_validity_periods_are_alternatives() -> None:
    past, now = ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"), ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")

    assert ask(rule(validity(past, now)), now=NOON).handling is Handling.ALLOW
    assert ask(rule(validity(past) + validity(now)), now=NOON).handling is None


@pytest.mark.parametrize(
    "time",
    [
        "2026",
        "2026-01-01",
        "2026-01-01t00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "today",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T24:00:01Z",
        "2026-01-01T00:00:00+15:00",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00UTC",
        "2026-01-01T00:00:00.Z",
        "12026-01-01T00:00:00Z",
    ],
)
def test_validity_unreadable_is_false(time: str) -> None:
    good = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")

    for pairs in ((time, good[1]), good), (good, (good[0], time)):
        decision = ask(rule(validity(*pairs)), now=NOON)

        assert decision.handling is None
        assert decision.rules[0].why.endswith("is not readable")


@pytest.mark.parametrize(
    "order", ["", "from", "until", "from from until", "until from", "from until from", "from x until"]
)
def test_validity_without_pairs_is_false(order: str) -> None:
    times = {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "x": ""}
    inside = "".join(f"<cp:{name}>{times[name]}</cp:{name}>" for name in order.split())

    assert ask(rule(f"<cp:validity>{inside}</cp:validity>"), now=NOON).handling is None


def test_next_change_is_the_next_boundary_of_any_rule() -> None:
    first = ruleset(rule(validity(("2026-01-01T10:00:00Z", "2026-01-01T14:00:00Z"))), rule(id="b"))
    second = ruleset(rule(validity(("2026-01-01T13:00:00Z", "2026-01-01T16:00:00+01:00"))))
    rulesets = [read_rules(first), read_rules(second)]

    first_change = next_change(rulesets, NOON)
    changes = [next_change(rulesets, NOON + hours * 3600) for hours in (1, 1.5, 2, 3)]

    assert first_change == NOON + 3600
    assert changes == [NOON + 2 * 3600, NOON + 2 * 3600, NOON + 3 * 3600, None]
    assert next_change([], NOON) is None
