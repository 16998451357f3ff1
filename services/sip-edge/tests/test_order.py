"""The order of a dialog's NOTIFYs on the wire (RFC 3261 §12.2.1.1)."""

from sip_edge.order import DialogOrder

START = 1000.0


def test_notify_after_a_later_one_of_its_dialog_does_not_pass() -> None:
    order = DialogOrder()
    order.passes("tag", 3045, False, START)

    assert not order.passes("tag", 2045, False, START + 1)


def test_notify_that_is_repeated_or_later_passes() -> None:
    order = DialogOrder()
    order.passes("tag", 7, False, START)

    assert order.passes("tag", 7, False, START + 1)
    assert order.passes("tag", 8, False, START + 2)


def test_notify_of_another_dialog_passes() -> None:
    order = DialogOrder()
    order.passes("tag", 7, False, START)

    assert order.passes("other", 1, False, START)


def test_notify_without_a_tag_passes() -> None:
    order = DialogOrder()

    assert order.passes("", 7, False, START)
    assert order.passes("", 1, False, START)
    assert len(order) == 0


def test_dialog_is_remembered_for_as_long_as_a_notify_is_retransmitted() -> None:
    order = DialogOrder(seconds=64.0)
    order.passes("first", 1, False, START)
    order.passes("tag", 7, False, START + 63.0)

    assert not order.passes("tag", 6, False, START + 63.0 + 32.0)


def test_dialog_is_forgotten_after_two_generations() -> None:
    order = DialogOrder(seconds=64.0)
    order.passes("tag", 7, False, START)
    for second in (64.0, 128.0):
        order.passes("other", 1, False, START + second)

    assert order.passes("tag", 6, False, START + 128.0)
    assert len(order) == 3


def test_dialogs_over_the_limit_are_forgotten_oldest_first() -> None:
    order = DialogOrder(most=2)
    for number in range(10):
        order.passes(f"tag-{number}", 5, False, START)

    assert len(order) <= 4
    assert not order.passes("tag-9", 4, False, START)
    assert order.passes("tag-0", 4, False, START)


def test_edge_that_has_just_begun_repeats_no_notify_that_it_did_not_send() -> None:
    order = DialogOrder(seconds=64.0)
    order.begin(START)

    assert not order.passes("tag", 5, True, START + 32.0)
    assert order.passes("tag", 6, False, START + 33.0)
    assert order.passes("tag", 6, True, START + 34.0)
    assert order.passes("other", 5, True, START + 64.0)
