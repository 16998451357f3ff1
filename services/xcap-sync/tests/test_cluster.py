"""What is made of the directory's word."""

from nats.aio.client import Client

from lamplighter_proto.ownership import Member, ShardOwner, ShardTable, member_key
from lamplighter_runtime.membership import Directory
from xcap_sync.cluster import Cluster


def a_directory(*members: tuple[str, str], owners: dict[int, str] | None = None) -> Directory:
    directory = Directory(Client())
    for service, instance in members:
        directory.view.take_member(member_key(service, instance), Member(service=service, instance=instance))
    table = {shard: ShardOwner(owner=owner, epoch=1) for shard, owner in (owners or {}).items()}
    directory.view.take_table(ShardTable(shards=4, owners=table), 1)
    return directory


async def test_cores_are_those_alive_and_those_that_own_a_shard() -> None:
    directory = a_directory(("presence-core", "core-1"), ("notifier", "n-1"), owners={0: "core-2", 1: ""})

    assert Cluster(directory, "xcap-sync-1").all() == {"core-1", "core-2"}


async def test_each_presentity_belongs_to_one_replica() -> None:
    directory = a_directory(("xcap-sync", "a"), ("xcap-sync", "b"))
    users = [f"sip:user{number}@example.com" for number in range(40)]

    shares = [[user for user in users if Cluster(directory, name).ours(user)] for name in ("a", "b")]

    assert sorted(shares[0] + shares[1]) == sorted(users)
    assert all(shares)


async def test_replica_that_the_directory_does_not_know_yet_counts_itself() -> None:
    assert Cluster(a_directory(), "a").ours("sip:alice@example.com")


async def test_listener_hears_of_replicas_alone() -> None:
    directory, heard = a_directory(("xcap-sync", "a")), []
    Cluster(directory, "a").on_change(lambda: heard.append(True))

    directory._take_member("member.notifier.n", Member(service="notifier", instance="n"))
    directory._take_member("member.xcap-sync.a", Member(service="xcap-sync", instance="a", token="2"))
    assert heard == []
    directory._take_member("member.xcap-sync.b", Member(service="xcap-sync", instance="b"))

    assert heard == [True]
