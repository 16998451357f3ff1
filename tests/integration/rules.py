"""Presence rules that tests store and change (RFC 4745, RFC 5025)."""

from collections.abc import Iterable

COMMON_POLICY = "urn:ietf:params:xml:ns:common-policy"
PRES_RULES = "urn:ietf:params:xml:ns:pres-rules"
SERVICES = "<pr:provide-services><pr:all-services/></pr:provide-services>"
EVERYTHING = (
    SERVICES
    + "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"
    + "<pr:provide-devices><pr:all-devices/></pr:provide-devices>"
    + "<pr:provide-all-attributes/>"
)
NOTES = SERVICES + "<pr:provide-note>true</pr:provide-note>"
"""Services with their notes, neither persons nor devices."""
GARBAGE = b"<cr:ruleset xmlns:cr='urn:ietf:params:xml:ns:common-policy'><cr:rule id='a'>"


def ruleset(*rules: str) -> bytes:
    """Return a document with these rules."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<cr:ruleset xmlns:cr="{COMMON_POLICY}" xmlns:pr="{PRES_RULES}">{"".join(rules)}</cr:ruleset>'
    ).encode()


def rule(conditions: str, handling: str, *, provides: str = "", id_: str = "a") -> str:
    """Return a rule."""
    return (
        f'<cr:rule id="{id_}"><cr:conditions>{conditions}</cr:conditions>'
        f"<cr:actions><pr:sub-handling>{handling}</pr:sub-handling></cr:actions>"
        f"<cr:transformations>{provides}</cr:transformations></cr:rule>"
    )


def one(*uris: str) -> str:
    """Return the condition that it is one of these."""
    ones = "".join(f'<cr:one id="{uri}"/>' for uri in uris)
    return f"<cr:identity>{ones}</cr:identity>"


def many(*, but: Iterable[str] = ()) -> str:
    """Return the condition that it is anybody but these."""
    excepted = "".join(f'<cr:except id="{uri}"/>' for uri in but)
    return f"<cr:identity><cr:many>{excepted}</cr:many></cr:identity>"


def validity(begin: str, end: str) -> str:
    """Return the condition of a time; both are RFC 3339."""
    return f"<cr:validity><cr:from>{begin}</cr:from><cr:until>{end}</cr:until></cr:validity>"


def allow(*uris: str, provides: str = EVERYTHING) -> bytes:
    """Return rules that allow these watchers."""
    return ruleset(rule(one(*uris), "allow", provides=provides))


def handle(handling: str, *uris: str) -> bytes:
    """Return rules that handle these watchers in such a way."""
    return ruleset(rule(one(*uris), handling))
