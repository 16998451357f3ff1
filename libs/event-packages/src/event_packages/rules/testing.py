"""Documents of rules, and questions to them: for tests alone."""

from event_packages.rules.decision import Decision, Question, decide
from event_packages.rules.identity import identity_of
from event_packages.rules.lists import NO_LISTS, Lists
from event_packages.rules.reading import read_rules

DECLARATIONS = (
    'xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" '
    'xmlns:oc="urn:oma:xml:xdm:common-policy" xmlns:op="urn:oma:xml:prs:pres-rules"'
)
"""Of the prefixes cp, pr, oc and op."""


def ruleset(*rules: str) -> bytes:
    """Return a document."""
    return f"<cp:ruleset {DECLARATIONS}>{''.join(rules)}</cp:ruleset>".encode()


def rule(conditions: str | None = "", *, handling: str | None = "allow", provides: str = "", id: str = "a") -> str:
    """Return a rule; None, or "" for what it provides, leaves an element out."""
    parts = [
        "" if conditions is None else f"<cp:conditions>{conditions}</cp:conditions>",
        "" if handling is None else f"<cp:actions><pr:sub-handling>{handling}</pr:sub-handling></cp:actions>",
        f"<cp:transformations>{provides}</cp:transformations>" if provides else "",
    ]
    return f'<cp:rule id="{id}">{"".join(parts)}</cp:rule>'


def one(*uris: str) -> str:
    """Return a condition that these watchers fulfil."""
    inside = "".join(f'<cp:one id="{uri}"/>' for uri in uris)
    return f"<cp:identity>{inside}</cp:identity>"


def many(inside: str = "", domain: str = "") -> str:
    """Return a condition that everybody, or all of a domain, fulfils but for exceptions inside."""
    attribute = f' domain="{domain}"' if domain else ""
    return f"<cp:identity><cp:many{attribute}>{inside}</cp:many></cp:identity>"


def validity(*pairs: tuple[str, str]) -> str:
    """Return a condition that is true within one of these periods."""
    inside = "".join(f"<cp:from>{start}</cp:from><cp:until>{end}</cp:until>" for start, end in pairs)
    return f"<cp:validity>{inside}</cp:validity>"


def ask(
    *rules: str, watcher: str = "sip:bob@example.com", now: float = 0, sphere: str = "", lists: Lists = NO_LISTS
) -> Decision:
    """Return what one document of rules decides."""
    question = Question(watcher=identity_of(watcher), now=now, sphere=sphere, lists=lists)
    return decide([read_rules(ruleset(*rules))], question)
