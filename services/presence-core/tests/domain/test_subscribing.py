"""RFC 6665 §4.2.1, branch by branch."""

from collections.abc import Callable

import pytest

from event_packages.base import EventPackage
from event_packages.errors import BadRequest, IntervalTooBrief, NoSuchDialog, NotAcceptable, StaleCSeq
from lamplighter_proto import DialogRoute, Flow, Subscribe
from presence_core.domain.lifetime import Bounds
from presence_core.domain.subscribing import accepts, decide_subscribe
from presence_core.domain.subscription import Status, Subscribed, Subscription, ended

BOUNDS = Bounds(least=60, most=3600, default=1800)
NOW = 1000.0
Build = Callable[..., Subscribe]
Decide = Callable[..., Subscribed]


@pytest.fixture
def decide(package: EventPackage) -> Decide:
    def decide_one(known: Subscription | None, command: Subscribe, now: float = NOW) -> Subscribed:
        return decide_subscribe(known, command, package, BOUNDS, local_tag="fresh", now=now)

    return decide_one


def test_initial_subscribe_makes_an_active_subscription(decide: Decide, subscribe: Build) -> None:
    decision = decide(None, subscribe(expires=600, event_id="7"))

    assert decision.lifetime == 600
    assert decision.subscription.status == Status.ACTIVE
    assert decision.subscription.expires == 1600
    assert decision.subscription.local_tag == "fresh"
    assert decision.subscription.dialog.event == "presence;id=7"
    assert not decision.fetch


@pytest.mark.parametrize(("asked", "granted"), [(None, 1800), (60, 60), (99_999, 3600)])
def test_lifetime_is_granted_within_bounds(decide: Decide, subscribe: Build, asked: int | None, granted: int) -> None:
    assert decide(None, subscribe(expires=asked)).lifetime == granted


def test_lifetime_under_the_minimum_is_refused_423(decide: Decide, subscribe: Build) -> None:
    with pytest.raises(IntervalTooBrief):
        decide(None, subscribe(expires=1))


def test_fetch_ends_at_once_for_timeout(decide: Decide, subscribe: Build) -> None:
    decision = decide(None, subscribe(expires=0))

    assert decision.fetch
    assert decision.lifetime == 0
    assert (decision.subscription.status, decision.subscription.reason) == (Status.TERMINATED, "timeout")


def test_subscribe_without_a_contact_is_refused_400(decide: Decide, subscribe: Build) -> None:
    route = DialogRoute(remote_target="", route_set=(), contact="<sip:192.0.2.1:5060>")

    with pytest.raises(BadRequest):
        decide(None, subscribe(route=route))


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (("text/test",), True),
        (("TEXT/TEST;q=0.5",), True),
        (("text/*",), True),
        (("*/*",), True),
        (("text/plain", "text/other"), True),
        (("text/plain",), False),
        (("text/test;q=0",), False),
        ((), False),
    ],
)
def test_accept_is_honoured_else_406(decide: Decide, subscribe: Build, accept: tuple[str, ...], taken: bool) -> None:
    command = subscribe(accept=accept)

    if taken:
        assert decide(None, command).lifetime
    else:
        with pytest.raises(NotAcceptable):
            decide(None, command)


def test_accepts_compares_types_not_prefixes() -> None:
    assert not accepts(("text/tes",), "text/test")


def test_refresh_takes_lifetime_target_and_flow_but_not_the_route(decide: Decide, subscribe: Build) -> None:
    first = decide(None, subscribe(call_id="c", cseq=1)).subscription
    flow = Flow(edge="edge-2", transport="TCP", local="192.0.2.2:5060", remote="192.0.2.9:9", connection=3)
    route = DialogRoute(remote_target="sip:bob@192.0.2.9:9", route_set=("<sip:p;lr>",), contact="<sip:192.0.2.2:5060>")

    second = decide(
        first, subscribe(call_id="c", cseq=2, to_tag="fresh", expires=120, route=route, flow=flow), now=1100.0
    ).subscription

    assert (second.expires, second.remote_cseq) == (1220, 2)
    assert second.dialog.flow == flow
    assert second.dialog.route.remote_target == "sip:bob@192.0.2.9:9"
    assert second.dialog.route.route_set == ()


def test_unsubscribe_ends_the_subscription(decide: Decide, subscribe: Build) -> None:
    first = decide(None, subscribe(call_id="c")).subscription

    decision = decide(first, subscribe(call_id="c", cseq=2, to_tag="fresh", expires=0))

    assert decision.subscription.status == Status.TERMINATED
    assert not decision.fetch


@pytest.mark.parametrize("to_tag", ["", "fresh"])
def test_repeat_gets_the_same_subscription(decide: Decide, subscribe: Build, to_tag: str) -> None:
    first = decide(None, subscribe(call_id="c", cseq=5, expires=600)).subscription

    decision = decide(first, subscribe(call_id="c", cseq=5, to_tag=to_tag, expires=600), now=1010.0)

    assert decision.repeated
    assert decision.subscription is first
    assert decision.lifetime == 590


def test_older_request_of_the_dialog_is_refused_500(decide: Decide, subscribe: Build) -> None:
    first = decide(None, subscribe(call_id="c", cseq=5)).subscription

    with pytest.raises(StaleCSeq):
        decide(first, subscribe(call_id="c", cseq=4, to_tag="fresh"))


@pytest.mark.parametrize("change", [{"from_tag": "other"}, {"event_id": "9"}, {"event": "dialog"}])
def test_request_that_is_not_of_the_dialog_is_refused_481(
    decide: Decide, subscribe: Build, change: dict[str, str]
) -> None:
    first = decide(None, subscribe(call_id="c")).subscription

    with pytest.raises(NoSuchDialog):
        decide(first, subscribe(call_id="c", cseq=2, to_tag="fresh", **change))


def test_request_of_an_unknown_dialog_is_refused_481(decide: Decide, subscribe: Build) -> None:
    with pytest.raises(NoSuchDialog):
        decide(None, subscribe(to_tag="gone"))


def test_refresh_of_an_ended_subscription_is_refused_481(decide: Decide, subscribe: Build) -> None:
    over = ended(decide(None, subscribe(call_id="c")).subscription, "timeout")

    with pytest.raises(NoSuchDialog):
        decide(over, subscribe(call_id="c", cseq=2, to_tag="fresh"))
