"""XCAP documents in the memory of the shards: read when a presentity is watched, read again on word of a change.

Rule 1: a watcher is decided about with the documents of its presentity and never before they are read.
Rule 2: word of a change is confirmed when it has taken effect; until then it is sent again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from event_packages.base import EventPackage
from event_packages.registry import Registry
from lamplighter_proto import Command, Refresh, Refreshed, Subscribe, Wanted, subjects
from lamplighter_runtime import clock
from presence_core.authorizing import Authorizer
from presence_core.deliver import Teller
from presence_core.domain.documents import Documents, XcapDocument, read_documents
from presence_core.domain.subscription import Status
from presence_core.outbox import Sender
from presence_core.settings import Settings
from presence_core.shard import Parked, Shard
from presence_core.store import ShardRows, Store, StoreError

logger = logging.getLogger(__name__)

AT_ONCE = 500
"""Presentities whose documents one query asks for."""
SWEEP_SECONDS = 60.0
RETRY_SECONDS = 1.0
"""Until documents are read again that could not be read."""
WANTED_SECONDS = 3600.0
"""How often xcap-sync is told that documents are still wanted."""

Handle = Callable[[Shard, Command, float], None]
Key = tuple[int, str]
"""Number of a shard, and AOR."""


@dataclass(frozen=True, slots=True)
class Word:
    """A Refresh, and what has to be read again before it has taken effect."""

    refresh: Refresh
    left: set[Key]


class XcapDocuments:
    """Reads documents for the shards. With `xcap=none` there are none, and nothing waits."""

    def __init__(
        self, settings: Settings, registry: Registry, store: Store, bus: Sender, teller: Teller, authorizer: Authorizer
    ) -> None:
        self._settings = settings
        self._packages = list(registry)
        self._registry = registry
        self._store = store
        self._bus = bus
        self._teller = teller
        self._authorizer = authorizer
        self._fetched = settings.xcap == "client"
        self._asked: dict[Key, tuple[Shard, list[Word]]] = {}
        self._wake = asyncio.Event()
        self._swept: dict[int, float] = {}
        self._unneeded: dict[int, set[str]] = {}
        self._reminded: dict[int, float] = {}

    def use(
        self,
        served: Mapping[int, Shard],
        all_served: Callable[[], bool],
        handle: Handle,
        refuse: Callable[[Command], None],
        tell: Callable[[float], None],
    ) -> None:
        """Take the shards that are served, whether none is being loaded, and what to do with parked commands.

        `tell` is called when watchers may have to hear of something.
        """
        self._served, self._all_served, self._handle, self._refuse = served, all_served, handle, refuse
        self._tell = tell

    def needed(self, package: EventPackage) -> bool:
        """Return whether watchers of a package depend on documents of the presentity."""
        return self._settings.xcap != "none" and bool(self._authorizer.governs(package) or package.hard_state)

    def needed_for(self, event: str) -> bool:
        """Return whether watchers of an event depend on documents of the presentity."""
        package = self._registry.get(event)
        return package is not None and self.needed(package)

    # --- commands that need documents

    def here(self, shard: Shard, command: Subscribe, now: float) -> bool:
        """Return whether the documents that a command needs are here; park it otherwise."""
        aor = command.presentity
        if aor in shard.documents:
            return True
        package = self._registry.get(command.event)
        if package is None or not self.needed(package):
            return True
        parked = shard.parked.get(aor)
        if parked is None:
            parked = shard.parked[aor] = Parked(until=now + self._settings.fetch_wait_seconds)
            self._want(shard, aor)
        parked.commands.setdefault((command.edge, command.id), command)
        return False

    def _want(self, shard: Shard, aor: str) -> None:
        if self._fetched:
            self._bus.send(subjects.XCAP, Wanted(presentity=aor))
        else:
            self._ask(shard, aor)

    def _ask(self, shard: Shard, aor: str, *words: Word) -> None:
        _, awaited = self._asked.setdefault((shard.number, aor), (shard, []))
        awaited.extend(words)
        self._wake.set()

    # --- word of changes

    def on_refreshes(self, refreshes: Iterable[Refresh]) -> None:
        """Read again what may have changed; confirm at once what nobody here needs.

        A shard that is not served yet may have read its documents before the change: that is not confirmed.
        """
        for refresh in refreshes:
            if not (self._all_served() if refresh.shard < 0 else refresh.shard in self._served):
                continue
            shards = list(self._served.values()) if refresh.shard < 0 else [self._served[refresh.shard]]
            asked = [(shard, aor) for shard in shards for aor in _held(shard, refresh.presentity)]
            word = Word(refresh, {(shard.number, aor) for shard, aor in asked})
            for shard, aor in asked:
                self._ask(shard, aor, word)
            self._confirm(word)

    def _confirm(self, word: Word) -> None:
        if not word.left:
            self._bus.send(subjects.xcap_replies(word.refresh.xcap_sync), Refreshed(id=word.refresh.id))

    # --- reading

    async def run(self) -> None:
        """Read what is asked for, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._asked = self._asked, {}
            wanted = list(asked.items())
            for start in range(0, len(wanted), AT_ONCE):
                await self._read(wanted[start : start + AT_ONCE])

    async def _read(self, asked: list[tuple[Key, tuple[Shard, list[Word]]]]) -> None:
        try:
            stored = await self._store.load_documents([aor for (_, aor), _ in asked])
        except StoreError as error:
            logger.warning("XCAP documents not read", extra={"error": repr(error)})
            for (_, aor), (shard, words) in asked:
                self._refuse_parked(shard, aor)
                if self._served.get(shard.number) is shard:
                    self._ask(shard, aor, *words)
            await asyncio.sleep(RETRY_SECONDS)
            self._wake.set()
            return
        now = clock.wall()
        for key, (shard, words) in asked:
            if self._served.get(shard.number) is shard and self._taken(shard, key[1], stored.get(key[1], ()), now):
                for word in words:
                    word.left.discard(key)
                    self._confirm(word)
        self._tell(now)

    def _taken(self, shard: Shard, aor: str, stored: tuple[XcapDocument, ...], now: float) -> bool:
        try:
            self._take(shard, aor, stored, now)
        except Exception:
            # The bug that one presentity's documents find must not cost the others theirs.
            logger.exception("XCAP documents not taken", extra={"aor": aor})
            self._refuse_parked(shard, aor)
            return False
        return True

    def _refuse_parked(self, shard: Shard, aor: str) -> None:
        parked = shard.parked.pop(aor, None)
        for command in parked.commands.values() if parked else ():
            self._refuse(command)

    def read(self, aor: str, stored: Iterable[XcapDocument]) -> Documents:
        """Return the documents of a presentity as they are read."""
        return read_documents(aor, stored, self._packages, limit=self._settings.rules_limit_bytes)

    async def stored(self, aor: str) -> Documents:
        """Return the documents of a presentity as the table has them now; raise StoreError."""
        found = await self._store.load_documents([aor]) if self._settings.xcap != "none" else {}
        return self.read(aor, found.get(aor, ()))

    def _take(self, shard: Shard, aor: str, stored: tuple[XcapDocument, ...], now: float) -> None:
        before = shard.documents.get(aor)
        if before is None or before.stored != stored:
            documents = shard.documents[aor] = self.read(aor, stored)
            for (usage, uri), problem in documents.problems.items():
                extra = {"aor": aor, "usage": usage, "document": uri, "problem": problem}
                logger.warning("XCAP document not readable", extra=extra)
            for package in self._packages:
                entry = shard.entries.get((aor, package.name)) if package.hard_state else None
                if entry is not None:
                    self._teller.changed(shard, entry)
            shard.boundaries.pop(aor, None)
            self._authorizer.redecide(shard, aor, now)
        parked = shard.parked.pop(aor, None)
        for command in parked.commands.values() if parked else ():
            self._handle(shard, command, now)

    # --- new shards

    async def load(self, rows: ShardRows) -> dict[str, Documents]:
        """Return the documents that the watchers of stored shards depend on; raise StoreError."""
        aors = {row.watcher.presentity for row in rows.watchers if row.watcher.status == Status.WAITING}
        for row in rows.subscriptions:
            package = self._registry.get(row.subscription.event)
            if package is not None and self.needed(package):
                aors.add(row.subscription.presentity)
        if self._settings.xcap == "none" or not aors:
            return {}
        stored = await self._store.load_documents(aors)
        return {aor: self.read(aor, stored.get(aor, ())) for aor in aors}

    # --- time

    def on_tick(self, shard: Shard, now: float) -> None:
        """Stop waiting for what does not come, forget what nobody needs, say what is still wanted."""
        for aor, parked in list(shard.parked.items()):
            if parked.until <= now:
                parked.until = float("inf")
                self._ask(shard, aor)
        if now - self._swept.setdefault(shard.number, now) >= SWEEP_SECONDS:
            self._swept[shard.number] = now
            self._sweep(shard)
        if self._fetched and now - self._reminded.get(shard.number, 0.0) >= WANTED_SECONDS:
            self._reminded[shard.number] = now
            for aor in shard.documents:
                self._bus.send(subjects.XCAP, Wanted(presentity=aor))

    def _sweep(self, shard: Shard) -> None:
        needed = {aor for aor, _ in shard.entries} | {aor for aor, _ in shard.known}
        unneeded = shard.documents.keys() - needed
        # Not at once: a SUBSCRIBE that needs them may be on its way to the store.
        for aor in unneeded & self._unneeded.get(shard.number, set()):
            del shard.documents[aor]
            shard.boundaries.pop(aor, None)
        self._unneeded[shard.number] = unneeded


def _held(shard: Shard, aor: str) -> list[str]:
    """Return the presentities whose documents matter to a shard; of all, or whether one does."""
    if aor:
        return [aor] if aor in shard.documents or aor in shard.parked else []
    return list(shard.documents.keys() | shard.parked.keys())
