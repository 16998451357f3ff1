"""Transactions by a clock of our own (RFC 3261 §17.1.2, §17.2.2, §17.2.3)."""

import pytest

from sip.headers import Headers
from sip.message import Request
from sip.transaction import (
    NEW,
    Absorbed,
    ClientTransactions,
    Retransmit,
    ServerTransactions,
    TimedOut,
    Timers,
    server_key,
)

START = 1000.0


def publish(via: str = "SIP/2.0/UDP a:5060;branch=z9hG4bK1", method: str = "PUBLISH", **headers: str) -> Request:
    fields = {"From": "<sip:a@b>;tag=1", "To": "<sip:a@b>", "Call-ID": "c", "CSeq": f"1 {method}"}
    renamed = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "sip:a@b", Headers([("Via", via), *{**fields, **renamed}.items()]))


def test_server_key_of_a_repeat_is_the_same() -> None:
    assert server_key(publish()) == server_key(publish(CSeq="2 PUBLISH"))


@pytest.mark.parametrize(
    "other",
    [
        publish(method="SUBSCRIBE"),
        publish("SIP/2.0/UDP a:5060;branch=z9hG4bK2"),
        publish("SIP/2.0/UDP a:5061;branch=z9hG4bK1"),
        publish("SIP/2.0/UDP b:5060;branch=z9hG4bK1"),
    ],
)
def test_server_key_of_another_transaction_differs(other: Request) -> None:
    assert server_key(publish()) != server_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP/2.0/UDP A:5060;branch=z9hG4bK1;rport", "SIP/2.0/UDP a:5060;branch=z9hG4bK1;x=y"),
        ("SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2", "SIP/2.0/UDP a ; branch=z9hG4bK1"),
        ("SIP/2.0/UDP a;x=y;branch=z9hG4bK1", "SIP/2.0/UDP a;branch=z9hG4bK1;x=y"),
    ],
)
def test_server_key_depends_on_branch_and_sent_by_alone(one: str, other: str) -> None:
    assert server_key(publish(one)) == server_key(publish(other))


@pytest.mark.parametrize("via", ["SIP/2.0/UDP a", "SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP a;branch=z9hG4bK"])
@pytest.mark.parametrize(
    "changed", [{"Call_ID": "d"}, {"CSeq": "2 PUBLISH"}, {"From": "<sip:a@b>;tag=2"}, {"To": "<sip:a@b>;tag=2"}]
)
def test_server_key_without_a_magic_branch_is_that_of_rfc_2543(via: str, changed: dict[str, str]) -> None:
    assert server_key(publish(via)) == server_key(publish(via))
    assert server_key(publish(via)) != server_key(publish(via, **changed))


def test_request_is_new_once_then_absorbed_then_answered() -> None:
    transactions = ServerTransactions(Timers())

    first = transactions.receive("k", False, START)
    repeat = transactions.receive("k", False, START + 0.5)
    transactions.complete("k", b"200", START + 0.6)
    late = transactions.receive("k", False, START + 1.5)

    assert (first, repeat, late) == (NEW, Absorbed, b"200")
    assert len(transactions) == 1


@pytest.mark.parametrize(("after", "seen"), [(31.9, b"200"), (32.1, NEW)])
def test_answer_is_kept_for_timer_j_from_when_it_was_given(after: float, seen: object) -> None:
    transactions = ServerTransactions(Timers())
    transactions.receive("k", False, START)
    transactions.complete("k", b"200", START + 5)

    expired = transactions.expire(START + 5 + after)

    assert expired == (1 if seen is NEW else 0)
    assert transactions.receive("k", False, START + 5 + after) == seen


def test_answer_over_a_reliable_transport_ends_its_transaction() -> None:
    transactions = ServerTransactions(Timers())
    transactions.receive("k", True, START)

    transactions.complete("k", b"200", START)

    assert len(transactions) == 0
    assert transactions.expire(START + 100) == 0


def test_request_that_is_never_answered_is_given_up() -> None:
    transactions = ServerTransactions(Timers(t1=0.1))
    transactions.receive("k", False, START)

    assert transactions.expire(START + 6.3) == 0
    assert transactions.expire(START + 6.5) == 1


def test_transaction_that_began_anew_is_not_ended_by_its_forerunner() -> None:
    transactions = ServerTransactions(Timers())
    transactions.receive("k", True, START)
    transactions.complete("k", b"200", START)
    transactions.receive("k", True, START + 20)

    assert transactions.expire(START + 40) == 0
    assert transactions.receive("k", True, START + 40) is Absorbed


def test_answer_to_nothing_is_ignored() -> None:
    transactions = ServerTransactions(Timers())

    transactions.complete("k", b"200", START)

    assert len(transactions) == 0


