"""The configurations: what runs in each, and what must hold for it to be ready."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol

from lamplighter_runtime import clock
from xcap_sync.client import Client
from xcap_sync.cluster import Cluster
from xcap_sync.domain.addresses import User, aor_of
from xcap_sync.domain.backoff import Backoff
from xcap_sync.domain.watchlist import Watchlist
from xcap_sync.fetching import Fetcher, Pauses
from xcap_sync.handlers import Documents, FetchedDocuments, StoredDocuments
from xcap_sync.metrics import Metrics
from xcap_sync.refreshing import Refresher
from xcap_sync.settings import Settings
from xcap_sync.storage.changes import Changes
from xcap_sync.storage.postgres import PostgresStore
from xcap_sync.store import Store, StoreAway

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0
"""How often the database is asked whether it is ready."""
_KEEP_SECONDS = 300.0
"""How often, at least, the list of wanted users is read anew and old ones are forgotten."""
_TAKEOVER_LEASES = 3.0
"""A Wanted of so many leases ago may have been for a replica that was dead already."""


class Mode(Protocol):
    """One configuration."""

    @property
    def documents(self) -> Documents:
        """Return what it does about documents that change."""

    def checks(self) -> Mapping[str, bool]:
        """Return what must hold beyond the bus."""

    def work(self) -> list[Coroutine[object, object, None]]:
        """Return what runs as long as the service does."""

    async def close(self) -> None:
        """Give back what is held."""


class Idle:
    """Mode `none`: nothing but what is asked for over the bus and over HTTP."""

    def __init__(self, refresher: Refresher) -> None:
        self.documents: Documents = StoredDocuments(refresher.refresh)

    def checks(self) -> Mapping[str, bool]:
        """Return nothing."""
        return {}

    def work(self) -> list[Coroutine[object, object, None]]:
        """Return nothing."""
        return []

    async def close(self) -> None:
        """Hold nothing."""


class Integrated:
    """Mode `integrated`: the database says which rows changed. Every replica hears it, and every one tells the core:
    that is cheaper than a change that is lost because the one who should have told it has just died.
    """

    def __init__(self, settings: Settings, refresher: Refresher) -> None:
        self.documents: Documents = StoredDocuments(refresher.refresh)
        self._refresher = refresher
        self._changes = Changes(
            settings.postgres_dsn,
            timeout=settings.postgres_timeout_seconds,
            changed=self._changed,
            missed=refresher.refresh_all,
        )

    def _changed(self, user: User) -> None:
        presentity = aor_of(user.aor) if user.domain else f"tel:{user.username}"
        if presentity:
            self._refresher.refresh(presentity)

    def checks(self) -> Mapping[str, bool]:
        """Return whether we hear of changes."""
        return {"database": self._changes.listening}

    def work(self) -> list[Coroutine[object, object, None]]:
        """Return the listening."""
        return [self._changes.listen_for_ever()]

    async def close(self) -> None:
        """Hold nothing: the connection ends with the listening."""


class Fetching:
    """Mode `client`: the documents of wanted users are fetched over HTTP."""

    def __init__(
        self,
        settings: Settings,
        refresher: Refresher,
        cluster: Cluster,
        metrics: Metrics,
        now: Callable[[], float] = clock.monotonic,
        wall: Callable[[], float] = clock.wall,
    ) -> None:
        self._settings = settings
        self._refresher = refresher
        self._cluster = cluster
        self._now = now
        self._wall = wall
        self._ready = False
        self._replicas = cluster.replicas()
        self._store: Store = PostgresStore(settings.postgres_dsn, timeout=settings.postgres_timeout_seconds)
        self._client = Client(settings.access)
        self.watchlist = Watchlist(settings.pace, limit=settings.user_limit, fraction=random.random)
        self._fetcher = self._new_fetcher(metrics)
        self.documents: Documents = FetchedDocuments(
            refresh=refresher.refresh,
            fetcher=self._fetcher,
            watchlist=self.watchlist,
            addresses=settings.addresses,
            metrics=metrics,
            now=now,
            wall=wall,
        )
        metrics.watch_wanted(lambda: len(self.watchlist))
        cluster.on_change(self._replicas_changed)

    def _new_fetcher(self, metrics: Metrics) -> Fetcher:
        return Fetcher(
            addresses=self._settings.addresses,
            client=self._client,
            store=self._store,
            watchlist=self.watchlist,
            pauses=Pauses(roots=self._new_backoff(), documents=self._new_backoff()),
            metrics=metrics,
            refresh=self._refresher.refresh,
            now=self._now,
            looks=self._settings.concurrency,
        )

    def _new_backoff(self) -> Backoff[str]:
        settings = self._settings
        return Backoff(first=settings.backoff_seconds, most=settings.backoff_max_seconds, fraction=random.random)

    def checks(self) -> Mapping[str, bool]:
        """Return whether the tables are there."""
        return {"database": self._ready}

    def work(self) -> list[Coroutine[object, object, None]]:
        """Return the fetching, and what keeps its list."""
        return [self._fetcher.run_for_ever(), self._keep_for_ever()]

    async def _keep_for_ever(self) -> None:
        """Look whether the database is there, and from time to time at who is wanted."""
        keep_at, begun = 0.0, False
        while True:
            try:
                self._ready = await self._store.ready()
                if self._ready and self._now() >= keep_at:
                    await self._keep()
                    keep_at = self._now() + min(_KEEP_SECONDS, self._settings.forget_seconds / 2)
                    if not begun:
                        # What was stored in an earlier life and confirmed by nobody is not known.
                        begun = True
                        self._refresher.refresh_all()
            except StoreAway as error:
                if self._ready:
                    logger.warning("database away", extra={"error": str(error)})
                self._ready = False
            await asyncio.sleep(_CHECK_SECONDS)

    async def _keep(self) -> None:
        """Read who is wanted, and forget who was not for long."""
        for user, wanted in (await self._store.wanted(self._settings.user_limit)).items():
            self.watchlist.want(user.aor, wanted)
        before = int(self._wall()) - self._settings.forget_seconds
        if forgotten := await self._store.forget(before):
            logger.info("users forgotten", extra={"users": forgotten})
        self.watchlist.forget(before)
        self._share()

    def _replicas_changed(self) -> None:
        gone, self._replicas = self._replicas - self._cluster.replicas(), self._cluster.replicas()
        if gone:
            # What they stored and nobody confirmed is not known.
            self._refresher.refresh_all()
        self._share()

    def _share(self) -> None:
        """Look at those users that are ours, at once at whom another may have missed."""
        recent = int(self._wall() - _TAKEOVER_LEASES * self._settings.lease_seconds)
        for presentity in self.watchlist.presentities():
            if not self._cluster.ours(presentity):
                self.watchlist.leave(presentity)
            elif self.watchlist.watch(presentity, self._now()) and self.watchlist.wanted_at(presentity) >= recent:
                self.watchlist.ask(presentity, self._now())
        self._fetcher.wake()

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()
        await self._store.close()


def mode_of(settings: Settings, refresher: Refresher, cluster: Cluster, metrics: Metrics) -> Mode:
    """Return the configuration that settings name."""
    if settings.mode == "client":
        return Fetching(settings, refresher, cluster, metrics)
    return Integrated(settings, refresher) if settings.mode == "integrated" else Idle(refresher)
