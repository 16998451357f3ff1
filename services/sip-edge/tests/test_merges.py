from lamplighter_proto import Transaction
from sip_edge.merges import Merges

REQUEST = Transaction(call_id="c1", cseq=1, from_tag="f1")


def test_request_by_its_own_transaction_is_not_merged() -> None:
    merges = Merges(limit=100)

    assert not merges.is_merged(REQUEST, "branch-1")
    assert not merges.is_merged(REQUEST, "branch-1")


def test_request_by_another_transaction_is_merged() -> None:
    merges = Merges(limit=100)
    merges.is_merged(REQUEST, "branch-1")

    assert merges.is_merged(Transaction(call_id="c1", cseq=1, from_tag="f1"), "branch-2")


def test_request_is_remembered_for_one_rotation_and_not_for_two() -> None:
    merges = Merges(limit=100)
    merges.is_merged(REQUEST, "branch-1")

    merges.rotate()
    after_one = merges.is_merged(REQUEST, "branch-2")
    merges.rotate()
    after_two = merges.is_merged(REQUEST, "branch-3")

    assert (after_one, after_two) == (True, False)


def test_request_that_was_forgotten_may_come_again() -> None:
    merges = Merges(limit=100)
    merges.is_merged(REQUEST, "branch-1")

    merges.forget(REQUEST)

    assert not merges.is_merged(REQUEST, "branch-2")


def test_requests_over_the_limit_push_out_the_oldest() -> None:
    merges = Merges(limit=10)

    for number in range(1000):
        merges.is_merged(Transaction(call_id=str(number), cseq=1, from_tag="f"), "branch")

    assert len(merges) <= 20
    assert merges.is_merged(Transaction(call_id="999", cseq=1, from_tag="f"), "another")
