"""What a new owner of a shard does about rules that came while nobody served it."""

import pytest

from event_packages.registry import Registry
from lamplighter_runtime import clock
from presence_core.testing import Core, FakeDirectory, successor, tick
from presence_core.testing_commands import Commands
from presence_core.testing_rules import handled, known, put_rules, stored_watchers, watching

STORES = ["write-through", "database"]


@pytest.mark.parametrize("handling", ["allow", "polite-block", "block"])
async def test_waiting_watcher_is_decided_about_by_rules_that_came_meanwhile(
    ruled: Core, commands: Commands, packages: Registry, directory: FakeDirectory, handling: str
) -> None:
    await watching(ruled, commands.subscribe(expires=0))
    put_rules(ruled, handled(handling))

    following = await successor(ruled, packages, directory)
    tick(following, clock.wall() + 1)
    await following.quiet()

    assert known(following) == []
    assert stored_watchers(following) == []
    await following.die()
