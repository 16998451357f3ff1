"""Which shards of the table are ours, by rendezvous hashing over the cores that are alive (design §3 "Ownership").

The table routes. What protects the data is in the store: the epoch of a shard, or the lock of a presentity.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import NoReturn

from nats.errors import Error as NatsError

from lamplighter_proto.ownership import ShardOwner, ShardTable, chosen
from lamplighter_runtime.membership import Directory, claimed
from presence_core.store import StoreError

logger = logging.getLogger(__name__)

SERVICE = "presence-core"
LOOK_SECONDS = 1.0


class Claims:
    """Our shards in the table."""

    def __init__(self, directory: Directory, me: str, shards: int) -> None:
        self.claimed: set[int] = set()
        self._directory = directory
        self._me = me
        self._shards = shards

    def wanted(self) -> set[int] | None:
        """Return the shards that shall be ours; None while we are not seen alive, which is no reason to give up any."""
        alive = self._directory.view.alive(SERVICE)
        if self._me not in alive:
            return None
        return {number for number in range(self._shards) if chosen(number, alive) == self._me}

    def free(self, number: int) -> bool:
        """Return whether a shard can be claimed: nobody who is alive has it."""
        owner = self._directory.owner_of(number)
        return owner in (None, self._me) or owner not in self._directory.view.alive(SERVICE)

    def is_ours(self, number: int) -> bool:
        """Return whether the table says that a shard is ours."""
        return self._directory.owner_of(number) == self._me

    def surplus(self) -> set[int]:
        """Return the shards that are ours in the table and shall be those of others: claimed, never loaded."""
        wanted = self.wanted()
        if wanted is None:
            return set()
        return {number for number in range(self._shards) if self.is_ours(number)} - wanted

    async def claim(self, numbers: Collection[int]) -> ShardTable:
        """Write ourselves into the table, so that the edges send us what they hold; return the table."""
        if numbers:

            def change(table: ShardTable) -> ShardTable:
                for number in numbers:
                    table = claimed(table, number, self._me)
                return table

            await self._directory.change_table(change, self._shards)
            self.claimed.update(numbers)
        table = self._directory.view.table
        assert table is not None, "we have just written it"
        return table

    async def release(self, numbers: Iterable[int]) -> None:
        """Say that shards are free."""
        numbers = set(numbers)
        self.claimed -= numbers
        await self._directory.change_table(lambda table: _released(table, numbers, self._me), self._shards)


def _released(table: ShardTable, numbers: set[int], owner: str) -> ShardTable:
    owners = dict(table.owners)
    for number in numbers:
        if number in owners and owners[number].owner == owner:
            owners[number] = ShardOwner(owner="", epoch=owners[number].epoch)
    return table.model_copy(update={"owners": owners})


async def balance_for_ever(
    balance: Callable[[], Awaitable[None]], wake: asyncio.Event, failed: Callable[[Exception], None], *, retry: float
) -> NoReturn:
    """Balance whenever somebody wakes us, and now and then anyway; tell what fails, and retry after some seconds."""
    while True:
        try:
            await balance()
        except (StoreError, NatsError, TimeoutError) as error:
            failed(error)
            logger.warning("shards not claimed", extra={"error": repr(error)})
            await asyncio.sleep(retry)
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await wake.wait()
        wake.clear()
