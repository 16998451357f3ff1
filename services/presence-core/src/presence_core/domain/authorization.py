"""Who may watch whom, and how much of it (RFC 3856 §6.6, RFC 5025 §3.2, features of the field in their encodings).

Rule 1: fail closed. Without rules that say so nobody is allowed; what cannot be read is not there.
Rule 2: whether a watcher is allowed is decided here only, at a SUBSCRIBE and whenever rules, sphere or time change.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from msgspec import Struct, structs

from event_packages.base import EventPackage, View
from event_packages.errors import Forbidden
from event_packages.rules.decision import Decision, Handling, Question, decide
from event_packages.rules.identity import identity_of
from presence_core.domain.documents import NO_DOCUMENTS, Documents
from presence_core.domain.sharing import shared_view
from presence_core.domain.subscribing import event_parameters
from presence_core.domain.subscription import Status, Subscription, ended

POLITE_BLOCK = "polite-block"
REJECTED = "rejected"
DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator has decided for everybody."""

    rules: bool = False
    """Whether watchers need the presentity's rules; otherwise everybody may watch everybody."""
    open_events: Collection[str] = ()
    """Packages that everybody may watch all the same."""
    unmatched: Handling = Handling.CONFIRM
    """What happens to a watcher that no rule knows."""
    single_events: Collection[str] = ()
    """Packages of which phones get one thing only (one dialog)."""

    def governs(self, package: EventPackage) -> bool:
        """Return whether rules say who may watch a package."""
        return self.rules and not package.watches and package.name not in self.open_events


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """What is decided about a watcher: `view` is what it may see, None: nothing; `why` is for the operator."""

    handling: Handling
    view: View | None
    why: str
    decision: Decision | None = None
    """What the rules said, where they were asked."""


class Circumstances(Struct, frozen=True, kw_only=True, gc=False):
    """What a verdict depends on besides the watcher."""

    documents: Documents = NO_DOCUMENTS
    sphere: str = ""
    now: float = 0.0


class Asker(Struct, frozen=True, kw_only=True, gc=False):
    """Who wants to watch whom."""

    presentity: str
    watcher: str
    """Canonical AOR."""
    uri: str
    """As it stood in From: it may say that the user is a telephone number."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Of the Event header."""


def asker_of(one: Subscription) -> Asker:
    """Return whose subscription it is."""
    dialog = one.dialog
    return Asker(
        presentity=one.presentity,
        watcher=one.watcher,
        uri=dialog.remote_uri,
        parameters=event_parameters(dialog.event),
    )


def judge(package: EventPackage, asker: Asker, policy: Policy, circumstances: Circumstances) -> Verdict:
    """Decide about a watcher; raise Forbidden for what only the presentity itself may ever watch."""
    parameters = tuple((name, value) for name, value in asker.parameters if name in package.parameters)
    everything = shared_view(View(single=package.name in policy.single_events, parameters=parameters))
    if asker.watcher == asker.presentity:
        return Verdict(handling=Handling.ALLOW, view=everything, why="the presentity itself")
    if package.watches or (policy.governs(package) and not package.rules):
        raise Forbidden("Only the presentity itself may watch this")
    if not policy.governs(package):
        return Verdict(handling=Handling.ALLOW, view=everything, why="everybody may watch")
    return _by_rules(package, asker, policy, circumstances, everything)


def _by_rules(
    package: EventPackage, asker: Asker, policy: Policy, circumstances: Circumstances, everything: View
) -> Verdict:
    documents = circumstances.documents
    rulesets = documents.rules_of(package)
    if not rulesets:
        problems = "; ".join(documents.problems_of(package))
        return Verdict(handling=Handling.CONFIRM, view=None, why=problems or "there are no rules")
    question = Question(
        watcher=identity_of(asker.uri), now=circumstances.now, sphere=circumstances.sphere, lists=documents.lists
    )
    decision = decide(rulesets, question)
    if decision.handling is None:
        return Verdict(handling=policy.unmatched, view=None, why="no rule matches", decision=decision)
    permissions = None if decision.permissions.complete else decision.permissions
    views = {Handling.ALLOW: replace(everything, permissions=permissions), Handling.POLITE_BLOCK: View(polite=True)}
    view = views.get(decision.handling)
    shared = None if view is None else shared_view(view)
    return Verdict(handling=decision.handling, view=shared, why="by the rules", decision=decision)


def ruled(one: Subscription, before: Status | None, verdict: Verdict) -> Subscription:
    """Return a live subscription as the verdict makes it; `before` is the status its watcher knows, None: none.

    What is pending may become active; what is active and is not allowed any more ends, and may ask again
    (`deactivated`). Who is blocked is `rejected` (RFC 6665 §4.1.3).
    """
    match verdict.handling:
        case Handling.ALLOW | Handling.POLITE_BLOCK:
            reason = POLITE_BLOCK if verdict.handling == Handling.POLITE_BLOCK else ""
            cause = "approved" if before == Status.PENDING else one.cause
            return structs.replace(one, status=Status.ACTIVE, reason=reason, cause=cause, view=verdict.view)
        case Handling.BLOCK:
            return structs.replace(ended(one, REJECTED), view=None)
        case _ if before == Status.ACTIVE:
            return structs.replace(ended(one, DEACTIVATED), view=None)
        case _:
            return structs.replace(one, status=Status.PENDING, reason="", view=None)
