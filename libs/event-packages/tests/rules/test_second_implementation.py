"""The engine against a second one: slow, literal, straight from the XML, with nothing of the engine in it.

It follows the RFCs sentence by sentence (RFC 4745 §7 and §10, RFC 5025 §3, RFC 4826 §3); of the engine it has only the
types of the answer.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_packages.rules.identity import identity_of, same
from event_packages.rules.lists import read_lists
from event_packages.rules.permissions import Permissions, Selector, UserInput
from event_packages.rules.testing import ask, ruleset

NS = {
    "cp": "urn:ietf:params:xml:ns:common-policy",
    "pr": "urn:ietf:params:xml:ns:pres-rules",
    "oc": "urn:oma:xml:xdm:common-policy",
    "op": "urn:oma:xml:prs:pres-rules",
    "rl": "urn:ietf:params:xml:ns:resource-lists",
}
WORDS = {"block": 0, "0": 0, "confirm": 10, "10": 10, "polite-block": 20, "20": 20, "allow": 30, "30": 30}
LISTS = f"""<resource-lists xmlns="{NS["rl"]}"><list name="friends"><entry uri="sip:bob@Example.com"/>
<list name="close"><entry uri="tel:+1-555-0100"/></list></list><list name="none"/></resource-lists>"""


@dataclass
class Somebody:
    address: str
    number: str
    domain: str
    anonymous: bool


def somebody(uri: str) -> Somebody | None:
    uri = uri.strip()
    if tel := re.fullmatch(r"tel:(\+[0-9.()-]+)", uri):
        digits = re.sub("[^0-9+]", "", tel[1])
        return Somebody("tel:" + digits, digits, "", False)
    if not (sip := re.fullmatch(r"sips?:([^@;]+)@([A-Za-z0-9.-]+)(?::[0-9]+)?((?:;[a-z]+=[a-z]+)*)", uri)):
        return None
    user, domain = unquote(sip[1]), sip[2].lower()
    number = re.sub("[^0-9+]", "", user) if ";user=phone" in sip[3] else ""
    return Somebody(f"{user}@{domain}", number, domain, domain == "anonymous.invalid")


def is_same(uri: str, watcher: Somebody) -> bool:
    other = somebody(uri)
    return other is not None and (
        other.address == watcher.address or (other.number != "" and other.number == watcher.number)
    )


def in_many(many: Element, watcher: Somebody) -> bool:
    if "domain" in many.attrib and many.attrib["domain"].lower() != watcher.domain:
        return False
    for child in many:
        if child.tag != f"{{{NS['cp']}}}except" or not child.attrib:
            return False
        if "id" in child.attrib and (somebody(child.attrib["id"]) is None or is_same(child.attrib["id"], watcher)):
            return False
        if "domain" in child.attrib and child.attrib["domain"].lower() == watcher.domain:
            return False
    return True


def in_identity(identity: Element, watcher: Somebody) -> bool:
    return not watcher.anonymous and (
        any(is_same(one.get("id", ""), watcher) for one in identity.findall("cp:one", NS))
        or any(in_many(many, watcher) for many in identity.findall("cp:many", NS))
    )


def in_list(anchor: str, watcher: Somebody) -> bool:
    path = ElementTree.fromstring(LISTS)
    steps = re.findall(r'list\[@name="(\w+)"\]', unquote(anchor).partition("~~")[2])
    found = path.find("/".join(f"rl:list[@name='{name}']" for name in steps), NS)
    if found is None or watcher.anonymous or "sip:alice@" not in anchor:
        return False
    return any(is_same(entry.attrib["uri"], watcher) for entry in found.iter(f"{{{NS['rl']}}}entry"))


def in_time(validity: Element, now: float) -> bool:
    times = [child.text or "" for child in validity]
    try:
        parsed = [datetime.fromisoformat(time) for time in times]
    except ValueError:
        return False
    epochs = [(time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() for time in parsed]
    return any(epochs[at] <= now < epochs[at + 1] for at in range(0, len(epochs), 2))


def is_named(condition: Element, watcher: Somebody) -> bool | None:
    """Whether a condition means the watcher; None for one that says nothing of watchers."""
    if condition.tag == f"{{{NS['cp']}}}identity":
        return in_identity(condition, watcher)
    if condition.tag == f"{{{NS['oc']}}}external-list":
        return any(in_list(entry.get("anc", ""), watcher) for entry in condition.findall("oc:entry", NS))
    if condition.tag == f"{{{NS['oc']}}}anonymous-request":
        return watcher.anonymous
    return None


def is_true(condition: Element, watcher: Somebody, now: float, sphere: str, named: bool) -> bool:
    if (answer := is_named(condition, watcher)) is not None:
        return answer
    if condition.tag == f"{{{NS['cp']}}}sphere":
        return sphere != "" and condition.get("value") == sphere
    if condition.tag == f"{{{NS['cp']}}}validity":
        return in_time(condition, now)
    return condition.tag == f"{{{NS['oc']}}}other-identity" and not watcher.anonymous and not named


def names(rule: Element, watcher: Somebody) -> bool:
    answers = [is_named(condition, watcher) for condition in rule.findall("cp:conditions/*", NS)]
    said = [answer for answer in answers if answer is not None]
    return bool(said) and all(said)


def selectors(rules: list[Element], kind: str) -> frozenset[Selector]:
    children = [child for rule in rules for child in rule.findall(f"cp:transformations/pr:provide-{kind}/*", NS)]
    locals_ = [(child.tag.partition("}")[2], (child.text or "").strip()) for child in children]
    return frozenset(Selector("all") if name == f"all-{kind}" else Selector(name, text) for name, text in locals_)


def said(rules: list[Element], path: str) -> list[Element]:
    found = [child for rule in rules for child in rule.findall(f"cp:transformations/{path}", NS)]
    return [child for child in found if (child.text or "").strip() in ("true", "1")]


def provided(rules: list[Element]) -> Permissions:
    every = any(rule.find("cp:transformations/pr:provide-all-attributes", NS) is not None for rule in rules)
    booleans = said(rules, "pr:*") + said(rules, "op:*")
    names_ = {child.tag.partition("}provide-")[2] for child in booleans} - {"unknown-attribute", "user-input"}
    inputs = [child for rule in rules for child in rule.findall("cp:transformations/pr:provide-user-input", NS)]
    levels = [UserInput[(child.text or "").upper()] for child in inputs]
    unknown = said(rules, "pr:provide-unknown-attribute")
    return Permissions(
        services=selectors(rules, "services"),
        persons=selectors(rules, "persons"),
        devices=selectors(rules, "devices"),
        attributes=frozenset(names_ | ({"all-attributes"} if every else set())),
        user_input=max([*levels, UserInput.FULL if every else UserInput.FALSE]),
        unknown=frozenset((child.attrib["ns"], child.attrib["name"]) for child in unknown),
    )


def decided(document: bytes, uri: str, now: float, sphere: str) -> tuple[list[bool], int | None, Permissions]:
    rules = ElementTree.fromstring(document).findall("cp:rule", NS)
    watcher = somebody(uri)
    assert watcher is not None
    named = any(names(rule, watcher) for rule in rules)
    matched = [
        "id" in rule.attrib
        and all(is_true(one, watcher, now, sphere, named) for one in rule.findall("cp:conditions/*", NS))
        for rule in rules
    ]
    matching = [rule for rule, one in zip(rules, matched, strict=True) if one]
    words = [(word.text or "").strip() for rule in matching for word in rule.findall("cp:actions/pr:sub-handling", NS)]
    return matched, max((WORDS[word] for word in words if word in WORDS), default=None), provided(matching)


HERE = "http://xcap.example.com/root/resource-lists/users/sip:alice@example.com/index/~~/resource-lists"
URIS = (
    "sip:bob@example.com",
    "sips:b%6fb@EXAMPLE.com;transport=tcp",
    "sip:Bob@example.com",
    "sip:bob@example.net",
    "sip:carol@example.org",
    "tel:+1-555-0100",
    "sip:+1(555)0100@example.com;user=phone",
    "sip:+15550100@example.com",
    "sip:bob@anonymous.invalid",
)
BROKEN = ("", "bob@example.com", "sip:", "mailto:bob@example.com")
DOMAINS = ("example.com", "EXAMPLE.com", "example.net", "xample.com", "com")
ANCHORS = (
    f"{HERE}/list%5B@name=%22friends%22%5D",
    f"{HERE}/list%5B@name=%22friends%22%5D/list%5B@name=%22close%22%5D",
    f"{HERE}/list%5B@name=%22none%22%5D",
    f"{HERE}/list%5B@name=%22missing%22%5D",
    f"{HERE}/list%5B@name=%22friends%22%5D".replace("alice", "mallory"),
)
TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T01:30:00.5+02:00", "2026-01-01T00:00:00-01:00", "2026-01-01T02:00:00", "x")
NOWS = (1767225600.0, 1767223800.5, 1767229199.9, 1767232800.0, 0.0)
SPHERES = ("", "work", "home")

ids = st.sampled_from(URIS + BROKEN)
excepts = st.one_of(
    ids.map(lambda id_: f'<cp:except id="{id_}"/>'),
    st.sampled_from(DOMAINS).map(lambda domain: f'<cp:except domain="{domain}"/>'),
    st.sampled_from(("<cp:except/>", "<oc:except/>", "<!-- -->")),
)
manies = st.builds(
    lambda domain, inside: f"<cp:many{domain}>{''.join(inside)}</cp:many>",
    st.sampled_from(("", *(f' domain="{domain}"' for domain in DOMAINS))),
    st.lists(excepts, max_size=2),
)
identities = st.lists(ids.map(lambda id_: f'<cp:one id="{id_}"/>') | manies, max_size=3).map(
    lambda inside: f"<cp:identity>{''.join(inside)}</cp:identity>"
)
lists = st.lists(st.sampled_from(ANCHORS), max_size=2).map(
    lambda anchors: (
        f"<oc:external-list>{''.join(f'<oc:entry anc={anchor!r}/>' for anchor in anchors)}</oc:external-list>"
    )
)
validities = st.lists(st.tuples(*[st.sampled_from(TIMES)] * 2), min_size=1, max_size=2).map(
    lambda pairs: (
        f"<cp:validity>{''.join(f'<cp:from>{start}</cp:from><cp:until>{end}</cp:until>' for start, end in pairs)}"
        "</cp:validity>"
    )
)
spheres = st.sampled_from(SPHERES).map(lambda sphere: f'<cp:sphere value="{sphere}"/>')
flags = st.sampled_from(("<oc:anonymous-request/>", "<oc:other-identity/>", "<pr:x/>"))
conditions = identities | lists | validities | spheres | flags
PROVIDES = (
    "<pr:provide-services><pr:all-services/></pr:provide-services>",
    "<pr:provide-services><pr:class>a</pr:class><op:service-id>b</op:service-id></pr:provide-services>",
    "<pr:provide-persons><pr:occurrence-id>c</pr:occurrence-id></pr:provide-persons>",
    "<pr:provide-devices><pr:deviceID>d</pr:deviceID><pr:all-devices/></pr:provide-devices>",
    "<pr:provide-mood>true</pr:provide-mood><pr:provide-note>false</pr:provide-note>",
    "<op:provide-willingness> 1 </op:provide-willingness>",
    "<pr:provide-user-input>bare</pr:provide-user-input>",
    "<pr:provide-user-input>thresholds</pr:provide-user-input>",
    '<pr:provide-unknown-attribute ns="urn:x" name="y">true</pr:provide-unknown-attribute>',
    "<pr:provide-all-attributes/>",
)
HEADS = ('<cp:rule id="a">', '<cp:rule id="a">', '<cp:rule id="a">', "<cp:rule>")


rules = st.builds(
    lambda head, inside, word, given_: (
        f"{head}<cp:conditions>{''.join(inside)}</cp:conditions><cp:actions><pr:sub-handling>{word}"
        f"</pr:sub-handling></cp:actions><cp:transformations>{''.join(given_)}</cp:transformations></cp:rule>"
    ),
    st.sampled_from(HEADS),
    st.lists(conditions, max_size=2),
    st.sampled_from((*WORDS, " allow\n", "allowed", "")),
    st.lists(st.sampled_from(PROVIDES), max_size=2),
)


OWN_LISTS = read_lists({"/root/resource-lists/users/sip:alice@example.com/index": LISTS.encode()})


@settings(max_examples=400, deadline=None)
@given(st.lists(rules, max_size=4), st.sampled_from(URIS), st.sampled_from(NOWS), st.sampled_from(SPHERES))
def test_decide_random_rules_as_the_second_implementation(
    document: list[str], watcher: str, now: float, sphere: str
) -> None:
    decision = ask(*document, watcher=watcher, now=now, sphere=sphere, lists=OWN_LISTS)

    matched = [one.matched for one in decision.rules]
    expected = decided(ruleset(*document), watcher, now, sphere)
    assert (matched, decision.handling, decision.permissions) == expected
    assert matched == [one.why == "" for one in decision.rules]


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("other", URIS)
def test_same_every_pair_as_the_second_implementation(uri: str, other: str) -> None:
    watcher = somebody(other)

    assert watcher is not None
    assert same(identity_of(uri), identity_of(other)) == is_same(uri, watcher)
