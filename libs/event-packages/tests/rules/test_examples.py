"""Documents of the kind that the specifications show, with other names and values, read and decided as they say."""

import pytest

from event_packages.rules.decision import Decision, Handling, Question, decide, next_change
from event_packages.rules.identity import identity_of
from event_packages.rules.lists import NO_LISTS, Lists, read_lists
from event_packages.rules.permissions import ALL, NOTHING, Permissions, Selector, UserInput
from event_packages.rules.reading import read_rules

NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""

BASIC = b"""<?xml version="1.0" encoding="UTF-8"?>
<ruleset xmlns="urn:ietf:params:xml:ns:common-policy">
  <rule id="k7">
    <conditions>
      <identity>
        <one id="sip:nora@example.net"/>
        <one id="tel:+49-30-555-0123"/>
        <one id="mailto:otto@example.org"/>
      </identity>
      <sphere value="work"/>
      <validity>
        <from>2026-01-01T09:00:00+01:00</from>
        <until>2026-01-01T17:30:00+01:00</until>
        <from>2026-01-02T09:00:00+01:00</from>
        <until>2026-01-02T17:30:00+01:00</until>
      </validity>
    </conditions>
    <actions/>
    <transformations/>
  </rule>
</ruleset>
"""

MANY = b"""<?xml version="1.0" encoding="UTF-8"?>
<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
  <rule id="everybody-but">
    <conditions>
      <identity>
        <many>
          <except domain="example.com"/>
          <except domain="example.org"/>
          <except id="sip:nora@shop.example.net"/>
          <except id="tel:+1-555-555-0187"/>
        </many>
      </identity>
    </conditions>
    <actions><pr:sub-handling>allow</pr:sub-handling></actions>
    <transformations/>
  </rule>
  <rule id="colleagues-but">
    <conditions>
      <identity>
        <many domain="example.com">
          <except id="sip:mina@example.com"/>
          <except id="sip:paul@example.com"/>
        </many>
      </identity>
    </conditions>
    <actions><pr:sub-handling>polite-block</pr:sub-handling></actions>
    <transformations/>
  </rule>
</ruleset>
"""

PRESENCE = b"""<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"
    xmlns:cr="urn:ietf:params:xml:ns:common-policy">
  <cr:rule id="friend">
    <cr:conditions>
      <cr:identity>
        <cr:one id="sip:nora@example.net"/>
      </cr:identity>
    </cr:conditions>
    <cr:actions>
      <pr:sub-handling>allow</pr:sub-handling>
    </cr:actions>
    <cr:transformations>
      <pr:provide-services>
        <pr:service-uri-scheme>sips</pr:service-uri-scheme>
        <pr:service-uri-scheme>xmpp</pr:service-uri-scheme>
      </pr:provide-services>
      <pr:provide-devices>
        <pr:deviceID>urn:uuid:8d9f0f1e-0000-4000-8000-00000000000a</pr:deviceID>
      </pr:provide-devices>
      <pr:provide-persons>
        <pr:all-persons/>
      </pr:provide-persons>
      <pr:provide-mood>true</pr:provide-mood>
      <pr:provide-place-type>false</pr:provide-place-type>
      <pr:provide-user-input>thresholds</pr:provide-user-input>
      <pr:provide-unknown-attribute ns="urn:example:weather" name="sky">true</pr:provide-unknown-attribute>
    </cr:transformations>
  </cr:rule>
</cr:ruleset>
"""

ANCHOR = "http://xcap.example.com/services/resource-lists/users/sip:ines@example.com/index/~~/resource-lists/"
OMA = f"""<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns:ocp="urn:oma:xml:xdm:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"
    xmlns:op="urn:oma:xml:prs:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">
  <cr:rule id="wp_prs_own">
    <cr:conditions><cr:identity><cr:one id="sip:ines@example.com"/></cr:identity></cr:conditions>
    <cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions>
    <cr:transformations>
      <pr:provide-services><pr:all-services/></pr:provide-services>
      <pr:provide-persons><pr:all-persons/></pr:provide-persons>
      <pr:provide-devices><pr:all-devices/></pr:provide-devices>
      <pr:provide-all-attributes/>
    </cr:transformations>
  </cr:rule>
  <cr:rule id="wp_prs_granted">
    <cr:conditions>
      <ocp:external-list><ocp:entry anc="{ANCHOR}list%5B@name=%22granted%22%5D"/></ocp:external-list>
    </cr:conditions>
    <cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions>
    <cr:transformations>
      <pr:provide-services><op:service-id>org.example:chat</op:service-id></pr:provide-services>
      <op:provide-willingness>true</op:provide-willingness>
      <op:provide-registration-state>false</op:provide-registration-state>
      <op:provide-geopriv>full</op:provide-geopriv>
    </cr:transformations>
  </cr:rule>
  <cr:rule id="wp_prs_blocked">
    <cr:conditions>
      <ocp:external-list><ocp:entry anc="{ANCHOR}list%5B@name=%22blocked%22%5D"/></ocp:external-list>
    </cr:conditions>
    <cr:actions><pr:sub-handling>block</pr:sub-handling></cr:actions>
  </cr:rule>
  <cr:rule id="wp_prs_anonymous">
    <cr:conditions><ocp:anonymous-request/></cr:conditions>
    <cr:actions><pr:sub-handling>block</pr:sub-handling></cr:actions>
  </cr:rule>
  <cr:rule id="wp_prs_unlisted">
    <cr:conditions><ocp:other-identity/></cr:conditions>
    <cr:actions><pr:sub-handling>confirm</pr:sub-handling></cr:actions>
  </cr:rule>
</cr:ruleset>
""".encode()
LISTS = b"""<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <list name="granted"><entry uri="sip:nora@example.net"><display-name>N</display-name></entry></list>
  <list name="blocked"><entry uri="sip:otto@example.org"/></list>
</resource-lists>
"""


