"""Print what documents of rules that are meant to hurt cost to read and to decide, as a Markdown table.

    python bench/bad_rules.py [runs]

Times are CPU milliseconds, the best of several runs, with Python's caches of addresses as full as the document left
them.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time_ns
from typing import TypeVar

from event_packages.errors import BadRequest
from event_packages.rules.decision import Decision, Question, decide
from event_packages.rules.identity import identity_of
from event_packages.rules.reading import read_rules
from event_packages.rules.ruleset import Ruleset
from event_packages.rules.testing import many, one, rule, ruleset, validity

T = TypeVar("T")

WATCHER = identity_of("sip:watcher@example.com")
USUAL = (
    rule(one("sip:bob@example.com"), provides="<pr:provide-all-attributes/>", id="a"),
    rule(one("sip:watcher@example.com", "sip:carol@example.com"), provides="<pr:provide-mood>true</pr:provide-mood>"),
    rule(many('<cp:except id="sip:eve@example.com"/>', "example.com"), handling="confirm", id="c"),
    rule('<cp:sphere value="work"/>', handling="polite-block", id="d"),
    rule(validity(("2026-01-01T00:00:00Z", "2026-02-01T00:00:00+01:00")), handling="block", id="e"),
)


def documents() -> Iterator[tuple[str, bytes]]:
    """Return names and documents; the first is a usual one, for comparison."""
    yield "usual: 5 rules", ruleset(*USUAL)
    yield (
        "200 kB: one rule with 5,000 identities",
        _one_rule(f'<cp:one id="sip:user{at}@example.com"/>' for at in range(5_000)),
    )
    yield "2,000 rules", ruleset(*(rule(one(f"sip:user{at}@example.com"), id=f"r{at}") for at in range(2_000)))
    yield "1,600 rules that all match", ruleset(*(_generous(at) for at in range(1_600)))
    yield "10,000 rules, small", ruleset(*(f'<cp:rule id="r{at}"/>' for at in range(10_000)))
    yield "10,000 rules", ruleset(*(rule(one(f"sip:user{at}@example.com"), id=f"r{at}") for at in range(10_000)))
    yield "10,000 except ids", ruleset(rule(many(_excepts(10_000))))
    yield "19,000 except ids, 1 MB", ruleset(rule(many(_excepts(19_000))))
    yield (
        "9,000 domains, each with an exception",
        _one_rule(
            f'<cp:many domain="d{at}.example"><cp:except id="sip:a@d{at}.example"/></cp:many>' for at in range(9_000)
        ),
    )
    yield (
        "9,000 validity periods",
        ruleset(rule(validity(*[("2025-01-01T00:00:00.5+01:00", "2025-01-01T00:00:01-01:00")] * 9_000))),
    )
    anchors = "".join(map(_entry, range(9_000)))
    yield "9,000 anchors of lists", ruleset(rule(f"<oc:external-list>{anchors}</oc:external-list>"))
    yield (
        "other-identity, 1,999 rules that name others",
        ruleset(
            *(rule(one(f"sip:user{at}@example.com"), id=f"r{at}") for at in range(1_999)), rule("<oc:other-identity/>")
        ),
    )
    yield "an id of 900 kB", ruleset(rule(one(f"sip:{'a' * 900_000}@example.com")))
    yield "an id of 900 kB of escapes", ruleset(rule(one(f"sip:{'%41' * 300_000}@example.com")))
    yield "a number of 900 kB", ruleset(rule(one(f"tel:+{'1-' * 450_000}1")))
    yield "a time of 900 kB", ruleset(rule(validity(("2025-01-01T00:00:00Z", f"2025-01-01T00:00:00.{'1' * 900_000}Z"))))
    yield "a rule's name of 900 kB", ruleset(rule(many(), id="a" * 900_000))
    yield "nested 30 deep", ruleset(rule(_nested(26)))
    yield "nested 1,000 deep", ruleset(rule(_nested(1_000)))
    yield "9,000 comments between rules", ruleset(*["<!-- -->"] * 9_000, *USUAL)
    yield "document type", b"<!DOCTYPE ruleset>" + ruleset(*USUAL)
    yield "billion laughs", _laughs() + ruleset(rule(many(), provides="&l9;"))
    yield "wrong namespace", ruleset(*USUAL).replace(b"ns:common-policy", b"ns:uncommon-policy")
    yield "cut off", ruleset(*USUAL)[:-20]
    yield "over 1 MB", ruleset(*USUAL, "<!-- " + "x" * 1_000_000 + " -->")


def main(runs: int) -> None:
    """Measure every document and print one row for each."""
    print("| document | bytes | outcome | CPU ms to read | CPU ms to decide |")
    print("|---|---:|---|---:|---:|")
    for name, body in documents():
        reading, answer = _best(partial(_read, body), runs)
        if isinstance(answer, Ruleset):
            question = Question(watcher=WATCHER, now=0.0)
            times = max(1, 2_000 // max(1, len(answer.rules)))
            deciding, decision = _best(partial(decide, (answer,), question), runs, times)
            cells = f"decided: {_handling(decision)} | {reading:.3f} | {deciding:.4f}"
        else:
            cells = f"{answer} | {reading:.3f} | "
        print(f"| {name} | {len(body):,} | {cells} |")


def _handling(decision: Decision) -> str:
    return "no rule matches" if decision.handling is None else decision.handling.name.lower()


def _best(work: Callable[[], T], runs: int, times: int = 1) -> tuple[float, T]:
    """Return CPU milliseconds of one call, the best of some runs, and what the call returned."""
    best, answer = float("inf"), work()
    for _ in range(runs):
        gc.collect()
        start = process_time_ns()
        for _ in range(times):
            work()
        best = min(best, (process_time_ns() - start) / times / 1e6)
    return best, answer


def _read(body: bytes) -> Ruleset | str:
    try:
        return read_rules(body)
    except BadRequest as error:
        return f"refused: {error.why}"


def _one_rule(identities: Iterator[str]) -> bytes:
    return ruleset(rule(f"<cp:identity>{''.join(identities)}</cp:identity>"))


def _generous(at: int) -> str:
    inside = "".join(f"<pr:class>c{at}.{part}</pr:class>" for part in range(4))
    return rule(many(), provides=f"<pr:provide-services>{inside}</pr:provide-services>", id=f"r{at}")


def _excepts(count: int) -> str:
    return "".join(f'<cp:except id="sip:user{at}@example.com"/>' for at in range(count))


def _entry(at: int) -> str:
    path = "resource-lists/users/sip:a@example.com/index/~~/resource-lists"
    return f'<oc:entry anc="{path}/list%5B@name=%22{at}%22%5D"/>'


def _nested(depth: int) -> str:
    return "<cp:x>" * depth + "</cp:x>" * depth


def _laughs() -> bytes:
    entities = "".join(_entity(at) for at in range(10))
    return f"<!DOCTYPE ruleset [{entities}]>".encode()


def _entity(at: int) -> str:
    text = f"&l{at - 1};" * 10 if at else "ha"
    return f'<!ENTITY l{at} "{text}">'


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
