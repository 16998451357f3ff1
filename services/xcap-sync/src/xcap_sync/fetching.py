"""Keeps the documents of wanted users in the `xcap` table as their XCAP servers have them.

Rule 1: only a 404 or a 410 takes a document away; while a server fails the rows stay.
Rule 2: a core that waits hears that a look is over whatever came of it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xcap_sync.client import Answer, Client, Outcome
from xcap_sync.domain.addresses import Addresses, Place, User, user_of
from xcap_sync.domain.backoff import Backoff
from xcap_sync.domain.refreshes import Done
from xcap_sync.domain.watchlist import Job, Watchlist
from xcap_sync.metrics import Metrics
from xcap_sync.store import Document, Key, Store, StoreAway

logger = logging.getLogger(__name__)

STORE_PAUSE_SECONDS = 1.0
"""Until a look is tried again that failed for the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long what failed is left alone."""

    roots: Backoff[str]
    documents: Backoff[str]


class Fetcher:
    """Looks at wanted users' documents when they are due."""

    def __init__(
        self,
        *,
        addresses: Addresses,
        client: Client,
        store: Store,
        watchlist: Watchlist,
        pauses: Pauses,
        metrics: Metrics,
        refresh: Callable[[str, Done | None], None],
        now: Callable[[], float],
        looks: int,
    ) -> None:
        self._addresses = addresses
        self._client = client
        self._store = store
        self._watchlist = watchlist
        self._pauses = pauses
        self._metrics = metrics
        self._refresh = refresh
        self._now = now
        self._looks = looks
        self._not_before = 0.0
        """While the database is away nothing is begun."""
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at the list again: something is due earlier than it was."""
        self._wake.set()

    async def run_for_ever(self) -> None:
        """Do what is due; never returns."""
        try:
            while True:
                self._wake.clear()
                self._begin_due()
                await self._idle()
        finally:
            for task in self._running:
                task.cancel()

    def _begin_due(self) -> None:
        if self._now() < self._not_before:
            return
        while len(self._running) < self._looks and (job := self._watchlist.take(self._now())) is not None:
            task = asyncio.create_task(self._run(job), name="look")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._wake.set()

    async def _idle(self) -> None:
        full = len(self._running) >= self._looks
        wait = max(self._watchlist.next_due(), self._not_before) - self._now()
        try:
            async with asyncio.timeout(None if full or wait == float("inf") else max(0.0, wait)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _run(self, job: Job) -> None:
        try:
            changed = await self._look(job)
        except StoreAway as error:
            self._watchlist.finished(job.presentity, self._now())
            self._again(job, error)
            return
        except Exception:
            # A look that is lost would be a user who is never looked at again.
            logger.exception("look failed", extra={"presentity": job.presentity})
            changed = False
        self._watchlist.finished(job.presentity, self._now())
        if changed or job.owed:
            self._tell(job)

    def _tell(self, job: Job) -> None:
        self._refresh(job.presentity, None)
        for done in job.done:
            self._refresh(job.presentity, done)

    def _again(self, job: Job, error: StoreAway) -> None:
        """Owe what a look owed; the database is left alone for a moment."""
        now = self._now()
        if now >= self._not_before:
            self._not_before = now + STORE_PAUSE_SECONDS
            logger.warning("documents not looked at", extra={"presentity": job.presentity, "error": str(error)})
        if job.presentity in self._watchlist:
            self._watchlist.ask(job.presentity, now, usages=job.usages, owed=job.owed, done=job.done)

    async def _look(self, job: Job) -> bool:
        user = user_of(job.presentity)
        if user is None:
            return False
        if job.owed:
            await self._store.want(user, self._watchlist.wanted_at(job.presentity))
        stored = await self._store.documents(user)
        places = self._addresses.places(user, job.usages)
        strays = await self._drop_strays(user, stored)
        results = await asyncio.gather(*(self._fetch(place, stored.get(place.key), job.insists) for place in places))
        return strays or any(results)

    async def _drop_strays(self, user: User, stored: Mapping[Key, Document]) -> bool:
        """Remove what was fetched from a place that settings no longer name: nobody would keep it fresh."""
        strays = stored.keys() - {place.key for place in self._addresses.places(user)}
        if strays:
            await self._store.drop(user, strays)
            self._metrics.removed.inc(len(strays))
            logger.info("documents of former places removed", extra={"doc_uris": sorted(uri for uri, _ in strays)})
        return bool(strays)

    async def _fetch(self, place: Place, before: Document | None, insists: bool) -> bool:
        """Fetch one document unless it is left alone; return whether its row changed."""
        held = max(self._pauses.roots.until(place.root.url), self._pauses.documents.until(place.uri))
        if held > self._now() and not insists:
            self._watchlist.retry(place.user.aor, held)
            return False
        answer = await self._client.get(place.uri, before.etag if before else "")
        self._metrics.fetches[answer.outcome].inc()
        self._mind(place, answer)
        return await self._take(place, before, answer)

    def _mind(self, place: Place, answer: Answer) -> None:
        """Leave alone what failed: the server if it is away, else the document."""
        if answer.outcome is Outcome.AWAY:
            again = self._pauses.roots.failed(place.root.url, self._now(), answer.retry_after)
        else:
            self._pauses.roots.succeeded(place.root.url)
            if answer.outcome is not Outcome.FAILED:
                self._pauses.documents.succeeded(place.uri)
                return
            again = self._pauses.documents.failed(place.uri, self._now())
        self._watchlist.retry(place.user.aor, again)
        logger.warning("document not fetched", extra={"doc_uri": place.uri, "reason": answer.why})

    async def _take(self, place: Place, before: Document | None, answer: Answer) -> bool:
        if answer.outcome is Outcome.GONE and before is not None:
            return await self._removed(place, before)
        if answer.document is None or answer.document == before:
            return False
        if not await self._store.put(place, answer.document, before):
            # Another replica was there first, with what may be newer: look again.
            self._watchlist.retry(place.user.aor, self._pauses.documents.failed(place.uri, self._now()))
            return False
        if before is not None and before.body == answer.document.body:
            return False
        self._metrics.stored.inc()
        logger.info("document stored", extra={"doc_uri": place.uri, "bytes": len(answer.document.body)})
        return True

    async def _removed(self, place: Place, before: Document) -> bool:
        if not await self._store.remove(place, before):
            return False
        self._metrics.removed.inc()
        logger.info("document removed", extra={"doc_uri": place.uri})
        return True

    async def find(self, doc_uri: str, port: int) -> User | None:
        """Return whose document an operator means by what the row says of it; None for one that we cannot fetch."""
        place = self._addresses.place(doc_uri)
        if place is None or place.root.port != port or not place.user.domain:
            return await self._store.find(doc_uri, port)
        return place.user
