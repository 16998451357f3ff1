"""What one client, one bug or one lost shard costs the others: nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import islice

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Moved, Publish, Subscribe
from lamplighter_proto.ownership import ShardOwner
from presence_core.store import Changes, ShardRows
from presence_core.testing import Core, FakeDirectory, GatedStore, etag, gate, statuses, successor

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]
OTHER = "sip:carol@example.com"


class PickyStore(GatedStore):
    """A store that cannot take one body, and lets something happen during its work."""

    def __init__(self) -> None:
        super().__init__()
        self.while_saving: Callable[[], None] = lambda: None
        self.while_loading: Callable[[], Awaitable[object]] | None = None

    async def load(self, shards: list[int]) -> ShardRows:
        happens, self.while_loading = self.while_loading, None
        if happens is not None:
            await happens()
        return await super().load(shards)

    async def save(self, changes: Changes) -> None:
        await asyncio.sleep(0)
        self.while_saving()
        await super().save(changes)
        if any(row.publication.body == b"unsavable" for row in changes.publications.values()):
            raise ValueError("not this one")


@pytest.fixture
async def picky(package: EventPackage, directory: FakeDirectory) -> AsyncIterator[Core]:
    def parse(body: bytes) -> bytes:
        if body == b"unreadable":
            raise RuntimeError("a bug")
        return body

    def compose(presentity: str, documents: object) -> object:
        if documents == [b"incomposable"]:
            raise RuntimeError("another bug")
        return package.compose(presentity, documents)  # type: ignore[arg-type]  # as it was given to us

    store = PickyStore()
    await store.open(64)
    core = Core("core-1", replace(package, parse=parse, compose=compose), store, directory)
    await core.start()
    yield core
    await core.die()


async def give(directory: FakeDirectory, shard: int, owner: str) -> None:
    """Have the table say that a shard is another's."""
    await directory.change_table(
        lambda table: table.model_copy(
            update={"owners": {**table.owners, shard: ShardOwner(owner=owner, epoch=table.owners[shard].epoch + 1)}}
        ),
        64,
    )


async def test_name_that_no_index_takes_is_refused_400_alone(core: Core, publish: PublishBuilder) -> None:
    replies = await core.ask(publish(presentity=f"sip:{'x' * 3000}@example.com"), publish())

    assert statuses(replies) == [400, 200]


async def test_bug_of_one_command_costs_only_that_command(picky: Core, publish: PublishBuilder) -> None:
    replies = await picky.ask(publish(b"1"), publish(b"unreadable", presentity=OTHER), publish(b"2"))

    assert statuses(replies) == [500, 200, 200]
    assert len([entry for shard in picky.shards.served.values() for entry in shard.entries]) == 1


async def test_document_that_finds_a_bug_leaves_the_others_told(
    picky: Core, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await picky.ask(subscribe(), subscribe(presentity=OTHER))
    await picky.confirm(targets=list(picky.targets))

    await picky.ask(publish(b"incomposable"), publish(b"open", presentity=OTHER))

    assert [target.presentity for target in picky.targets[2:]] == [OTHER]


async def test_row_that_finds_a_bug_leaves_the_others_loaded(
    picky: Core, publish: PublishBuilder, subscribe: SubscribeBuilder, package: EventPackage, directory: FakeDirectory
) -> None:
    await picky.ask(publish(b"incomposable"), publish(b"1", presentity=OTHER), subscribe(presentity=OTHER))
    broken = replace(package, parse=lambda body: 1 // len(body[1:]))

    following = await successor(picky, broken, directory)

    assert len(following.shards.served) == 64
    assert following.metrics.registry.value("presence_core_unreadable_rows_total") == 1
    await following.die()


async def test_row_that_cannot_be_saved_costs_its_shard_alone(picky: Core, publish: PublishBuilder) -> None:
    good, bad = publish(b"open"), publish(b"unsavable", presentity=OTHER)
    kept = picky.shards.served[good.shard]

    picky.shards.on_commands([bad, good])
    await picky.until(lambda: bool(picky.replies))
    await picky.until(lambda: len(picky.shards.served) == 64)

    assert [reply.id for reply in picky.replies] == [good.id]
    assert picky.shards.served[good.shard] is kept


async def test_fenced_shard_costs_the_others_of_its_batch_nothing(
    core: Core, publish: PublishBuilder, directory: FakeDirectory
) -> None:
    mine, lost = publish(b"open"), publish(b"open", presentity=OTHER)
    kept = core.shards.served[mine.shard]
    await core.store.claim({lost.shard: 1}, "core-2")

    core.shards.on_commands([lost, mine])
    await core.until(lambda: bool(core.replies))

    assert [reply.id for reply in core.replies] == [mine.id]
    assert core.shards.served[mine.shard] is kept
    assert not core.shards.store_away


async def test_shards_are_handed_over_while_commands_keep_coming(picky: Core, publish: PublishBuilder) -> None:
    store = picky.store
    assert isinstance(store, PickyStore)
    busy, commands = publish(), iter([publish() for _ in range(30)])
    store.while_saving = lambda: picky.shards.on_commands(list(islice(commands, 1)))
    picky.shards.on_commands([busy])

    await picky.shards.release([number for number in picky.shards.served if number != busy.shard])

    assert len(list(commands)) > 20
    assert list(picky.shards.served) == [busy.shard]


async def test_command_that_waits_for_a_shard_which_another_takes_is_moved(
    core: Core, publish: PublishBuilder, directory: FakeDirectory
) -> None:
    command = publish()
    core.store.away = True
    core.shards.drop([command.shard])
    await core.until(lambda: command.shard in core.shards._coming)
    core.shards.store_away = False
    core.shards.on_commands([command])

    await give(directory, command.shard, "core-2")
    await core.quiet()

    assert core.replies == [Moved(id=command.id, shard=command.shard)]


async def test_shard_that_another_claims_during_our_load_is_claimed_anew_before_it_is_served(
    picky: Core, directory: FakeDirectory
) -> None:
    store = picky.store
    assert isinstance(store, PickyStore)
    store.while_loading = lambda: give(directory, 7, "core-2")

    picky.shards.drop([7])
    await picky.until(lambda: 7 in picky.shards.served)

    assert directory.owner_of(7) == "core-1"
    assert picky.shards.served[7].epoch == store.leases[7][0]


async def test_shard_that_the_table_gives_to_nobody_is_claimed_anew(
    core: Core, publish: PublishBuilder, directory: FakeDirectory
) -> None:
    (first,) = await core.ask(publish(b"open"))
    command = publish(b"closed", if_match=etag(first))

    await give(directory, command.shard, "")
    await core.until(lambda: directory.owner_of(command.shard) == "core-1" and command.shard in core.shards.served)

    assert statuses(await core.ask(command)) == [200]
    assert gate(core).is_set()
