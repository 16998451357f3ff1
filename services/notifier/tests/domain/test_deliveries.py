"""Transactions of NOTIFYs by a clock of our own (RFC 3261 §17.1.2, design §3 "Delivery is state-based")."""

from itertools import count

import pytest
from msgspec.structs import replace

from lamplighter_proto import Dialog, Notify, Outcome, Received, Send, Target
from notifier.domain.deliveries import SUPERSEDED, Deliveries, Effects, Limits
from notifier.domain.edges import Edges
from notifier.domain.notify import Heads
from sip.transaction import ClientTransactions, Timers

START = 1000.0


class Rig:
    """Deliveries and what they have asked for so far."""

    def __init__(self, transactions: int = 100, transaction_bytes: int = 1_000_000) -> None:
        numbers = count(1)
        self.effects = Effects()
        self.edges = Edges(failover=True, grace=2.0)
        self.deliveries = Deliveries(
            notifier="notifier-1",
            new_branch=lambda: f"z9hG4bK{next(numbers)}",
            heads=Heads(100),
            transactions=ClientTransactions(Timers(t1=0.5, t2=4.0, t4=5.0)),
            limits=Limits(
                transactions=transactions, transaction_bytes=transaction_bytes, retry_after=5, still_trying=2.0
            ),
            edges=self.edges,
        )

    def begin(self, notify: Notify, now: float = START) -> list[Send]:
        before = len(self.effects.sends)
        self.deliveries.begin(notify, now, self.effects)
        return self.effects.sends[before:]

    def receive(self, branch: str, status: int, packet: bytes = b"", now: float = START + 0.1) -> None:
        self.deliveries.receive(Received(branch=branch, status=status, packet=packet), now, self.effects)

    def sends_until(self, end: float, begin: float = START) -> list[float]:
        """Sweep every 50 ms; return the seconds after START at which something was sent."""
        times = []
        for step in range(round((end - begin) / 0.05) + 1):
            now = begin + step * 0.05
            before = len(self.effects.sends)
            self.deliveries.sweep(now, self.effects)
            times += [now - START] * (len(self.effects.sends) - before)
        return times

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for _, _, outcome in self.effects.reports]

    @property
    def statuses(self) -> list[int]:
        return [outcome.status for outcome in self.outcomes]


def over_tcp(notify: Notify) -> Notify:
    target = notify.targets[0]
    flow = replace(target.dialog.flow, transport="TCP", connection=4)
    return replace(notify, targets=(replace(target, dialog=replace(target.dialog, flow=flow)),))


def response(status: int, *headers: str) -> bytes:
    lines = [
        f"SIP/2.0 {status} Whatever",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=a",
        "To: <sip:bob@example.com>;tag=b",
        "Call-ID: 3848276298220188511@watcher.example.com",
        "CSeq: 12 NOTIFY",
        *headers,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_notify_leaves_on_the_flow_of_its_dialog(notify: Notify, dialog: Dialog) -> None:
    rig = Rig()

    (send,) = rig.begin(notify)

    assert (send.notifier, send.branch, send.flow, send.next_hop) == ("notifier-1", "z9hG4bK1", dialog.flow, "")
    assert b";branch=z9hG4bK1\r\n" in send.packet
    assert send.packet.endswith(b"<dialog-info/>")
    assert rig.outcomes == []


def test_notify_to_many_shares_the_document_and_numbers_each(notify: Notify, target: Target) -> None:
    rig = Rig()
    other = replace(target, cseq=99, dialog=replace(target.dialog, local_tag="other"))

    sends = rig.begin(replace(notify, targets=(target, other)))

    assert [send.branch for send in sends] == ["z9hG4bK1", "z9hG4bK2"]
    assert b"\r\nCSeq: 12 NOTIFY\r\n" in sends[0].packet
    assert b"\r\nCSeq: 99 NOTIFY\r\n" in sends[1].packet


@pytest.mark.parametrize("status", [200, 202, 302, 401, 407, 404, 480, 481, 489, 500, 503, 603])
def test_final_response_is_reported_with_its_status_once(notify: Notify, target: Target, status: int) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.receive("z9hG4bK1", status)
    rig.receive("z9hG4bK1", status)

    assert rig.outcomes == [
        Outcome(
            shard=3,
            presentity="sip:alice@example.com",
            local_tag=target.dialog.local_tag,
            cseq=12,
            status=status,
        )
    ]
    assert rig.effects.reports[0][:2] == ("core-1", "dialog")
    assert len(rig.deliveries) == rig.deliveries.open_bytes == 0
    assert rig.deliveries.unmatched == 1


def test_answered_notify_is_neither_sent_again_nor_reported_again(notify: Notify) -> None:
    rig = Rig()
    rig.begin(notify)
    rig.receive("z9hG4bK1", 200)

    times = rig.sends_until(START + 40)

    assert times == []
    assert rig.statuses == [200]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 18000;duration=3600", 18000),
        ("Retry-After: 5 (I'm in a meeting)", 5),
        ("retry-after:120", 120),
        ("Retry-After: soon", 0),
        ("Retry-After: -3", 0),
        ("Retry-After: 99999999999999999999", 0),
        ("Subject: none", 0),
    ],
)
def test_retry_after_of_a_refusal_is_reported_in_seconds(notify: Notify, header: str, seconds: int) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.receive("z9hG4bK1", 503, response(503, header))

    assert [(outcome.status, outcome.retry_after) for outcome in rig.outcomes] == [(503, seconds)]


