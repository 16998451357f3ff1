"""Who is alive and who owns which shard, kept in a NATS key-value bucket (design §3 "Ownership").

Rule 1: what is known here may be old. Correctness rests on the fence in PostgreSQL; this only routes.
Rule 2: while NATS is away, or its bucket has no leader, the last known ownership stands, and nobody is called dead.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Protocol

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import KeyDeletedError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KV_PURGE, KeyValue

from lamplighter_proto.ownership import (
    BUCKET,
    MEMBER_PREFIX,
    TABLE_KEY,
    Member,
    ShardOwner,
    ShardTable,
    member_key,
)
from lamplighter_runtime import clock
from lamplighter_runtime.bucket import open_bucket
from lamplighter_runtime.signs import Signs
from lamplighter_runtime.view import View

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 30.0
LOOK_SECONDS = 0.5
"""How often a watch looks whether its connection was made anew."""
RETRY_SECONDS = 0.25


class Routes(Protocol):
    """What those who only send commands need of the directory."""

    @property
    def synced(self) -> bool:
        """Return whether the bucket has been read."""

    def owner_of(self, shard: int) -> str | None:
        """Return the instance that owns a shard, None while nobody does."""

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Call `listener(shard)` when a shard has a new owner or its owner begins anew."""


class Directory:
    """Watches the bucket, keeps our own member key alive, and changes the shard table."""

    def __init__(self, client: Client, *, lease_seconds: float = 2.0, replicas: int = 0) -> None:
        self.view = View()
        self.synced = False
        self._nc = client
        self._lease_seconds = lease_seconds
        self._replicas = replicas
        self._kv: KeyValue | None = None
        self._member: Member | None = None
        self._replaced = False
        self._signs = Signs(lease_seconds)
        self._doubted: set[str] = set()
        self._shard_listeners: list[Callable[[int], None]] = []
        self._member_listeners: list[Callable[[], None]] = []
        self._replaced_listeners: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch; returns when the bucket has been read once."""
        read = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._watch_for_ever(read), name="directory-watch"))
        await read.wait()

    async def close(self) -> None:
        """Stop watching and withdraw our member key."""
        for task in self._tasks:
            task.cancel()
        if self._kv is None or self._member is None or self._replaced or not self._nc.is_connected:
            return
        try:
            await self._kv.delete(member_key(self._member.service, self._member.instance))
        except (NatsError, TimeoutError) as error:
            logger.info("member key left to expire", extra={"error": repr(error)})

    def owner_of(self, shard: int) -> str | None:
        """Return the instance that owns a shard, None while nobody does."""
        return self.view.owner_of(shard)

    @property
    def known_at(self) -> float:
        """Return a monotonic time: whatever was true in the bucket then is known here."""
        return self._signs.known_at

    def members(self) -> list[Member]:
        """Return everybody alive, in a stable order."""
        return [member for _, member in sorted(self.view.members.items())]

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Call `listener(shard)` when a shard has a new owner or its owner begins anew."""
        self._shard_listeners.append(listener)

    def on_members(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when somebody comes or goes."""
        self._member_listeners.append(listener)

    def on_replaced(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when another process has taken our instance name."""
        self._replaced_listeners.append(listener)

    async def announce(self, member: Member) -> None:
        """Make our member key known and keep it alive until `close`; the token is set here."""
        self._member = member.model_copy(update={"token": new_token(clock.wall())})
        while not await self._renewed():  # noqa: ASYNC110  # nobody tells us when NATS is ready
            await asyncio.sleep(RETRY_SECONDS)
        self._tasks.append(asyncio.create_task(self._renew_for_ever(), name="directory-renew"))

    async def change_table(self, change: Callable[[ShardTable], ShardTable | None], shards: int) -> ShardTable | None:
        """Apply `change` to the newest table by compare-and-set; None from it means: nothing to do.

        Returns the table that was written, or None. Raises nats.errors.Error while the bucket is away.
        """
        assert self._kv is not None, "start first"
        while True:
            table, revision = await self._read_table(self._kv, shards)
            changed = change(table)
            if changed is None:
                return None
            try:
                value = changed.model_dump_json().encode()
                if revision:
                    revision = await self._kv.update(TABLE_KEY, value, last=revision)
                else:
                    revision = await self._kv.create(TABLE_KEY, value)
            except KeyWrongLastSequenceError:
                continue
            self._take_table(changed, revision)
            return changed

    async def _read_table(self, kv: KeyValue, shards: int) -> tuple[ShardTable, int]:
        try:
            entry = await kv.get(TABLE_KEY)
        except (KeyNotFoundError, KeyDeletedError):
            return ShardTable(shards=shards), 0
        return ShardTable.model_validate_json(entry.value or b""), entry.revision or 0

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            while not self._replaced and not await self._renewed():  # noqa: ASYNC110
                await asyncio.sleep(RETRY_SECONDS)

    async def _renewed(self) -> bool:
        """Put our member key for another lease; return whether that went well."""
        assert self._member is not None
        key = member_key(self._member.service, self._member.instance)
        value = self._member.model_dump_json().encode()
        sent = clock.monotonic()
        try:
            async with asyncio.timeout(self._lease_seconds / 2):
                put = await self._nc.jetstream().publish(f"$KV.{BUCKET}.{key}", value, msg_ttl=self._lease_seconds)
        except (NatsError, TimeoutError) as error:
            logger.warning("lease not renewed", extra={"error": repr(error)})
            return False
        self._signs.written(put.seq, sent, clock.monotonic())
        return True

    async def _watch_for_ever(self, read: asyncio.Event) -> None:
        while True:
            try:
                self._kv = await open_bucket(self._nc, lease_seconds=self._lease_seconds, replicas=self._replicas)
                await self._watch(self._kv, read)
            except (NatsError, TimeoutError) as error:
                logger.warning("directory not readable", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, kv: KeyValue, read: asyncio.Event) -> None:
        """Follow the bucket for a while; whoever is not in it at the start is gone."""
        # A bucket that was made anew counts from one again.
        self.view.revision = 0
        self._signs.watch_begins()
        reconnects = self._nc.stats["reconnects"]
        watcher = await kv.watchall()
        seen: set[str] | None = set()
        try:
            async with asyncio.timeout(RESYNC_SECONDS):
                # A watch does not survive its connection, nor the server it was at: what follows is told to nobody.
                while self._nc.stats["reconnects"] == reconnects and not self._signs.deaf(clock.monotonic()):
                    self._bury()
                    with contextlib.suppress(TimeoutError):
                        entry = await watcher.updates(LOOK_SECONDS)  # type: ignore[no-untyped-call]
                        seen = self._follow(entry, seen, read)
        except TimeoutError:
            return
        finally:
            if self._nc.is_connected:
                await watcher.stop()  # type: ignore[no-untyped-call]

    def _follow(self, entry: KeyValue.Entry | None, seen: set[str] | None, read: asyncio.Event) -> set[str] | None:
        """Take an entry, None behind those of the start; return the keys of the start until it is over."""
        if entry is not None:
            self._take(entry)
            return None if seen is None else seen | {entry.key}
        self._forget_all_but(seen or set())
        if not self.view.revision:
            self._forget_table()
        self.synced = True
        read.set()
        return None

    def _take(self, entry: KeyValue.Entry) -> None:
        if entry.key == TABLE_KEY and entry.value:
            self._take_table(ShardTable.model_validate_json(entry.value), entry.revision or 0)
        elif entry.key.startswith(MEMBER_PREFIX):
            if entry.operation == KV_PURGE:
                self._expired(entry.key)
            else:
                gone = entry.operation is not None or not entry.value
                self._take_member(entry.key, None if gone else Member.model_validate_json(entry.value or b""))
        self._signs.heard(entry.revision or 0)

    def _take_table(self, table: ShardTable, revision: int) -> None:
        for shard in self.view.take_table(table, revision):
            for listener in self._shard_listeners:
                listener(shard)

    def _forget_table(self) -> None:
        """Forget the table of a bucket that lost it: its owners claim their shards anew."""
        lost, self.view.table = self.view.table, None
        for shard in lost.owners if lost else ():
            for listener in self._shard_listeners:
                listener(shard)

    def _expired(self, key: str) -> None:
        """Take note that a member's key has run out: it is dead, unless there was no way to renew it."""
        if self._signs.doubtful(clock.monotonic()):
            self._doubted.add(key)
        else:
            self._take_member(key, None)

    def _bury(self) -> None:
        """Call those dead whose keys are still gone although they could be written by now."""
        if self._doubted and not self._signs.doubtful(clock.monotonic()):
            for key in list(self._doubted):
                self._take_member(key, None)

    def _take_member(self, key: str, member: Member | None) -> None:
        self._doubted.discard(key)
        if not self.view.take_member(key, member):
            return
        ours = self._member
        if ours and member and key == member_key(ours.service, ours.instance) and member.token > ours.token:
            self._replaced = True
            for replaced in self._replaced_listeners:
                replaced()
        for listener in self._member_listeners:
            listener()

    def _forget_all_but(self, keys: set[str]) -> None:
        for key in [key for key in self.view.members if key not in keys]:
            self._expired(key)


def new_token(now: float) -> str:
    """Return a token for a process that begins now: later ones are greater, no two are equal."""
    return f"{int(now * 1000):015d}-{secrets.token_hex(8)}"


def claimed(table: ShardTable, shard: int, owner: str) -> ShardTable:
    """Return the table in which `owner` has newly claimed a shard."""
    before = table.owners.get(shard)
    epoch = before.epoch + 1 if before else 1
    return table.model_copy(update={"owners": {**table.owners, shard: ShardOwner(owner=owner, epoch=epoch)}})
