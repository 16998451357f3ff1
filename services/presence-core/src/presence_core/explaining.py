"""Why a lamp is dark: what is decided about a watcher, by which rules, and what it does not get to see."""

from pydantic import BaseModel, Field

from event_packages.base import EventPackage, View
from event_packages.errors import Forbidden
from event_packages.rules.decision import Decision, next_change
from event_packages.rules.permissions import Permissions
from presence_core.assembly import Core
from presence_core.domain.authorization import Asker, Circumstances, Verdict, judge
from presence_core.domain.documents import Documents
from presence_core.shard import Entry, Shard


class DocumentView(BaseModel):
    """An XCAP document of the presentity."""

    usage: str
    uri: str
    etag: str
    size: int = Field(description="Bytes.")
    problem: str = Field(description="Why it counts for nothing; empty: it is readable.")


class RuleView(BaseModel):
    """A rule and what it says of this watcher."""

    id: str
    matched: bool
    why: str = Field(description="The condition that is not true; empty when the rule matches.")
    handling: str = Field(description="block, confirm, polite-block, allow, or empty: the rule does not say.")
    provides: list[str]


class Explanation(BaseModel):
    """What is decided about a watcher, and why."""

    presentity: str
    watcher: str
    event: str
    policy: str
    dry_run: bool = Field(description="Whether the rules are those of the request and not those in force.")
    decision: str = Field(description="block, confirm, polite-block, allow, or forbidden: nobody can be allowed this.")
    why: str
    sphere: str = Field(description="Of the presentity, where a rule asks for it.")
    decided_again_at: float | None = Field(description="Epoch second at which a validity begins or ends next.")
    documents: list[DocumentView]
    rules: list[RuleView]
    permissions: list[str] = Field(description="What all matching rules together provide.")
    removed: list[str] = Field(description="What is withheld of the state of now.")
    document: str | None = Field(description="What the watcher sees of the state of now.")


def explain(
    core: Core, shard: Shard, package: EventPackage, asker: Asker, documents: Documents, *, now: float, dry_run: bool
) -> Explanation:
    """Return what is decided about a watcher with these documents."""
    rulesets = documents.rules_of(package)
    sphere = (
        core.parts.authorizer.sphere(shard, asker.presentity, now) if any(one.uses_sphere for one in rulesets) else ""
    )
    verdict = _verdict(core, package, asker, Circumstances(documents=documents, sphere=sphere, now=now))
    entry = _entry(core, shard, asker.presentity, package, now)
    view = verdict.view if verdict else None
    body = entry.body(entry.seen(view), None, now)
    decision = verdict.decision if verdict and verdict.decision else Decision()
    return Explanation(
        presentity=asker.presentity,
        watcher=asker.watcher,
        event=package.name,
        policy="rules" if core.parts.authorizer.policy.rules else "open",
        dry_run=dry_run,
        decision=_word(verdict.handling.name) if verdict else "forbidden",
        why=verdict.why if verdict else "only the presentity itself may watch this",
        sphere=sphere,
        decided_again_at=next_change(rulesets, now),
        documents=_documents(documents),
        rules=_rules(decision),
        permissions=_provided(decision.permissions),
        removed=_removed(package, entry, view),
        document=None if body is None else body.document.decode(errors="replace"),
    )


def _verdict(core: Core, package: EventPackage, asker: Asker, circumstances: Circumstances) -> Verdict | None:
    try:
        return judge(package, asker, core.parts.authorizer.policy, circumstances)
    except Forbidden:
        return None


def _entry(core: Core, shard: Shard, aor: str, package: EventPackage, now: float) -> Entry:
    """Return the entry of a presentity, or one that is thrown away again."""
    known = shard.entries.get((aor, package.name))
    entry = known or shard.entry(aor, package.name, package)
    if not entry.round:
        core.parts.composer.recompose(shard, entry, now)
    shard.forget_if_idle((aor, package.name))
    return entry


def _removed(package: EventPackage, entry: Entry, view: View | None) -> list[str]:
    if entry.state is None:
        return []
    if view is None or view.polite:
        return ["everything"]
    return list(package.removed(entry.state, view)) if package.removed else []


def _documents(documents: Documents) -> list[DocumentView]:
    return [
        DocumentView(
            usage=one.usage,
            uri=one.uri,
            etag=one.etag,
            size=len(one.body),
            problem=documents.problems.get((one.usage, one.uri), ""),
        )
        for one in documents.stored
    ]


def _rules(decision: Decision) -> list[RuleView]:
    return [
        RuleView(
            id=one.id,
            matched=one.matched,
            why=one.why,
            handling="" if one.handling is None else _word(one.handling.name),
            provides=_provided(one.permissions),
        )
        for one in decision.rules
    ]


def _provided(permissions: Permissions) -> list[str]:
    """Return permissions in the words of RFC 5025 §3.3."""
    things = (("services", permissions.services), ("persons", permissions.persons), ("devices", permissions.devices))
    lines = [f"{name}: {_selectors(selectors)}" for name, selectors in things if selectors]
    lines += [f"provide-{name}" for name in sorted(permissions.attributes)]
    if permissions.user_input:
        lines.append(f"provide-user-input: {permissions.user_input.name.lower()}")
    return lines + [
        f"provide-unknown-attribute: {{{namespace}}}{name}" for namespace, name in sorted(permissions.unknown)
    ]


def _selectors(selectors: "frozenset[tuple[str, str]]") -> str:
    return ", ".join(f"{kind} {value}".strip() for kind, value in sorted(selectors))


def _word(name: str) -> str:
    return name.lower().replace("_", "-")