def test_refusal_that_cannot_be_read_is_reported_all_the_same(notify: Notify) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.receive("z9hG4bK1", 503, b"\x00rubbish")

    assert [(outcome.status, outcome.retry_after) for outcome in rig.outcomes] == [(503, 0)]


def test_retry_after_of_a_2xx_means_nothing(notify: Notify) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.receive("z9hG4bK1", 200, response(200, "Retry-After: 60"))

    assert rig.outcomes[0].retry_after == 0


def test_unanswered_notify_over_udp_follows_timer_e_and_ends_by_timer_f(notify: Notify) -> None:
    rig = Rig()
    (send,) = rig.begin(notify)

    times = rig.sends_until(START + 33)

    expected = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times == pytest.approx(expected, abs=0.3)
    assert all(one in (send, replace(send, again=True)) for one in rig.effects.sends)
    assert rig.statuses[-1] == 408
    assert rig.deliveries.retransmissions == len(expected)
    assert len(rig.deliveries) == 0


def test_unanswered_notify_over_tcp_is_sent_once_and_ends_by_timer_f(notify: Notify) -> None:
    rig = Rig()
    (send,) = rig.begin(over_tcp(notify))

    times = rig.sends_until(START + 31.9)
    before = rig.statuses
    rig.sends_until(START + 32.5, begin=START + 31.95)

    assert times == []
    assert send.next_hop == "192.0.2.4:5062"
    assert 408 not in before
    assert rig.statuses[-1] == 408


def test_provisional_response_slows_retransmission_down(notify: Notify) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.receive("z9hG4bK1", 100, now=START + 0.1)

    assert rig.outcomes == []
    assert rig.sends_until(START + 12) == pytest.approx([0.5, 4.5, 8.5], abs=0.3)


def test_notify_without_an_answer_is_reported_as_still_tried(notify: Notify, target: Target) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.sends_until(START + 1.9)
    early = rig.statuses
    rig.sends_until(START + 8.1, begin=START + 1.95)

    assert early == []
    assert rig.statuses == [100, 100, 100, 100]
    assert {(outcome.local_tag, outcome.cseq) for outcome in rig.outcomes} == {(target.dialog.local_tag, 12)}


def test_late_response_ends_the_reports_of_trying(notify: Notify) -> None:
    rig = Rig()
    rig.begin(notify)
    rig.sends_until(START + 3)

    rig.receive("z9hG4bK1", 200, now=START + 3)
    rig.sends_until(START + 40, begin=START + 3)

    assert rig.statuses == [100, 200]


def test_flow_that_is_gone_is_reported_as_430(notify: Notify) -> None:
    rig = Rig()
    rig.begin(over_tcp(notify))

    rig.receive("z9hG4bK1", 0)

    assert rig.statuses == [430]
    assert len(rig.deliveries) == 0


