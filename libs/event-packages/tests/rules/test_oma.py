"""OMA's conditions (OMA-TS-XDM_Core §6.6.2, OMA-TS-Presence_SIMPLE_XDM §5.1)."""

import pytest

from event_packages.rules.decision import Handling, Question, decide
from event_packages.rules.identity import identity_of
from event_packages.rules.lists import read_lists
from event_packages.rules.reading import read_rules
from event_packages.rules.testing import ask, many, one, rule, ruleset

BOB, CAROL = "sip:bob@example.com", "sip:carol@example.com"
ANONYMOUS = "sip:anonymous@anonymous.invalid"
ANONYMOUS_REQUEST, OTHER = "<oc:anonymous-request/>", "<oc:other-identity/>"
FRIENDS = (
    '<oc:external-list><oc:entry anc="http://xcap.example.com/resource-lists/users/sip:alice@example.com/index/~~/'
    'resource-lists/list%5B@name=%22friends%22%5D"/></oc:external-list>'
)
LISTS = read_lists(
    {
        "index": b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends">'
        b'<entry uri="sip:bob@example.com"/></list></resource-lists>'
    },
    "sip:alice@example.com",
)


def test_anonymous_request_matches_the_anonymous_alone() -> None:
    assert ask(rule(ANONYMOUS_REQUEST), watcher=ANONYMOUS).handling is Handling.ALLOW
    assert (
        ask(rule(ANONYMOUS_REQUEST), watcher=BOB).rules[0].why
        == "anonymous-request: sip:bob@example.com is not anonymous"
    )


def test_external_list_matches_its_members() -> None:
    assert ask(rule(FRIENDS), watcher=BOB, lists=LISTS).handling is Handling.ALLOW
    assert ask(rule(FRIENDS), watcher=CAROL, lists=LISTS).handling is None
    assert ask(rule(FRIENDS), watcher=ANONYMOUS, lists=LISTS).handling is None


def test_external_list_without_lists_has_nobody() -> None:
    decision = ask(rule(FRIENDS), watcher=BOB)

    assert decision.handling is None
    assert decision.rules[0].why == "external-list: sip:bob@example.com is in none of the lists"


@pytest.mark.parametrize("inside", ["", "<oc:entry/>", '<oc:entry anc=""/>', '<cp:entry anc="x"/>'])
def test_external_list_without_entries_has_nobody(inside: str) -> None:
    assert ask(rule(f"<oc:external-list>{inside}</oc:external-list>"), lists=LISTS).handling is None


@pytest.mark.parametrize("naming", [one(BOB), many('<cp:except id="sip:carol@example.com"/>'), FRIENDS])
def test_other_identity_matches_whom_no_rule_names(naming: str) -> None:
    rules = rule(naming, handling="block", id="a"), rule(OTHER, id="b")

    assert ask(*rules, watcher=CAROL, lists=LISTS).handling is Handling.ALLOW
    bob = ask(*rules, watcher=BOB, lists=LISTS)
    assert bob.handling is Handling.BLOCK
    assert bob.rules[1].why == "other-identity: a rule names sip:bob@example.com"


def test_other_identity_a_rule_of_another_document_names_the_watcher() -> None:
    others, naming = read_rules(ruleset(rule(OTHER))), read_rules(ruleset(rule(one(BOB), handling="confirm")))
    question = Question(watcher=identity_of(BOB), now=0)

    assert decide((others,), question).handling is Handling.ALLOW
    assert decide((others, naming), question).handling is Handling.CONFIRM


@pytest.mark.parametrize(
    "naming",
    [
        rule(one(BOB) + '<cp:sphere value="work"/>', id="a"),
        rule(one(BOB) + "<cp:validity/>", id="a"),
        rule(one(BOB) + "<cp:unknown/>", id="a"),
        rule(one(BOB), id=""),
    ],
)
def test_other_identity_a_rule_that_names_the_watcher_counts_even_where_it_fails(naming: str) -> None:
    assert ask(naming, rule(OTHER, id="b"), watcher=BOB).handling is None


def test_other_identity_rules_that_name_nobody_do_not_count() -> None:
    everybody = rule('<cp:sphere value="work"/>', handling="confirm", id="a")

    assert ask(everybody, rule(OTHER, id="b"), watcher=BOB, sphere="work").handling is Handling.ALLOW


def test_other_identity_the_anonymous_have_none() -> None:
    decision = ask(rule(OTHER), watcher=ANONYMOUS)

    assert decision.handling is None
    assert decision.rules[0].why == "other-identity: the watcher is anonymous"


def test_conditions_of_both_kinds_in_a_rule_are_all_needed() -> None:
    assert ask(rule(one(BOB) + FRIENDS), watcher=BOB, lists=LISTS).handling is Handling.ALLOW
    assert ask(rule(one(CAROL) + FRIENDS), watcher=CAROL, lists=LISTS).handling is None
    assert ask(rule(one(BOB) + OTHER), watcher=BOB).handling is None


def test_rules_of_all_kinds_that_match_are_combined() -> None:
    rules = (
        rule(FRIENDS, handling="confirm", provides="<pr:provide-mood>true</pr:provide-mood>", id="a"),
        rule(one(BOB), handling="allow", provides="<op:provide-willingness>true</op:provide-willingness>", id="b"),
        rule(OTHER, handling="allow", provides="<pr:provide-all-attributes/>", id="c"),
    )

    decision = ask(*rules, watcher=BOB, lists=LISTS)

    assert decision.handling is Handling.ALLOW
    assert decision.permissions.attributes == {"mood", "willingness"}
