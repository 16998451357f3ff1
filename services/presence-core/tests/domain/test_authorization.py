"""Verdicts, and what they make of a subscription."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from event_packages.base import EventPackage, View
from event_packages.errors import Forbidden
from event_packages.registry import Registry, discover
from event_packages.rules.decision import Handling
from event_packages.rules.testing import many, one, rule, ruleset, validity
from presence_core.domain.authorization import Asker, Circumstances, Policy, Verdict, asker_of, judge, ruled
from presence_core.domain.documents import Documents, XcapDocument, read_documents
from presence_core.domain.subscription import Status, Subscription, ended

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
RULES = Policy(rules=True)
EVERYTHING = (
    "<pr:provide-services><pr:all-services/></pr:provide-services>"
    "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"
    "<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-all-attributes/>"
)
PACKAGES = discover()


def named(name: str) -> EventPackage:
    package = PACKAGES.get(name)
    assert package is not None
    return package


def documents(*bodies: bytes, usage: str = "pres-rules", registry: Registry = PACKAGES) -> Documents:
    stored = [XcapDocument(usage=usage, uri=f"{number}", etag="e", body=body) for number, body in enumerate(bodies)]
    return read_documents(ALICE, stored, registry, limit=10_000)


def judged(
    *rules: str,
    event: str = "presence",
    watcher: str = BOB,
    policy: Policy = RULES,
    sphere: str = "",
    now: float = 0.0,
    parameters: tuple[tuple[str, str], ...] = (),
) -> Verdict:
    asker = Asker(presentity=ALICE, watcher=watcher, uri=watcher, parameters=parameters)
    given = documents(ruleset(*rules)) if rules else Documents()
    return judge(named(event), asker, policy, Circumstances(documents=given, sphere=sphere, now=now))


# --- what a watcher becomes


PENDING, ACTIVE = Status.PENDING, Status.ACTIVE
REJECTED = (Status.TERMINATED, "rejected")
DEACTIVATED = (Status.TERMINATED, "deactivated")


@pytest.mark.parametrize(
    ("handling", "before", "after"),
    [
        (Handling.ALLOW, None, (ACTIVE, "")),
        (Handling.ALLOW, PENDING, (ACTIVE, "")),
        (Handling.ALLOW, ACTIVE, (ACTIVE, "")),
        (Handling.POLITE_BLOCK, None, (ACTIVE, "polite-block")),
        (Handling.POLITE_BLOCK, PENDING, (ACTIVE, "polite-block")),
        (Handling.POLITE_BLOCK, ACTIVE, (ACTIVE, "polite-block")),
        (Handling.CONFIRM, None, (PENDING, "")),
        (Handling.CONFIRM, PENDING, (PENDING, "")),
        (Handling.CONFIRM, ACTIVE, DEACTIVATED),
        (Handling.BLOCK, None, REJECTED),
        (Handling.BLOCK, PENDING, REJECTED),
        (Handling.BLOCK, ACTIVE, REJECTED),
    ],
)
@pytest.mark.parametrize("reason", ["", "polite-block"])
def test_verdict_gives_the_status_of_the_encodings(
    subscription: Callable[..., Subscription],
    handling: Handling,
    before: Status | None,
    after: tuple[Status, str],
    reason: str,
) -> None:
    shown = View() if handling in (Handling.ALLOW, Handling.POLITE_BLOCK) else None
    one = replace(subscription(), status=before or ACTIVE, reason=reason)

    standing = ruled(one, before, Verdict(handling=handling, view=shown, why=""))

    assert (standing.status, standing.reason) == after
    assert standing.view == shown


@pytest.mark.parametrize("handling", Handling)
@pytest.mark.parametrize("before", [None, PENDING, ACTIVE])
def test_who_is_not_allowed_sees_nothing_whatever_it_saw_before(
    subscription: Callable[..., Subscription], handling: Handling, before: Status | None
) -> None:
    one = replace(subscription(), status=before or ACTIVE, view=View())
    if handling in (Handling.ALLOW, Handling.POLITE_BLOCK):
        return

    assert ruled(one, before, Verdict(handling=handling, view=None, why="")).view is None


@pytest.mark.parametrize(
    ("handling", "before", "cause"),
    [
        (Handling.ALLOW, None, "subscribe"),
        (Handling.ALLOW, PENDING, "approved"),
        (Handling.ALLOW, ACTIVE, "subscribe"),
        (Handling.CONFIRM, None, "subscribe"),
        (Handling.CONFIRM, PENDING, "subscribe"),
        (Handling.CONFIRM, ACTIVE, "deactivated"),
        (Handling.BLOCK, PENDING, "rejected"),
        (Handling.BLOCK, ACTIVE, "rejected"),
        (Handling.POLITE_BLOCK, PENDING, "approved"),
    ],
)
def test_verdict_gives_the_event_of_watcher_information(
    subscription: Callable[..., Subscription], handling: Handling, before: Status | None, cause: str
) -> None:
    one = replace(subscription(), status=before or ACTIVE)

    assert ruled(one, before, Verdict(handling=handling, view=None, why="")).cause == cause


# --- who is asked for


@pytest.mark.parametrize(
    ("handling", "view"),
    [("allow", View()), ("polite-block", View(polite=True)), ("confirm", None), ("block", None)],
)
def test_rule_that_matches_decides(handling: str, view: View | None) -> None:
    verdict = judged(rule(one(BOB), handling=handling, provides=EVERYTHING))

    assert verdict.handling == Handling[handling.upper().replace("-", "_")]
    assert verdict.view == view


def test_allowing_rule_that_provides_nothing_shows_nothing_of_the_state() -> None:
    verdict = judged(rule(one(BOB), handling="allow"))

    assert verdict.view is not None
    assert verdict.view.permissions is not None
    assert not verdict.view.permissions.complete


def test_without_rules_a_watcher_is_to_be_confirmed() -> None:
    verdict = judged()

    assert (verdict.handling, verdict.view, verdict.why) == (Handling.CONFIRM, None, "there are no rules")


@pytest.mark.parametrize("unmatched", [Handling.CONFIRM, Handling.BLOCK])
def test_watcher_that_no_rule_knows_is_what_the_operator_says(unmatched: Handling) -> None:
    verdict = judged(rule(one("sip:carol@example.com")), policy=Policy(rules=True, unmatched=unmatched))

    assert (verdict.handling, verdict.view) == (unmatched, None)


def test_watcher_is_not_blocked_for_want_of_rules_at_all() -> None:
    verdict = judged(policy=Policy(rules=True, unmatched=Handling.BLOCK))

    assert verdict.handling == Handling.CONFIRM


def test_rules_that_cannot_be_read_allow_nobody_and_say_why() -> None:
    asker = Asker(presentity=ALICE, watcher=BOB, uri=BOB)
    given = Circumstances(documents=documents(b"<ruleset"))

    verdict = judge(named("presence"), asker, RULES, given)

    assert (verdict.handling, verdict.view) == (Handling.CONFIRM, None)
    assert verdict.why.startswith("pres-rules 0: ")


def test_document_that_cannot_be_read_leaves_the_others_in_force() -> None:
    asker = Asker(presentity=ALICE, watcher=BOB, uri=BOB)
    given = documents(b"<ruleset", ruleset(rule(one(BOB), handling="block")))

    assert judge(named("presence"), asker, RULES, Circumstances(documents=given)).handling == Handling.BLOCK


@pytest.mark.parametrize("event", ["presence", "dialog", "dialog;sla", "message-summary", "presence.winfo"])
@pytest.mark.parametrize("policy", [RULES, Policy()])
def test_presentity_itself_may_watch_everything(event: str, policy: Policy) -> None:
    block = rule(many(), handling="block")

    verdict = judged(block, event=event, watcher=ALICE, policy=policy)

    assert (verdict.handling, verdict.view) == (Handling.ALLOW, View())


@pytest.mark.parametrize(
    ("event", "policy"),
    [
        ("message-summary", RULES),
        ("presence.winfo", RULES),
        ("presence.winfo", Policy()),
        ("dialog.winfo", Policy()),
        ("presence.winfo", Policy(rules=True, open_events=("presence.winfo",))),
    ],
)
def test_others_may_not_watch_what_is_only_for_the_presentity(event: str, policy: Policy) -> None:
    allow = rule(many(), handling="allow", provides=EVERYTHING)

    with pytest.raises(Forbidden):
        judged(allow, event=event, policy=policy)


@pytest.mark.parametrize("event", ["presence", "dialog", "dialog;sla", "message-summary"])
def test_everybody_may_watch_where_rules_do_not_govern(event: str) -> None:
    block = rule(many(), handling="block")

    for policy in (Policy(), Policy(rules=True, open_events=(event,))):
        assert judged(block, event=event, policy=policy).view == View()


def test_rules_of_one_package_say_nothing_of_another() -> None:
    allow = rule(many(), handling="allow", provides=EVERYTHING)

    assert judged(allow, event="dialog").handling == Handling.CONFIRM


def test_rules_of_dialogs_govern_shared_lines_too() -> None:
    asker = Asker(presentity=ALICE, watcher=BOB, uri=BOB)
    given = Circumstances(documents=documents(ruleset(rule(one(BOB))), usage="org.openxcap.dialog-rules"))

    for event in ("dialog", "dialog;sla"):
        assert judge(named(event), asker, RULES, given).handling == Handling.ALLOW


def test_sphere_and_time_are_those_of_the_circumstances() -> None:
    conditional = one(BOB) + '<cp:sphere value="work"/>' + validity(("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"))
    rules = rule(conditional)
    within = 1_577_840_400.0

    assert judged(rules, sphere="work", now=within).handling == Handling.ALLOW
    assert judged(rules, sphere="home", now=within).handling == Handling.CONFIRM
    assert judged(rules, sphere="work", now=within + 86_400).handling == Handling.CONFIRM


# --- what of the Event header and the settings gets into the view


def test_view_has_the_parameters_that_the_package_knows() -> None:
    parameters = (("call-id", "7"), ("id", "1"), ("foo", "bar"))

    verdict = judged(event="dialog", policy=Policy(), parameters=parameters)

    assert verdict.view == View(parameters=(("call-id", "7"),))


def test_view_shows_one_thing_only_where_the_operator_says_so() -> None:
    policy = Policy(single_events=("dialog",))

    assert judged(event="dialog", policy=policy).view == View(single=True)
    assert judged(event="presence", policy=policy).view == View()


def test_view_of_the_politely_blocked_is_the_same_for_all() -> None:
    polite = rule(many(), handling="polite-block", provides=EVERYTHING)

    views = {judged(polite, event="presence", parameters=(("call-id", call),)).view for call in ("1", "2")}

    assert views == {View(polite=True)}


def test_asker_of_a_subscription_is_who_stood_in_from(subscription: Callable[..., Subscription]) -> None:
    dialog = replace_event(subscription(), 'dialog;Call-ID="a;b\\"c";id=7;include-session-description')

    asker = asker_of(dialog)

    assert (asker.presentity, asker.watcher, asker.uri) == (ALICE, BOB, BOB)
    assert asker.parameters == (("call-id", 'a;b"c'), ("id", "7"), ("include-session-description", ""))


def replace_event(one: Subscription, header: str) -> Subscription:
    before = one.dialog
    dialog = type(before)(
        call_id=before.call_id,
        local_tag=before.local_tag,
        remote_tag=before.remote_tag,
        local_uri=before.local_uri,
        remote_uri=before.remote_uri,
        event=header,
        route=before.route,
        flow=before.flow,
    )
    return replace(one, dialog=dialog)


def test_ended_subscription_has_its_reason_as_cause(subscription: Callable[..., Subscription]) -> None:
    over = ended(subscription(), "timeout")

    assert (over.status, over.reason, over.cause) == (Status.TERMINATED, "timeout", "timeout")