def test_response_to_nothing_of_ours_is_counted_and_ignored(notify: Notify) -> None:
    rig = Rig()
    rig.begin(notify)

    rig.receive("z9hG4bKsomebody-else", 481)
    rig.receive("z9hG4bKsomebody-else", 0)

    assert rig.outcomes == []
    assert rig.deliveries.unmatched == 2


def test_notify_over_the_limit_of_transactions_is_refused_until_there_is_room(notify: Notify) -> None:
    rig = Rig(transactions=1)
    rig.begin(notify)

    refused = rig.begin(notify)
    outcomes = rig.outcomes
    rig.receive("z9hG4bK1", 200)
    taken = rig.begin(notify)

    assert refused == []
    assert [(outcome.status, outcome.retry_after) for outcome in outcomes] == [(503, 5)]
    assert len(taken) == 1


def test_notify_over_the_limit_of_bytes_is_refused(notify: Notify) -> None:
    rig = Rig(transaction_bytes=1000)
    large = replace(notify, document=b"<x/>" * 300)

    rig.begin(large)
    refused = rig.begin(large)

    assert refused == []
    assert rig.statuses == [503]


def test_target_that_cannot_be_built_hurts_no_other(notify: Notify, target: Target) -> None:
    rig = Rig()
    poisoned = replace(target, cseq=7, dialog=replace(target.dialog, event="dialog\r\nX: y", local_tag="poisoned"))

    sends = rig.begin(replace(notify, targets=(poisoned, target)))

    assert len(sends) == 1
    assert [(outcome.cseq, outcome.status) for outcome in rig.outcomes] == [(7, 500)]
    assert rig.effects.refusals[0].problem.startswith("event")
    assert len(rig.deliveries) == 1


def test_document_that_cannot_be_labelled_is_refused_for_every_target(notify: Notify) -> None:
    rig = Rig()

    sends = rig.begin(replace(notify, content_type="text/plain\r\nX: y", targets=notify.targets * 2))

    assert sends == []
    assert rig.statuses == [500, 500]


def test_notify_for_a_connection_of_a_dead_edge_fails_at_once_and_takes_nothing(notify: Notify) -> None:
    rig = Rig()
    rig.edges.take({"edge-1": "192.0.2.1:5060"}, START - 10)
    rig.edges.take({"edge-2": "192.0.2.2:5060"}, START - 5)

    sends = rig.begin(over_tcp(notify))

    assert (sends, rig.statuses, len(rig.deliveries)) == ([], [430], 0)


def test_notify_that_leaves_by_another_edge_has_its_contact_and_via(notify: Notify) -> None:
    rig = Rig()
    rig.edges.take({"edge-2": "192.0.2.2:5060"}, START - 5)

    moved = rig.begin(notify)[0]
    rig.edges.take({"edge-1": "192.0.2.1:5060", "edge-2": "192.0.2.2:5060"}, START)
    back = rig.begin(notify)[0]

    assert b"\r\nContact: <sip:192.0.2.2:5060>\r\n" in moved.packet
    assert b"\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;rport;" in moved.packet
    assert moved.flow == notify.targets[0].dialog.flow
    assert b"\r\nContact: <sip:192.0.2.1:5060;transport=udp>\r\n" in back.packet
    assert rig.edges.moved == 1


def test_notify_after_a_later_one_of_its_dialog_is_given_up_without_an_outcome(notify: Notify) -> None:
    rig = Rig()
    (send,) = rig.begin(notify)

    rig.receive(send.branch, SUPERSEDED)

    assert rig.sends_until(START + 40.0) == []
    assert rig.outcomes == []
    assert (len(rig.deliveries), rig.deliveries.open_bytes, rig.deliveries.superseded) == (0, 0, 1)


def test_send_names_its_dialog_and_its_place_in_it(notify: Notify) -> None:
    rig = Rig()
    (target,) = notify.targets

    (send,) = rig.begin(notify)

    assert (send.local_tag, send.cseq) == (target.dialog.local_tag, target.cseq)