def _ask(body: bytes, watcher: str, *, now: float = NOON, sphere: str = "", lists: Lists = NO_LISTS) -> Decision:
    return decide((read_rules(body),), Question(watcher=identity_of(watcher), now=now, sphere=sphere, lists=lists))


@pytest.mark.parametrize(
    ("watcher", "sphere", "hours", "matched"),
    [
        ("sip:nora@example.net", "work", 0, True),
        ("sip:+49305550123@example.net;user=phone", "work", 0, True),
        ("sip:nora@example.net", "work", 4.4, True),
        ("sip:nora@example.net", "work", 4.5, False),
        ("sip:nora@example.net", "work", 20, True),
        ("sip:nora@example.net", "home", 0, False),
        ("sip:nora@example.net", "", 0, False),
        ("sip:otto@example.org", "work", 0, False),
    ],
)
def test_common_policy_identity_sphere_and_validity(watcher: str, sphere: str, hours: float, matched: bool) -> None:
    decision = _ask(BASIC, watcher, now=NOON + hours * 3600, sphere=sphere)

    assert [(one.id, one.matched) for one in decision.rules] == [("k7", matched)]
    assert (decision.handling, decision.permissions) == (None, NOTHING)


def test_common_policy_boundaries_are_the_times_of_its_periods() -> None:
    rules = read_rules(BASIC)

    assert rules.uses_sphere
    assert next_change([rules], NOON) == NOON + 4.5 * 3600
    assert next_change([rules], NOON + 4.5 * 3600) == NOON + 20 * 3600


@pytest.mark.parametrize(
    ("watcher", "handling"),
    [
        ("sip:nora@example.net", Handling.ALLOW),
        ("sip:nora@shop.example.net", None),
        ("tel:+15555550187", None),
        ("sip:anybody@example.org", None),
        ("sip:rosa@example.com", Handling.POLITE_BLOCK),
        ("sip:mina@example.com", None),
        ("sip:mina@sub.example.com", Handling.ALLOW),
    ],
)
def test_common_policy_many_with_exceptions(watcher: str, handling: Handling | None) -> None:
    assert _ask(MANY, watcher).handling is handling


def test_presence_rules_selected_services_and_attributes() -> None:
    decision = _ask(PRESENCE, "sip:nora@example.net")

    assert decision.handling is Handling.ALLOW
    assert decision.permissions == Permissions(
        services=frozenset({Selector("service-uri-scheme", "sips"), Selector("service-uri-scheme", "xmpp")}),
        devices=frozenset({Selector("deviceID", "urn:uuid:8d9f0f1e-0000-4000-8000-00000000000a")}),
        persons=frozenset({ALL}),
        attributes=frozenset({"mood"}),
        user_input=UserInput.THRESHOLDS,
        unknown=frozenset({("urn:example:weather", "sky")}),
    )


def test_presence_rules_others_get_nothing() -> None:
    decision = _ask(PRESENCE, "sip:otto@example.net")

    assert (decision.handling, decision.permissions) == (None, NOTHING)


@pytest.mark.parametrize(
    ("watcher", "handling", "rule"),
    [
        ("sip:ines@example.com", Handling.ALLOW, "wp_prs_own"),
        ("sip:nora@example.net", Handling.ALLOW, "wp_prs_granted"),
        ("sip:otto@example.org", Handling.BLOCK, "wp_prs_blocked"),
        ("sip:anonymous@anonymous.invalid", Handling.BLOCK, "wp_prs_anonymous"),
        ("sip:rosa@example.com", Handling.CONFIRM, "wp_prs_unlisted"),
    ],
)
def test_oma_rules_every_watcher_has_its_rule(watcher: str, handling: Handling, rule: str) -> None:
    decision = _ask(OMA, watcher, lists=read_lists({"index": LISTS}, "sip:ines@example.com"))

    assert decision.handling is handling
    assert [one.id for one in decision.rules if one.matched] == [rule]


def test_oma_rules_what_a_granted_contact_is_provided() -> None:
    decision = _ask(OMA, "sip:nora@example.net", lists=read_lists({"index": LISTS}, "sip:ines@example.com"))

    assert decision.permissions == Permissions(
        services=frozenset({Selector("service-id", "org.example:chat")}),
        attributes=frozenset({"willingness", "geopriv"}),
    )


def test_oma_rules_without_the_lists_contacts_are_others() -> None:
    assert _ask(OMA, "sip:otto@example.org").handling is Handling.CONFIRM
