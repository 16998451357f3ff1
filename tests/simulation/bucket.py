"""The key-value bucket in memory: revisions, compare-and-set, keys that expire, watches."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from .loop import SimulatedLoop

if TYPE_CHECKING:
    from .nats import Client


@dataclass(frozen=True, slots=True)
class Entry:
    """What a get or a watch returns; `operation` is set where the key is gone."""

    key: str
    value: bytes | None
    revision: int
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """The acknowledgement of a publish into the stream."""

    seq: int


class Bucket:
    """What the server keeps; calls happen at the server."""

    def __init__(self, loop: SimulatedLoop, context: Context) -> None:
        self._loop, self._context = loop, context
        self._revision = 0
        self._entries: dict[str, Entry] = {}
        self._watches: list[Watch] = []

    def names(self) -> list[str]:
        """Return the keys that are there."""
        return list(self._entries)

    def get(self, key: str) -> Entry:
        """Return an entry or raise KeyNotFoundError."""
        if key not in self._entries:
            raise KeyNotFoundError
        return self._entries[key]

    def update(self, key: str, value: bytes, last: int) -> int:
        """Write where the revision is still `last`, 0 for a key that must not be there."""
        entry = self._entries.get(key)
        if (entry.revision if entry else 0) != last:
            raise KeyWrongLastSequenceError
        return self.put(key, value)

    def put(self, key: str, value: bytes, ttl: float = 0.0) -> int:
        """Write; with a `ttl` the key goes after so many seconds unless it is written again."""
        self._revision += 1
        entry = self._entries[key] = Entry(key, value, self._revision)
        self._tell(entry)
        if ttl:
            self._loop.call_later(ttl, self._expire, entry, context=self._context)
        return self._revision

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._revision += 1
        self._entries.pop(key, None)
        self._tell(Entry(key, None, self._revision, "DEL"))

    def _expire(self, entry: Entry) -> None:
        if self._entries.get(entry.key) is entry:
            self._revision += 1
            del self._entries[entry.key]
            self._tell(Entry(entry.key, None, self._revision, "PURGE"))

    def watch(self, watch: "Watch") -> None:
        """Tell a watch all that is there, then that this was all, then what changes."""
        for entry in sorted(self._entries.values(), key=lambda entry: entry.revision):
            watch.tell(entry)
        watch.tell(None)
        self._watches.append(watch)

    def unwatch(self, watch: "Watch") -> None:
        """Tell a watch no more."""
        self._watches = [one for one in self._watches if one is not watch]

    def forget(self, client: "Client") -> None:
        """Forget the watches of a connection that is gone."""
        self._watches = [one for one in self._watches if one.client is not client]

    def _tell(self, entry: Entry) -> None:
        for watch in self._watches:
            watch.tell(entry)


class Watch:
    """A client's watch of all keys."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self._connection = client.connection
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue()

    def tell(self, entry: Entry | None) -> None:
        """Carry an entry to the client."""
        self.client.down.carry(self._take, entry)

    def _take(self, entry: Entry | None) -> None:
        if self._connection == self.client.connection:
            self._queue.put_nowait(entry)

    async def updates(self, timeout: float) -> Entry | None:
        """Return the next entry, None behind those of the start; TimeoutError when none comes."""
        async with asyncio.timeout(timeout):
            return await self._queue.get()

    async def stop(self) -> None:
        """Watch no more."""
        bucket = self.client.server.bucket
        await self.client.request(lambda: bucket.unwatch(self))


class JetStream:
    """The bucket as a client reaches it."""

    def __init__(self, client: "Client", bucket: Bucket) -> None:
        self._client, self._bucket = client, bucket

    async def key_value(self, bucket: str) -> "JetStream":
        """Return the bucket."""
        await self._client.request(lambda: None)
        return self

    async def publish(self, subject: str, value: bytes, msg_ttl: float = 0.0) -> Put:
        """Write into the bucket's stream."""
        key = subject.split(".", 2)[2]
        return Put(await self._ask(lambda: self._bucket.put(key, value, msg_ttl)))

    async def _ask(self, work: Callable[[], int]) -> int:
        result = await self._client.request(work)
        assert isinstance(result, int)
        return result

    async def get(self, key: str) -> Entry:
        """Return an entry."""
        entry = await self._client.request(lambda: self._bucket.get(key))
        assert isinstance(entry, Entry)
        return entry

    async def update(self, key: str, value: bytes, last: int) -> int:
        """Write where nobody has written since `last`."""
        return await self._ask(lambda: self._bucket.update(key, value, last))

    async def create(self, key: str, value: bytes) -> int:
        """Write where nothing is."""
        return await self._ask(lambda: self._bucket.update(key, value, 0))

    async def delete(self, key: str) -> None:
        """Remove a key."""
        await self._client.request(lambda: self._bucket.delete(key))

    async def watchall(self) -> Watch:
        """Watch every key."""
        watch = Watch(self._client)
        await self._client.request(lambda: self._bucket.watch(watch))
        return watch
