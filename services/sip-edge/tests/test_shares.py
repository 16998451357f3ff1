"""How many commands of one name may wait."""

from lamplighter_proto import DialogRoute, Flow, Publish, Register, Subscribe, Transaction
from sip_edge.shares import Shares

TRANSACTION = Transaction(call_id="c", cseq=1, from_tag="f")


def publish(presentity: str = "sip:alice@example.com") -> Publish:
    return Publish(
        id=1,
        edge="edge-1",
        shard=1,
        transaction=TRANSACTION,
        presentity=presentity,
        event="presence",
        expires=None,
        if_match=(),
        content_type="",
        body=b"",
        sender=presentity,
    )


def subscribe(presentity: str, watcher: str) -> Subscribe:
    return Subscribe(
        id=1,
        edge="edge-1",
        shard=1,
        transaction=TRANSACTION,
        presentity=presentity,
        watcher=watcher,
        event="presence",
        event_id="",
        event_params=(),
        to_tag="",
        expires=None,
        accept=None,
        from_uri=watcher,
        to_uri=presentity,
        route=DialogRoute(remote_target=watcher, route_set=(), contact=""),
        flow=Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote="192.0.2.7:5060"),
        content_type="",
        body=b"",
    )


def register(aor: str) -> Register:
    return Register(
        id=1, edge="edge-1", shard=1, transaction=TRANSACTION, aor=aor, bindings=(), remove_all=False, expires=None
    )


def test_presentity_has_its_share_with_all_methods_together() -> None:
    shares = Shares(3)
    shares.add(publish())
    shares.add(subscribe("sip:alice@example.com", "sip:bob@example.com"))
    shares.add(register("sip:alice@example.com"))

    assert shares.is_full(publish())
    assert shares.is_full(subscribe("sip:alice@example.com", "sip:carol@example.com"))
    assert shares.is_full(register("sip:alice@example.com"))
    assert not shares.is_full(publish("sip:bob@example.com"))


def test_watcher_has_its_share_whomever_it_watches() -> None:
    shares = Shares(2)
    shares.add(subscribe("sip:alice@example.com", "sip:bob@example.com"))
    shares.add(subscribe("sip:dave@example.com", "sip:bob@example.com"))

    assert shares.is_full(subscribe("sip:erin@example.com", "sip:bob@example.com"))
    assert not shares.is_full(subscribe("sip:erin@example.com", "sip:carol@example.com"))
    assert not shares.is_full(publish("sip:bob@example.com"))


def test_share_is_free_again_and_nothing_is_kept_when_nothing_waits() -> None:
    shares = Shares(1)
    command = subscribe("sip:alice@example.com", "sip:bob@example.com")
    shares.add(command)
    shares.remove(command)

    assert not shares.is_full(command)
    assert len(shares) == 0
