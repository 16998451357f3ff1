"""What the bucket says, without I/O."""

from lamplighter_proto.ownership import Member, ShardOwner, ShardTable
from lamplighter_runtime.membership import claimed, new_token
from lamplighter_runtime.view import View


def table(**owners: tuple[str, int]) -> ShardTable:
    """Return a table of owners and epochs; `s3` names shard 3."""
    return ShardTable(
        shards=8,
        owners={int(name[1:]): ShardOwner(owner=owner, epoch=epoch) for name, (owner, epoch) in owners.items()},
    )


def member(instance: str, service: str = "presence-core", token: str = "1") -> Member:
    return Member(service=service, instance=instance, token=token)


def test_view_of_nothing_knows_no_owner_and_nobody() -> None:
    view = View()

    assert view.owner_of(0) is None
    assert view.alive("presence-core") == set()


def test_first_table_changes_every_shard_in_it() -> None:
    view = View()

    changed = view.take_table(table(s1=("core-1", 1), s2=("core-2", 1)), 1)

    assert changed == [1, 2]
    assert (view.owner_of(1), view.owner_of(2), view.owner_of(3)) == ("core-1", "core-2", None)


def test_newer_table_changes_only_shards_with_a_new_owner_or_epoch() -> None:
    view = View()
    view.take_table(table(s1=("core-1", 1), s2=("core-1", 1), s3=("core-1", 1)), 1)

    changed = view.take_table(table(s1=("core-1", 1), s2=("core-2", 2), s3=("core-1", 2), s4=("core-1", 1)), 2)

    assert changed == [2, 3, 4]


def test_table_of_no_newer_revision_changes_nothing() -> None:
    view = View()
    view.take_table(table(s1=("core-2", 2)), 5)

    changed = view.take_table(table(s1=("core-1", 1)), 4) + view.take_table(table(s1=("core-3", 3)), 5)

    assert changed == []
    assert view.owner_of(1) == "core-2"


def test_released_shard_has_no_owner() -> None:
    view = View()

    view.take_table(table(s1=("", 3)), 1)

    assert view.owner_of(1) is None


def test_member_counts_as_news_when_it_comes_begins_anew_or_goes() -> None:
    view = View()
    key = "member.presence-core.core-1"

    news = [
        view.take_member(key, member("core-1")),
        view.take_member(key, member("core-1")),
        view.take_member(key, member("core-1", token="2")),
        view.take_member(key, None),
        view.take_member(key, None),
    ]

    assert news == [True, False, True, True, False]


def test_alive_are_the_instances_of_one_service() -> None:
    view = View()
    view.take_member("member.presence-core.core-1", member("core-1"))
    view.take_member("member.presence-core.core-2", member("core-2"))
    view.take_member("member.sip-edge.edge-1", member("edge-1", "sip-edge"))

    assert view.alive("presence-core") == {"core-1", "core-2"}
    assert view.alive("sip-edge") == {"edge-1"}


def test_claim_raises_the_epoch_of_its_shard_alone() -> None:
    before = table(s1=("core-1", 4), s2=("core-1", 7))

    after = claimed(claimed(before, 1, "core-2"), 5, "core-3")

    assert after == table(s1=("core-2", 5), s2=("core-1", 7), s5=("core-3", 1))
    assert before == table(s1=("core-1", 4), s2=("core-1", 7))


def test_tokens_grow_with_time_and_are_never_equal() -> None:
    tokens = [new_token(999_999.9), new_token(1_000_000.0), new_token(1_790_000_000.0)]

    assert tokens == sorted(tokens)
    assert new_token(1.0) != new_token(1.0)
