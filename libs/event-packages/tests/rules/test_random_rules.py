"""What holds of any rules: a rule more takes nothing away, and whom a rule excludes gets nothing from it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from event_packages.rules.identity import identity_of, same
from event_packages.rules.permissions import NOTHING
from event_packages.rules.testing import ask, many, one, rule, validity

WATCHERS = (
    "sip:bob@example.com",
    "sips:b%6fb@EXAMPLE.com;transport=tcp",
    "sip:bob@example.net",
    "tel:+1-555-0100",
    "sip:+1(555)0100@example.com;user=phone",
    "sip:bob@anonymous.invalid",
)
DOMAINS = ("example.com", "example.net", "com")
SPHERES = ("", "work", "home")
YEARS = ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00+05:00", "2027-01-01T00:00:00", "then")
NOWS = (1735689600.0, 1767207600.0, 1798761599.0)
PROVIDES = (
    "<pr:provide-services><pr:class>a</pr:class></pr:provide-services>",
    "<pr:provide-services><pr:all-services/></pr:provide-services>",
    "<pr:provide-persons><pr:occurrence-id>c</pr:occurrence-id></pr:provide-persons>",
    "<pr:provide-devices><pr:deviceID>d</pr:deviceID></pr:provide-devices>",
    "<pr:provide-mood>true</pr:provide-mood>",
    "<pr:provide-mood>false</pr:provide-mood>",
    "<pr:provide-user-input>bare</pr:provide-user-input>",
    "<pr:provide-user-input>false</pr:provide-user-input>",
    '<pr:provide-unknown-attribute ns="urn:x" name="y">true</pr:provide-unknown-attribute>',
    "<pr:provide-all-attributes/>",
)

watchers = st.sampled_from(WATCHERS)
excepts = st.one_of(
    watchers.map(lambda uri: f'<cp:except id="{uri}"/>'),
    st.sampled_from(DOMAINS).map(lambda domain: f'<cp:except domain="{domain}"/>'),
    st.sampled_from(("<cp:except/>", '<cp:except id="nobody"/>', "<oc:except/>")),
)
plain_conditions = st.one_of(
    st.lists(watchers, max_size=3).map(lambda uris: one(*uris)),
    st.builds(lambda inside, domain: many("".join(inside), domain), st.lists(excepts, max_size=2), st.just("")),
    st.builds(lambda inside, domain: many("".join(inside), domain), st.just(()), st.sampled_from(DOMAINS)),
    st.sampled_from(SPHERES).map(lambda sphere: f'<cp:sphere value="{sphere}"/>'),
    st.tuples(st.sampled_from(YEARS), st.sampled_from(YEARS)).map(validity),
    st.sampled_from(("<oc:anonymous-request/>", "<oc:external-list/>", "<cp:x/>")),
)
conditions = plain_conditions | st.just("<oc:other-identity/>")


def rules_of(condition: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda inside, handling, provides, id_: rule(
            "".join(inside), handling=handling, provides="".join(provides), id=id_
        ),
        st.lists(condition, max_size=2),
        st.sampled_from(("block", "confirm", "polite-block", "allow", "anything", None)),
        st.lists(st.sampled_from(PROVIDES), max_size=3),
        st.sampled_from(("a", "b", "")),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(rules_of(plain_conditions), max_size=3),
    rules_of(plain_conditions),
    st.integers(0, 3),
    watchers,
    st.sampled_from(NOWS),
    st.sampled_from(SPHERES),
)
def test_decide_a_rule_more_takes_nothing_away(
    rules: list[str], more: str, at: int, watcher: str, now: float, sphere: str
) -> None:
    """Not so with OMA's other-identity, which by definition matches only whom no other rule names."""
    before = ask(*rules, watcher=watcher, now=now, sphere=sphere)

    after = ask(*rules[:at], more, *rules[at:], watcher=watcher, now=now, sphere=sphere)

    assert before.handling is None or (after.handling is not None and after.handling >= before.handling)
    assert after.permissions.joined(before.permissions) == after.permissions


@settings(max_examples=300, deadline=None)
@given(
    st.lists(rules_of(conditions), max_size=3),
    st.lists(excepts, max_size=3),
    st.lists(conditions, max_size=1),
    watchers,
    watchers,
)
def test_decide_an_excluded_watcher_gets_nothing_from_the_rule_that_excludes_it(
    rules: list[str], excepted: list[str], more: list[str], spelling: str, watcher: str
) -> None:
    """Whatever else the rule says, and in whatever spelling it excludes."""
    if not same(identity_of(spelling), identity_of(watcher)):
        spelling = watcher
    everybody_else = many(f'{"".join(excepted)}<cp:except id="{spelling}"/>')
    excluding = rule("".join([*more, everybody_else]), provides="".join(PROVIDES), id="x")

    alone, among = ask(excluding, watcher=watcher), ask(*rules, excluding, watcher=watcher)

    assert (alone.handling, alone.permissions) == (None, NOTHING)
    assert (among.rules[-1].matched, among.rules[-1].permissions) == (False, NOTHING)
