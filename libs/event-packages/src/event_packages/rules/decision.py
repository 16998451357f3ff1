"""What rules decide for one watcher (RFC 4745 §10, RFC 5025 §3.2, OMA-TS-Presence_SIMPLE_XDM §5.1).

Rule 1: every rule that matches counts: the highest handling, and all permissions together.
Rule 2: what is missing, unknown or unreadable makes a rule fail; no rule is no permission.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from event_packages.rules.anchors import Anchor
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
    asked = _Asked(rulesets, question)
    outcomes = tuple(_outcome(rule, asked) for ruleset in rulesets for rule in ruleset.rules)
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


class _Asked:
    """A question, with what several rules may want to know of it: found out when the first one does."""

    __slots__ = ("_holding", "_named", "_rulesets", "lists", "now", "sphere", "watcher")

    def __init__(self, rulesets: Sequence[Ruleset], question: Question) -> None:
        self.watcher, self.now = question.watcher, question.now
        self.sphere, self.lists = question.sphere, question.lists
        self._rulesets = rulesets
        self._holding: set[int | None] | None = None
        self._named: bool | None = None

    def listed(self, anchors: Sequence[Anchor]) -> bool:
        """Return whether the watcher is in one of these lists."""
        if self._holding is None:
            self._holding = self.lists.holding(self.watcher)
        holding = self._holding
        return bool(holding) and any(self.lists.index_of(anchor) in holding for anchor in anchors)

    def named(self) -> bool:
        """Return whether a rule of any document says by itself that the watcher is meant."""
        if self._named is None:
            rules = (rule for ruleset in self._rulesets for rule in ruleset.rules)
            self._named = any(rule.names_watchers and not _not_meant(rule, self) for rule in rules)
        return self._named


def _outcome(rule: Rule, asked: _Asked) -> RuleOutcome:
    why = _failure(rule, asked)
    if why:
        return RuleOutcome(id=rule.id, matched=False, why=why)
    return RuleOutcome(id=rule.id, matched=True, handling=rule.handling, permissions=rule.permissions)


def _failure(rule: Rule, asked: _Asked) -> str:
    """Return the first condition that is not true, in words."""
    if rule.unreadable:
        return rule.unreadable
    if rule.unknown:
        return f"{rule.unknown}: a condition that is not known"
    return _not_meant(rule, asked) or _not_now(rule, asked) or (_not_other(asked) if rule.other else "")


def _not_meant(rule: Rule, asked: _Asked) -> str:
    """Return why the watcher is none of those whom a rule names."""
    watcher = asked.watcher
    for condition in rule.identity:
        if why := condition.failure(watcher):
            return why
    for anchors in rule.external:
        if not asked.listed(anchors):
            return f"external-list: {watcher.aor} is in none of the lists"
    if rule.anonymous and not watcher.anonymous:
        return f"anonymous-request: {watcher.aor} is not anonymous"
    return ""


def _not_now(rule: Rule, asked: _Asked) -> str:
    for sphere in rule.sphere:
        if why := sphere.failure(asked.sphere):
            return why
    for validity in rule.validity:
        if why := validity.failure(asked.now):
            return why
    return ""


def _not_other(asked: _Asked) -> str:
    if asked.watcher.anonymous:
        return "other-identity: the watcher is anonymous"
    return f"other-identity: a rule names {asked.watcher.aor}" if asked.named() else ""
