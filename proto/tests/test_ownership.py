"""The shard of an address-of-record, and of the dialogs that are about it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter_proto.ownership import (
    TAG_LENGTH,
    Member,
    ShardOwner,
    ShardTable,
    aor_hash,
    chosen,
    member_key,
    shard_of,
    shard_of_tag,
)

SHARDS = st.integers(min_value=1, max_value=4096)
RANDOM_128 = st.integers(min_value=0, max_value=2**128 - 1)


@given(presentity=st.text(), shards=SHARDS, number=RANDOM_128)
def test_shard_of_a_tag_is_the_shard_of_its_presentity(presentity: str, shards: int, number: int) -> None:
    tag = aor_hash(presentity) + f"{number:032x}"

    assert len(tag) == TAG_LENGTH
    assert shard_of_tag(tag, shards) == shard_of(presentity, shards)


@given(presentity=st.text(), shards=SHARDS)
def test_shard_of_a_presentity_is_one_of_the_shards(presentity: str, shards: int) -> None:
    assert 0 <= shard_of(presentity, shards) < shards


def test_shard_of_a_presentity_is_the_same_in_every_release() -> None:
    # The check value of CRC-32 itself.
    assert aor_hash("123456789") == "cbf43926"
    assert shard_of("123456789", 64) == 0xCBF43926 % 64


@pytest.mark.parametrize("tag", ["", "1928301774", "z" * 40, "0a1b2c3d", "0" * 41])
def test_shard_of_a_tag_that_is_not_ours_is_none(tag: str) -> None:
    assert shard_of_tag(tag, 64) is None


def test_shard_table_as_json_comes_back_as_it_was() -> None:
    table = ShardTable(shards=64, owners={0: ShardOwner(owner="core-1", epoch=1), 63: ShardOwner(owner="", epoch=9)})

    assert ShardTable.model_validate_json(table.model_dump_json()) == table


def test_record_with_a_field_of_a_later_release_is_read() -> None:
    member = Member.model_validate_json('{"service": "sip-edge", "instance": "edge-1", "token": "t", "later": 1}')

    assert member_key(member.service, member.instance) == "member.sip-edge.edge-1"


INSTANCES = st.sets(st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True), min_size=1, max_size=6)


@given(key=st.integers() | st.text(), instances=INSTANCES)
def test_chosen_instance_is_one_of_them_whatever_their_order(key: object, instances: set[str]) -> None:
    name = chosen(key, sorted(instances))

    assert name in instances
    assert chosen(key, sorted(instances, reverse=True)) == name


@given(key=st.integers(), instances=INSTANCES)
def test_chosen_instance_stays_when_another_one_goes(key: int, instances: set[str]) -> None:
    name = chosen(key, instances)

    assert all(chosen(key, instances - {other}) == name for other in instances if other != name)


def test_chosen_of_no_instances_is_none() -> None:
    assert chosen(17, []) is None


def test_chosen_instances_share_the_keys_about_evenly() -> None:
    names = [f"core-{number}" for number in range(4)]

    shares = Counter(chosen(key, names) for key in range(4096))

    assert set(shares) == set(names)
    assert min(shares.values()) > 900


def test_chosen_instance_of_a_key_is_the_same_in_every_release() -> None:
    assert [chosen(key, ["core-1", "core-2", "core-3"]) for key in range(6)] == [
        f"core-{one}" for one in (3, 3, 2, 2, 2, 2)
    ]
