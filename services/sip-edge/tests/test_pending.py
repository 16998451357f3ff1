from typing import cast

from lamplighter_proto import Command, Publish, Transaction
from sip.headers import Headers
from sip.message import Request
from sip_edge.flows import Channel
from sip_edge.pending import Pending, Waiting


class Cores:
    """A directory and a bus of one test."""

    def __init__(self, owners: dict[int, str]) -> None:
        self.owners = owners
        self.sent: list[tuple[str, int]] = []

    def send(self, owner: str, command: Command) -> None:
        self.sent.append((owner, command.id))

    def pending(self, limit: int = 10, limit_of_core: int = 10) -> Pending:
        return Pending(
            self.send,
            self.owners.get,
            limit=limit,
            limit_of_name=limit,
            limit_of_core=limit_of_core,
            timeout=5.0,
            repeat=1.0,
        )


def waiting(number: int, *, shard: int = 1, since: float = 0.0) -> Waiting:
    command = Publish(
        id=number,
        edge="edge-1",
        shard=shard,
        transaction=Transaction(call_id=str(number), cseq=1, from_tag="f"),
        presentity="sip:a@example.com",
        event="presence",
        expires=None,
        if_match=(),
        content_type="",
        body=b"",
        sender="sip:a@example.com",
    )
    return Waiting(
        command=command,
        request=Request("PUBLISH", command.presentity, Headers()),
        channel=cast(Channel, None),
        peer=("127.0.0.1", 5060),
        key=str(number),
        since=since,
    )


def test_pending_with_an_owner_is_sent_at_once() -> None:
    cores = Cores({1: "core-1"})

    cores.pending().add(waiting(7))

    assert cores.sent == [("core-1", 7)]


def test_pending_without_an_owner_is_sent_when_there_is_one() -> None:
    cores = Cores({})
    pending = cores.pending()
    pending.add(waiting(7))

    cores.owners[1] = "core-2"
    pending.reassign({1})

    assert cores.sent == [("core-2", 7)]
    assert pending.repeats == 0


def test_pending_of_another_shard_is_left_alone_by_a_change() -> None:
    cores = Cores({1: "core-1", 2: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7, shard=1))
    pending.add(waiting(8, shard=2))

    pending.reassign({2})

    assert cores.sent == [("core-1", 7), ("core-1", 8), ("core-1", 8)]


def test_pending_that_moved_goes_to_the_new_owner() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))

    cores.owners[1] = "core-2"
    pending.moved(7)

    assert cores.sent == [("core-1", 7), ("core-2", 7)]


def test_pending_denied_by_its_owner_is_asked_again_with_the_next_sweep() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))

    pending.moved(7)
    before = list(cores.sent)
    pending.sweep(0.1)
    pending.sweep(0.2)

    assert before == [("core-1", 7)]
    assert cores.sent == [("core-1", 7), ("core-1", 7)]


def test_pending_answered_before_its_sweep_is_not_asked_again() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))
    pending.moved(7)

    pending.take(7)
    pending.sweep(0.1)
    pending.moved(7)

    assert cores.sent == [("core-1", 7)]


def test_pending_in_silence_is_repeated_once() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))

    pending.sweep(0.9)
    early = len(cores.sent)
    pending.sweep(1.0)
    pending.sweep(1.1)

    assert (early, len(cores.sent), pending.repeats) == (1, 2, 1)


def test_pending_past_its_deadline_is_taken_out() -> None:
    pending = Cores({1: "core-1"}).pending()
    pending.add(waiting(7, since=0.0))
    pending.add(waiting(8, since=1.0))

    overdue = pending.sweep(5.0)

    assert [entry.command.id for entry in overdue] == [7]
    assert len(pending) == 1
    assert pending.take(7) is None


def test_pending_at_its_limit_is_full() -> None:
    pending = Cores({}).pending(limit=1)

    empty = pending.full
    pending.add(waiting(7))

    assert (empty, pending.full) == (False, True)


def test_core_that_has_enough_gets_no_more_while_others_do() -> None:
    cores = Cores({1: "core-1", 2: "core-2"})
    pending = cores.pending(limit_of_core=2)
    pending.add(waiting(7))
    pending.add(waiting(8))

    full, other = pending.is_crowded(waiting(9).command), pending.is_crowded(waiting(9, shard=2).command)
    pending.take(7)

    assert (full, other, pending.is_crowded(waiting(9).command)) == (True, False, False)


def test_pending_is_full_when_every_core_that_has_had_commands_has_enough() -> None:
    cores = Cores({1: "core-1", 2: "core-2"})
    pending = cores.pending(limit_of_core=1)
    pending.add(waiting(7))
    one = pending.full
    pending.add(waiting(8, shard=2))
    both = pending.full
    pending.take(7)

    assert (one, both, pending.full) == (True, True, False)


def test_core_that_is_gone_does_not_keep_pending_from_being_full() -> None:
    cores = Cores({1: "core-1", 2: "core-2"})
    pending = cores.pending(limit_of_core=1)
    pending.add(waiting(7))
    pending.add(waiting(8, shard=2))
    pending.take(7)
    cores.owners[1] = "core-2"
    pending.reassign({1})

    assert pending.full


def test_command_that_goes_to_another_core_counts_there() -> None:
    cores = Cores({1: "core-1", 2: "core-2"})
    pending = cores.pending(limit_of_core=1)
    pending.add(waiting(7))
    cores.owners[1] = "core-2"
    pending.reassign({1})

    crowded = pending.is_crowded(waiting(9, shard=2).command)
    cores.owners[1] = "core-1"

    assert (crowded, pending.is_crowded(waiting(9).command)) == (True, False)


def test_commands_without_a_core_are_no_burden_for_one() -> None:
    cores = Cores({})
    pending = cores.pending(limit_of_core=1)
    pending.add(waiting(7))
    pending.add(waiting(8))

    assert not pending.is_crowded(waiting(9).command)


def test_pending_after_a_time_without_the_bus_is_sent_again() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))
    pending.add(waiting(8))

    pending.resend()

    assert cores.sent == [("core-1", 7), ("core-1", 8), ("core-1", 7), ("core-1", 8)]


def test_command_that_is_asked_about_and_still_wanted_goes_again_with_the_time_of_the_core() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))

    pending.asked(7, 1234.5, now=3.9)

    kept = pending.take(7)
    assert kept is not None
    assert (cores.sent, kept.command.asked) == ([("core-1", 7), ("core-1", 7)], 1234.5)


def test_command_that_is_asked_about_when_it_is_or_will_be_given_up_does_not_go_again() -> None:
    cores = Cores({1: "core-1"})
    pending = cores.pending()
    pending.add(waiting(7))

    pending.asked(7, 1234.5, now=4.1)
    pending.asked(8, 1234.5, now=4.1)

    assert cores.sent == [("core-1", 7)]