def test_full_table_forgets_the_oldest() -> None:
    transactions = ServerTransactions(Timers(), 2)
    for number, key in enumerate(["a", "b", "c"]):
        transactions.receive(key, False, START + number)

    assert len(transactions) == 2
    assert transactions.receive("c", False, START + 3) is Absorbed
    assert transactions.receive("a", False, START + 3) is NEW


def test_table_of_answered_requests_stays_bounded() -> None:
    transactions = ServerTransactions(Timers(), 10)

    for number in range(1000):
        transactions.receive(str(number), False, START)
        transactions.complete(str(number), b"200", START)

    assert len(transactions) == 10


def sent(transactions: ClientTransactions, until: float, step: float = 0.05) -> list[tuple[float, str]]:
    """Ask every `step` seconds what is due; return when after START, and what."""
    found = []
    for number in range(round(until / step) + 1):
        now = START + number * step
        found += [(round(now - START, 1), type(item).__name__) for item in transactions.due(now)]
    return found


def test_request_over_udp_is_repeated_by_timer_e_until_timer_f() -> None:
    transactions = ClientTransactions(Timers())
    transactions.start("b", b"NOTIFY", False, START)

    found = sent(transactions, 33)

    times = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert found == [*[(time, "Retransmit") for time in times], (32.0, "TimedOut")]
    assert len(transactions) == 0
    assert transactions.next_due() is None


def test_request_over_a_reliable_transport_is_never_repeated() -> None:
    transactions = ClientTransactions(Timers())
    transactions.start("b", b"NOTIFY", True, START)

    assert sent(transactions, 33) == [(32.0, "TimedOut")]


def test_provisional_response_slows_timer_e_down_to_t2() -> None:
    transactions = ClientTransactions(Timers())
    transactions.start("b", b"NOTIFY", False, START)

    final = transactions.receive("b", 100, START + 0.1)

    assert not final
    assert [time for time, _ in sent(transactions, 13)] == [0.5, 4.5, 8.5, 12.5]
    assert "b" in transactions


def test_final_response_ends_its_transaction_once() -> None:
    transactions = ClientTransactions(Timers())
    transactions.start("b", b"NOTIFY", False, START)

    answers = [transactions.receive("b", status, START + 0.2) for status in (100, 180, 481, 200)]

    assert answers == [False, False, True, False]
    assert sent(transactions, 40) == []


def test_what_is_due_says_what_to_send() -> None:
    transactions = ClientTransactions(Timers())
    transactions.start("b", b"NOTIFY", False, START)

    assert transactions.due(START + 0.4) == []
    assert transactions.due(START + 0.5) == [Retransmit("b", b"NOTIFY")]
    assert transactions.due(START + 100) == [TimedOut("b")]


def test_response_to_nothing_is_no_end() -> None:
    assert not ClientTransactions().receive("b", 200, START)


def test_next_due_is_that_of_what_is_still_open() -> None:
    transactions = ClientTransactions(Timers())
    before = transactions.next_due()
    transactions.start("a", b"1", False, START)
    transactions.start("b", b"2", False, START + 0.2)
    first = transactions.next_due()
    transactions.receive("a", 200, START + 0.3)

    assert (before, first, transactions.next_due()) == (None, START + 0.5, START + 0.7)


def test_repeats_do_not_come_in_a_burst_when_we_are_late() -> None:
    transactions = ClientTransactions(Timers())
    transactions.start("b", b"NOTIFY", False, START)

    late = transactions.due(START + 20)

    assert late == [Retransmit("b", b"NOTIFY")]
    assert transactions.due(START + 20.9) == []
    assert transactions.due(START + 21) == [Retransmit("b", b"NOTIFY")]


def test_answered_requests_leave_nothing_behind() -> None:
    transactions = ClientTransactions(Timers())
    for number in range(1000):
        transactions.start(str(number), b"NOTIFY", number % 2 == 0, START)
        transactions.receive(str(number), 200, START)

    transactions.due(START + 0.5)

    assert transactions.next_due() is None
    assert not any([*transactions._repeats, transactions._ends])


def test_timer_e_is_doubled_no_further_than_t2() -> None:
    transactions = ClientTransactions(Timers(t1=0.5, t2=3.0))
    transactions.start("b", b"NOTIFY", False, START)

    assert [time for time, _ in sent(transactions, 10)] == [0.5, 1.5, 3.5, 6.5, 9.5]


def test_timers_that_are_equal_repeat_evenly() -> None:
    transactions = ClientTransactions(Timers(t1=1.0, t2=1.0))
    transactions.start("b", b"NOTIFY", False, START)

    assert [time for time, _ in sent(transactions, 3.5)] == [1.0, 2.0, 3.0]
