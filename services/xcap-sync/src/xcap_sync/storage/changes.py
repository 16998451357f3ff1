"""Word of changed rows of `xcap`: LISTEN on a connection of its own.

A trigger of the core's schema sends `{"username": …, "domain": …, "doc_type": …}` on the channel `xcap`.
Rule 1: what happened while nobody listened is not known; who begins to listen says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncpg

from lamplighter_runtime.database import CONNECTION_ERRORS, load_queries
from xcap_sync.domain.addresses import User

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

logger = logging.getLogger(__name__)

CHANNEL = "xcap"
CHECK_SECONDS = 5.0
"""How often a silent connection is asked whether it lives."""
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0


class Changes:
    """Calls `changed(user)` for each changed row and `missed()` whenever it begins to listen."""

    def __init__(
        self, dsn: str, *, timeout: float, changed: Callable[[User], None], missed: Callable[[], None]
    ) -> None:
        self.listening = False
        self._dsn = dsn
        self._timeout = timeout
        self._changed = changed
        self._missed = missed
        self._ready = load_queries("xcap_sync.storage")["ready"]

    async def listen_for_ever(self) -> None:
        """Listen, and connect again whenever the connection breaks; never returns."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._listen()
            except (*CONNECTION_ERRORS, TimeoutError, asyncpg.PostgresError) as error:
                logger.warning("not listening for changed documents", extra={"error": repr(error)})
            pause = _FIRST_PAUSE if self.listening else min(2 * pause, _LONGEST_PAUSE)
            self.listening = False
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=self._timeout, command_timeout=self._timeout)
        try:
            if not await connection.fetchval(self._ready):
                logger.info("waiting for a core to make the tables")
                return
            await connection.add_listener(CHANNEL, self._take)
            self.listening = True
            self._missed()
            await self._stay(connection)
        finally:
            connection.terminate()

    async def _stay(self, connection: Connection) -> None:
        """Return when the connection is over."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        while not ended.is_set():
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await ended.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")

    def _take(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            fields = json.loads(str(payload))
            user = User(username=str(fields["username"]), domain=str(fields["domain"]))
        except (ValueError, KeyError, TypeError):
            # Somebody else's word, or a row that does not fit: which row it was is not known.
            logger.warning("word of a change not readable")
            self._missed()
            return
        self._changed(user)
