"""The key-value bucket of members and shards: found, made, and copied to several NATS servers where there are several.

Rule 1: whoever finds the bucket with fewer copies than it should have has it copied; it is never copied to fewer.
"""

import logging

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, BucketNotFoundError
from nats.js.kv import KeyValue

from lamplighter_proto.ownership import BUCKET

logger = logging.getLogger(__name__)

COPIES = 3
"""Of a cluster's servers so many hold the bucket: one may die."""


def copies(client: Client) -> int:
    """Return how many copies the servers that a client knows of allow: two are no better than one."""
    return COPIES if len(client.servers) >= COPIES else 1


async def open_bucket(client: Client, *, lease_seconds: float, replicas: int) -> KeyValue:
    """Return the bucket, made if need be; `replicas` 0 means: as `copies` says. Raises nats.errors.Error."""
    jetstream = client.jetstream()
    wanted = replicas or copies(client)
    try:
        # Whoever came first made it, perhaps with another lease: to make it otherwise would be refused.
        bucket = await jetstream.key_value(BUCKET)
    except BucketNotFoundError:
        return await _make(jetstream, lease_seconds, wanted)
    if wanted > 1:
        await _copy(jetstream, wanted)
    return bucket


async def _make(jetstream: JetStreamContext, lease_seconds: float, wanted: int) -> KeyValue:
    config = KeyValueConfig(bucket=BUCKET, storage=StorageType.FILE, replicas=wanted, limit_marker_ttl=lease_seconds)
    try:
        return await jetstream.create_key_value(config)
    except APIError as error:
        if wanted == 1:
            raise
        # A cluster that is still coming up: the copies are made when it is complete.
        logger.warning("directory not copied yet", extra={"replicas": wanted, "error": repr(error)})
        return await _make(jetstream, lease_seconds, 1)


async def _copy(jetstream: JetStreamContext, wanted: int) -> None:
    """See to it that the bucket has its copies; what does not work now is tried again by whoever opens it next."""
    try:
        config = (await jetstream.stream_info(f"KV_{BUCKET}")).config
        if (config.num_replicas or 1) < wanted:
            config.num_replicas = wanted
            await jetstream.update_stream(config)
            logger.info("directory copied", extra={"replicas": wanted})
    except (NatsError, TimeoutError) as error:
        logger.warning("directory not copied", extra={"replicas": wanted, "error": repr(error)})
