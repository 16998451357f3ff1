"""Who is alive and who serves which shard: the records of the NATS key-value bucket and of HTTP.

`shards` holds the one ShardTable, written by compare-and-set; `member.<service>.<instance>` holds a Member and
lives only while its process renews it. A core whose member key is gone has lost its shards (ADR 0004).
"""

from collections.abc import Iterable
from hashlib import blake2b
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

BUCKET = "lamplighter"
TABLE_KEY = "shards"
MEMBER_PREFIX = "member."


class Record(BaseModel):
    """Base of the records that are stored as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ShardOwner(Record):
    """The owner of one shard; the epoch grows with every claim. Owner "": released, waiting to be claimed."""

    owner: str
    epoch: int = Field(ge=1)


class ShardTable(Record):
    """The owner of every shard that was ever claimed. `shards` is fixed when the cluster is created."""

    shards: int = Field(ge=1)
    owners: dict[int, ShardOwner] = Field(default_factory=dict)


class Member(Record):
    """A live process. Of two processes of one name the one with the greater `token`, begun later, is it."""

    service: str
    """sip-edge, presence-core, notifier or xcap-sync."""
    instance: str
    token: str = ""
    http: str = ""
    """Base URL of its HTTP endpoint."""
    sip: str = ""
    """`host:port` on which it answers SIP, for an edge."""


def member_key(service: str, instance: str) -> str:
    """Return the bucket's key of a live process."""
    return f"{MEMBER_PREFIX}{service}.{instance}"


def shard_of(presentity: str, shards: int) -> int:
    """Return the shard that a canonical address-of-record belongs to."""
    # crc32 and not hash(): all processes must agree, today and after a restart.
    return crc32(presentity.encode()) % shards


def chosen(key: object, instances: Iterable[str]) -> str | None:
    """Return which of some instances shall have a thing, by rendezvous hashing; None of none."""
    return max(instances, key=lambda name: blake2b(f"{name}/{key}".encode(), digest_size=8).digest(), default=None)


def aor_hash(presentity: str) -> str:
    """Return the eight hex digits that begin a local tag: a dialog's way to its shard."""
    return f"{crc32(presentity.encode()):08x}"


def shard_of_tag(local_tag: str, shards: int) -> int | None:
    """Return the shard that a local tag of ours names; None for a tag that is not ours."""
    try:
        return int(local_tag[:8], 16) % shards if len(local_tag) == TAG_LENGTH else None
    except ValueError:
        return None


TAG_LENGTH = 40
"""Eight digits of `aor_hash` and thirty-two of a random 128-bit number."""
