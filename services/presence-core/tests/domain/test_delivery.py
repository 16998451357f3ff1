"""One NOTIFY in flight, and what each outcome does (RFC 6665 §4.2.2, RFC 5057 §5)."""

from collections.abc import Callable

import pytest

from lamplighter_proto import Flow
from presence_core.domain.delivery import Consequence, Delivery, Patience, Seen, consequence_of
from presence_core.domain.subscription import Subscription

PATIENCE = Patience(tries=3, spacing=5.0, longest=60.0)
STATES = [Seen(number) for number in range(5)]
Make = Callable[..., Subscription]


@pytest.fixture
def delivery(subscription: Make) -> Delivery:
    return Delivery(subscription=subscription(), cseq=0, cseq_limit=1000)


def test_delivery_is_due_for_a_state_that_was_not_sent(delivery: Delivery) -> None:
    assert delivery.due(STATES[0], 0.0)

    delivery.send(STATES[0], 0.0)
    delivery.settle(1, 200, 0, PATIENCE, 0.1)

    assert not delivery.due(STATES[0], 0.2)
    assert delivery.due(STATES[1], 0.2)


def test_delivery_with_one_in_flight_holds_the_next(delivery: Delivery) -> None:
    delivery.send(STATES[1], 0.0)

    assert not delivery.due(STATES[2], 0.0)
    assert delivery.settle(1, 200, 0, PATIENCE, 0.1) is Consequence.CONFIRMED
    assert delivery.due(STATES[2], 0.1)


def test_delivery_never_uses_a_cseq_twice(delivery: Delivery) -> None:
    used = []
    for version in range(5):
        used.append(delivery.send(STATES[version], 0.0))
        delivery.silent(1.0)

    assert used == [1, 2, 3, 4, 5]


def test_delivery_forced_sends_a_state_again(delivery: Delivery) -> None:
    delivery.send(STATES[1], 0.0)
    delivery.settle(1, 200, 0, PATIENCE, 0.1)

    delivery.forced = True

    assert delivery.due(STATES[1], 0.2)


def test_outcome_of_another_notify_is_nobodys(delivery: Delivery) -> None:
    delivery.send(STATES[1], 0.0)

    assert delivery.settle(7, 200, 0, PATIENCE, 0.1) is None
    assert delivery.in_flight == 1


def test_failures_are_spaced_and_bounded(delivery: Delivery) -> None:
    delivery.send(STATES[1], 0.0)
    assert delivery.settle(1, 408, 0, PATIENCE, 100.0) is Consequence.TRY_AGAIN
    assert not delivery.due(STATES[1], 104.9)
    assert delivery.due(STATES[1], 105.0)

    delivery.send(STATES[1], 105.0)
    assert delivery.settle(2, 408, 0, PATIENCE, 140.0) is Consequence.TRY_AGAIN
    assert not delivery.due(STATES[1], 149.9)

    delivery.send(STATES[1], 150.0)
    assert delivery.settle(3, 408, 0, PATIENCE, 182.0) is Consequence.ENDS


def test_success_forgets_failures(delivery: Delivery) -> None:
    delivery.send(STATES[1], 0.0)
    delivery.settle(1, 503, 0, PATIENCE, 0.0)
    delivery.send(STATES[1], 5.0)
    delivery.settle(2, 200, 0, PATIENCE, 5.0)

    assert delivery.failures == 0
    assert delivery.due(STATES[2], 5.0)


@pytest.mark.parametrize(("retry_after", "wait"), [(0, 5.0), (20, 20.0), (9999, 60.0)])
def test_retry_after_is_kept_to_within_reason(delivery: Delivery, retry_after: int, wait: float) -> None:
    delivery.send(STATES[1], 0.0)
    delivery.settle(1, 503, retry_after, PATIENCE, 0.0)

    assert delivery.again_at == wait


def test_word_of_a_notify_over_a_connection_counts_for_a_while_only(subscription: Make) -> None:
    flow = Flow(edge="edge-1", transport="TCP", local="192.0.2.1:5060", remote="192.0.2.9:1", connection=1)
    tcp = Delivery(subscription=subscription(flow=flow), cseq=0, cseq_limit=10)
    tcp.send(STATES[1], 0.0)

    assert tcp.still_tried(9.0, 8.0)
    assert not tcp.still_tried(9.0, 10.0)
    assert tcp.heard == 8.0


def test_word_of_a_notify_over_udp_always_counts(delivery: Delivery) -> None:
    delivery.send(STATES[1], 0.0)

    assert delivery.still_tried(9.0, 30.0)


AGAIN = {*range(300, 400), 401, 407, 408, 423, 429, 430, 480, 486, 491, *range(500, 600)} - {501}


@pytest.mark.parametrize("status", range(200, 700))
def test_every_final_status_has_its_consequence(status: int) -> None:
    expected = Consequence.CONFIRMED if status < 300 else Consequence.TRY_AGAIN if status in AGAIN else Consequence.ENDS

    assert consequence_of(status) is expected


@pytest.mark.parametrize("status", [403, 404, 410, 481, 489, 501, 603, 604])
def test_refusals_end_the_subscription_at_once(delivery: Delivery, status: int) -> None:
    delivery.send(STATES[1], 0.0)

    assert delivery.settle(1, status, 0, PATIENCE, 0.0) is Consequence.ENDS


def test_partial_document_builds_on_what_was_confirmed_last(delivery: Delivery) -> None:
    delivery.send(STATES[0], 0.0)
    assert delivery.base is None

    delivery.settle(1, 200, 0, PATIENCE, 0.1)

    assert delivery.base is STATES[0]


def test_partial_document_after_a_doubt_builds_on_nothing(delivery: Delivery) -> None:
    delivery.send(STATES[0], 0.0)
    delivery.settle(1, 200, 0, PATIENCE, 0.1)
    delivery.send(STATES[1], 0.2)

    delivery.settle(2, 503, 0, PATIENCE, 0.3)

    assert delivery.base is None
    delivery.send(STATES[1], 6.0)
    delivery.silent(9.0)
    assert delivery.base is None


def test_delivery_that_is_held_tells_and_shows_nothing(delivery: Delivery, subscription: Make) -> None:
    delivery.send(STATES[1], 0.0)

    delivery.hold(subscription())

    delivery.settle(1, 200, 0, PATIENCE, 0.1)
    assert not delivery.due(STATES[2], 0.2)
    assert delivery.subscription.view is None


def test_delivery_of_what_is_decided_is_due_at_once(delivery: Delivery, subscription: Make) -> None:
    delivery.send(STATES[1], 0.0)
    delivery.settle(1, 503, 0, PATIENCE, 0.1)
    delivery.hold(subscription())
    after = subscription(expires=1)

    delivery.decided(after)

    assert delivery.due(STATES[1], 0.2)
    assert delivery.subscription is after
