"""What must hold when everything has worked for a while (design §1, points 2 and 5)."""

import asyncio

from .promises import lit
from .watcher import Watcher
from .world import CORES, EDGES, NOTIFIERS, World

STILL_SECONDS = 20.0
"""How long every watcher has to show the right thing at last."""


async def check_end(world: World, watchers: list[Watcher]) -> None:
    """Wait until the system is in order; note what is not."""
    loop = world.loop
    end = loop.time() + STILL_SECONDS
    while (problems := [*_watchers(world, watchers), *_tables(world)]) and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    for problem in problems:
        world.promises.violated(f"at the end: {problem}")


def _watchers(world: World, watchers: list[Watcher]) -> list[str]:
    problems = []
    now = world.loop.time()
    for watcher in watchers:
        event = watcher.key[1]
        uncertain = world.promises.uncertain(watcher.key, now)
        expected = world.promises.expected(watcher.key, now)
        dialog = watcher.dialog
        if uncertain:
            problems.append(f"{watcher.key}: not certain: {uncertain}")
        elif dialog is None or dialog.over or not dialog.certain_until:
            problems.append(f"{watcher.name} has no subscription")
        elif lit(event, dialog.shows) != lit(event, expected):
            problems.append(f"{watcher.name} shows {dialog.shows}, right is {expected}")
    return problems


def _tables(world: World) -> list[str]:
    sizes: dict[str, int] = {}
    for member in world.of(CORES):
        core = member.service.core
        if core is None:
            return [f"{member.name} has not started"]
        shards = core.shards.served.values()
        sizes[f"{member.name} in flight"] = sum(len(shard.in_flight) for shard in shards)
        sizes[f"{member.name} parked"] = sum(len(shard.parked) for shard in shards)
        sizes[f"{member.name} waiting for the commit"] = core.parts.committer.waiting
        sizes[f"{member.name} coming"] = len(core.shards._coming)
    for member in world.of(NOTIFIERS):
        sizes[f"{member.name} deliveries"] = len(member.service._worker.deliveries)
    for member in world.of(EDGES):
        sizes[f"{member.name} pending"] = len(member.service._edge.endpoint.pending)
    return [f"{name}: {size}" for name, size in sizes.items() if size]
