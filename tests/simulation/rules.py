"""Rules about who may watch, changed again and again, and whether anybody sees what they forbid (design §1, point 4).

Rule 1: between the change of a document and the confirmation that it took effect, both the old and the new are right.
"""

import asyncio
from itertools import count

from event_packages.rules.testing import one, rule, ruleset
from lamplighter_proto import FrameCodec, Notify, Refresh, Refreshed, encode_frame, subjects
from lamplighter_proto.ownership import TABLE_KEY, ShardTable, shard_of
from presence_core.domain.documents import XcapDocument

from .loop import Process
from .nats import Client
from .promises import Key, seen
from .world import SHARDS, World

NAME = "xcap-sync-1"
USAGES = {"presence": "pres-rules", "dialog": "org.openxcap.dialog-rules"}
PROVIDES = (
    "<pr:provide-services><pr:all-services/></pr:provide-services>"
    "<pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-all-attributes/>"
)
AGAIN_SECONDS = 0.5


class Rules:
    """Who may watch what; `calm` ends the changes."""

    def __init__(self, world: World, watchers: dict[Key, list[str]]) -> None:
        self.calm = False
        self.allowed: dict[Key, list[str]] = {}
        self.changes = 0
        self._world, self._watchers = world, watchers
        self._denied: set[tuple[Key, str]] = set()
        self._confirmed: set[int] = set()
        self._ids = count(1)
        self._codec = FrameCodec[Notify](Notify)
        world.server.on_publish = self._look
        for key in watchers:
            self._write(key)
            self._deny(key)

    def _write(self, key: Key) -> None:
        random, watchers = self._world.random, self._watchers[key]
        allowed = self.allowed[key] = [watcher for watcher in watchers if random.random() < 0.6]
        self._denied -= {(key, watcher) for watcher in watchers}
        rules = [rule(one(*allowed), provides=PROVIDES)] if allowed else []
        document = XcapDocument(usage=USAGES[key[1]], uri="index", etag="e", body=ruleset(*rules))
        self._world.database.rows.documents[key[0]] = (document,)
        self._world.trace.note("rules", key, allowed)

    def _deny(self, key: Key) -> None:
        self._denied |= {(key, one) for one in self._watchers[key] if one not in self.allowed[key]}

    async def run(self) -> None:
        """Change rules for ever."""
        process = Process(self._world.loop, NAME)
        await process.spawn(self._run())

    async def _run(self) -> None:
        client: Client = self._world.client()
        await client.connect()
        client.add(subjects.xcap_replies(NAME), "", self._hear)
        while True:
            await asyncio.sleep(self._world.random.uniform(0.5, 8.0))
            if not self.calm:
                key = self._world.random.choice(list(self._watchers))
                self._write(key)
                await self._spread(client, key[0])
                self._deny(key)
                self.changes += 1
                self._world.trace.note("rules in effect", key)

    async def _spread(self, client: Client, aor: str) -> None:
        """Give word of a change until it is confirmed."""
        number = next(self._ids)
        shard = shard_of(aor, SHARDS)
        while number not in self._confirmed:
            owner = self._owner(shard)
            if owner and client.is_connected:
                word = Refresh(id=number, xcap_sync=NAME, shard=shard, presentity=aor)
                client.send(subjects.core_refreshes(owner), encode_frame([word]))
            await asyncio.sleep(AGAIN_SECONDS)

    def _owner(self, shard: int) -> str:
        table = ShardTable.model_validate_json(self._world.server.bucket.get(TABLE_KEY).value or b"")
        return table.owners[shard].owner if shard in table.owners else ""

    def _hear(self, frame: bytes) -> None:
        words, _ = FrameCodec[Refreshed](Refreshed).decode(frame)
        self._confirmed |= {word.id for word in words}

    def _look(self, client: Client, subject: str, frame: bytes) -> None:
        """Look at what a core tells; one whose connection stands still cannot know better."""
        if subject != subjects.NOTIFY or client.stalled:
            return
        for notify in self._codec.decode(frame)[0]:
            shown = seen(notify.event, notify.document)
            for target in notify.targets if shown else ():
                key, watcher = (target.presentity, notify.event), target.dialog.remote_uri
                if (key, watcher) in self._denied:
                    self._world.promises.violated(f"{notify.core} tells {watcher} of {key} what rules forbid: {shown}")
