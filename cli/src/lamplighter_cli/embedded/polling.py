"""Waiting for a server that does not say when it is ready."""

import asyncio
from collections.abc import Awaitable, Callable

_POLL_SECONDS = 0.05


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, until it holds."""
    # Another process is waited for: there is no event.
    while not await holds():  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
