"""`python -m presence_core migrate`: the database is brought up to date before any core of a release runs."""

import asyncio
import logging
from collections.abc import Mapping

import asyncpg

from lamplighter_runtime import clock
from lamplighter_runtime.lifecycle import StartError
from presence_core.minding import RETRY_SECONDS
from presence_core.settings import Settings
from presence_core.storage.postgres import PostgresStore
from presence_core.store import StoreAway, WrongCluster

logger = logging.getLogger(__name__)


class Migration:
    """The job: wait a bounded time for PostgreSQL, migrate, and see that the database is of this cluster."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.settings = Settings.load(environ)

    async def run(self) -> None:
        """Migrate; StartError when PostgreSQL does not come, or does not let us."""
        settings = self.settings
        store = PostgresStore(settings.postgres_dsn, timeout=settings.postgres_timeout_seconds)
        try:
            await self._open(store, clock.monotonic() + settings.migrate_wait_seconds)
        finally:
            await store.close()
        logger.info("the database is up to date", extra={"shards": settings.shards})

    async def _open(self, store: PostgresStore, deadline: float) -> None:
        said = ""
        while True:
            try:
                return await store.open(self.settings.shards)
            except StoreAway as error:
                if clock.monotonic() >= deadline:
                    raise StartError(f"PostgreSQL is not there: {error}") from error
                if str(error) != said:
                    logger.warning("waiting for PostgreSQL", extra={"error": str(error)})
                said = str(error)
            except WrongCluster as error:
                raise StartError(str(error)) from error
            except asyncpg.PostgresError as error:
                raise StartError(f"PostgreSQL refuses: {error}") from error
            await asyncio.sleep(RETRY_SECONDS)
