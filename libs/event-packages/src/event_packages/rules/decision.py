"""What rules decide for one watcher (RFC 4745 §10, RFC 5025 §3.2, OMA-TS-Presence_SIMPLE_XDM §5.1).

Rule 1: every rule that matches counts: the highest handling, and all permissions together.
Rule 2: what is missing, unknown or unreadable makes a rule fail; no rule is no permission.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from event_packages.rules.identity import Identity
from event_packages.rules.lists import NO_LISTS, Lists
from event_packages.rules.permissions import NOTHING, Permissions, join
from event_packages.rules.ruleset import Handling, Rule, Ruleset

__all__ = ["Decision", "Handling", "Question", "RuleOutcome", "decide", "next_change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who watches, when (epoch seconds), and what is known of the presentity."""

    watcher: Identity
    now: float
    sphere: str = ""
    lists: Lists = NO_LISTS


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOutcome:
    """What one rule gives the watcher, and why nothing."""

    id: str
    matched: bool
    why: str = ""
    """The condition that is not true, in words; "" when the rule matches."""
    handling: Handling | None = None
    permissions: Permissions = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What all rules together give."""

    handling: Handling | None = None
    """None: no rule matches, or none that does says how the subscription is handled."""
    permissions: Permissions = NOTHING
    rules: tuple[RuleOutcome, ...] = ()


def decide(rulesets: Sequence[Ruleset], question: Question) -> Decision:
    """Return what rules give a watcher; nothing when there are none."""
    named = _Named(rulesets, question)
    outcomes = tuple(_outcome(rule, question, named) for ruleset in rulesets for rule in ruleset.rules)
    matching = [outcome for outcome in outcomes if outcome.matched]
    return Decision(
        handling=max((one.handling for one in matching if one.handling is not None), default=None),
        permissions=join([one.permissions for one in matching]),
        rules=outcomes,
    )


def next_change(rulesets: Sequence[Ruleset], now: float) -> float | None:
    """Return when a validity begins or ends next after `now`, in epoch seconds."""
    changes = (ruleset.next_change(now) for ruleset in rulesets)
    return min((change for change in changes if change is not None), default=None)


class _Named:
    """Whether some rule says by itself that the watcher is meant; asked only where OMA's `other-identity` is."""

    __slots__ = ("_answer", "_question", "_rulesets")

    def __init__(self, rulesets: Sequence[Ruleset], question: Question) -> None:
        self._rulesets, self._question = rulesets, question
        self._answer: bool | None = None

    def __call__(self) -> bool:
        if self._answer is None:
            rules = (rule for ruleset in self._rulesets for rule in ruleset.rules)
            self._answer = any(rule.names_watchers and not _not_meant(rule, self._question) for rule in rules)
        return self._answer


def _outcome(rule: Rule, question: Question, named: _Named) -> RuleOutcome:
    why = _failure(rule, question, named)
    if why:
        return RuleOutcome(id=rule.id, matched=False, why=why)
    return RuleOutcome(id=rule.id, matched=True, handling=rule.handling, permissions=rule.permissions)


def _failure(rule: Rule, question: Question, named: _Named) -> str:
    """Return the first condition that is not true, in words."""
    if rule.unreadable:
        return rule.unreadable
    if rule.unknown:
        return f"{rule.unknown}: a condition that is not known"
    return _not_meant(rule, question) or _not_now(rule, question) or (_not_other(question, named) if rule.other else "")


def _not_meant(rule: Rule, question: Question) -> str:
    """Return why the watcher is none of those whom a rule names."""
    watcher = question.watcher
    for condition in rule.identity:
        if why := condition.failure(watcher):
            return why
    for anchors in rule.external:
        if not any(question.lists.contains(anchor, watcher) for anchor in anchors):
            return f"external-list: {watcher.aor} is in none of the lists"
    if rule.anonymous and not watcher.anonymous:
        return f"anonymous-request: {watcher.aor} is not anonymous"
    return ""


def _not_now(rule: Rule, question: Question) -> str:
    for sphere in rule.sphere:
        if why := sphere.failure(question.sphere):
            return why
    for validity in rule.validity:
        if why := validity.failure(question.now):
            return why
    return ""


def _not_other(question: Question, named: _Named) -> str:
    if question.watcher.anonymous:
        return "other-identity: the watcher is anonymous"
    return f"other-identity: a rule names {question.watcher.aor}" if named() else ""
