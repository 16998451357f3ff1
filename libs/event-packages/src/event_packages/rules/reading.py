"""Reading rule documents: common policy with presence rules, IETF's and OMA's mixed (RFC 4745 §13, RFC 5025 §5).

Rule 1: a document that is none is refused as a whole; a rule that cannot be read never matches, and spoils no other.
"""

from event_packages.errors import BadRequest
from event_packages.rules.conditions import Conditions
from event_packages.rules.identity import XML_SPACE
from event_packages.rules.names import COMMON_POLICY, OMA_COMMON_POLICY
from event_packages.rules.ruleset import Rule, Ruleset, shown
from event_packages.rules.transformations import handling_of, permissions_of
from event_packages.xml import Element, local_name, parse

MAX_RULES = 2_000
"""In a document; every one is asked for every watcher."""

_PARTS = frozenset(f"{COMMON_POLICY}{name}" for name in ("conditions", "actions", "transformations"))
_POLICY = frozenset({"{}", COMMON_POLICY, OMA_COMMON_POLICY})


def read_rules(body: bytes) -> Ruleset:
    """Return the rules of a document; raise BadRequest for what is none, has a DTD, or is too large."""
    root = parse(body)
    if root.tag != f"{COMMON_POLICY}ruleset":
        raise BadRequest("not a ruleset of common policy")
    elements = root.findall(f"{COMMON_POLICY}rule")
    if len(elements) > MAX_RULES:
        raise BadRequest(f"more than {MAX_RULES} rules")
    rules = tuple(_rule(element) for element in elements)
    return Ruleset(rules=rules, uses_sphere=any(rule.sphere for rule in rules), boundaries=_boundaries(rules))


def _rule(element: Element) -> Rule:
    id_ = str(element.get("id", "")).strip(XML_SPACE)
    conditions = Conditions()
    for child in element.iterchildren(f"{COMMON_POLICY}conditions"):
        for condition in child:
            conditions.add(condition)
    return Rule(
        id=id_,
        unreadable=_unreadable(element) or ("" if id_ else "a rule without an id"),
        identity=tuple(conditions.identity),
        external=tuple(conditions.external),
        anonymous=conditions.anonymous,
        other=conditions.other,
        sphere=tuple(conditions.sphere),
        validity=tuple(conditions.validity),
        unknown=conditions.unknown,
        handling=handling_of(element.iterchildren(f"{COMMON_POLICY}actions")),
        permissions=permissions_of(element.iterchildren(f"{COMMON_POLICY}transformations")),
    )


def _unreadable(element: Element) -> str:
    """Return what may have been meant as a condition but is none; extensions of others are left alone."""
    for child in element:
        namespace, name = local_name(child)
        if child.tag not in _PARTS and (f"{{{namespace}}}" in _POLICY or name.startswith("condition")):
            return f"{shown(name)} of namespace {shown(namespace)} is not a part of a rule"
    return ""


def _boundaries(rules: tuple[Rule, ...]) -> tuple[float, ...]:
    periods = (period for rule in rules for validity in rule.validity for period in validity.periods)
    return tuple(sorted({time for period in periods for time in period}))
