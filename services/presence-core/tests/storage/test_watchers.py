"""What every store promises of watchers and endings: memory and PostgreSQL alike."""

from dataclasses import replace

import pytest

from presence_core.domain.subscription import Status
from presence_core.domain.watcher import KnownWatcher
from presence_core.store import Changes, Ending, Fenced, Store, StoredWatcher

ALICE = "sip:alice@example.com"


def stored_watcher(
    watcher: str = "sip:bob@example.org",
    *,
    presentity: str = ALICE,
    event: str = "presence",
    status: Status = Status.WAITING,
    reason: str = "",
    shard: int = 3,
) -> StoredWatcher:
    known = KnownWatcher(
        presentity=presentity,
        watcher=watcher,
        event=event,
        status=status,
        reason=reason,
        inserted=1_700_000_000,
        id=f"id-{watcher}-{event}",
        display_name='Bob "\u00e4"',
    )
    return StoredWatcher(shard=shard, watcher=known)


def stored_ending(name: str = "call-1 a b", *, aor: str = ALICE, until: int = 5000, shard: int = 3) -> Ending:
    return Ending(shard=shard, aor=aor, event="dialog", name=name, until=until)


def changes(
    epochs: dict[int, int],
    watchers: tuple[StoredWatcher, ...] = (),
    endings: tuple[Ending, ...] = (),
    *,
    gone_watchers: tuple[StoredWatcher, ...] = (),
    gone_endings: tuple[Ending, ...] = (),
) -> Changes:
    return Changes(
        epochs,
        watchers={one.watcher.key: one for one in watchers},
        gone_watchers={one.watcher.key: one.shard for one in gone_watchers},
        endings={one.key: one for one in endings},
        gone_endings={one.key: one.shard for one in gone_endings},
    )


@pytest.mark.parametrize("aor", ["sip:bob@example.org", "tel:+15551234", "sip:example.org", "sip:a%40b@[2001:db8::1]"])
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("reason", ["", "polite-block"])
async def test_watcher_is_loaded_as_it_was_saved(store: Store, aor: str, status: Status, reason: str) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    saved = stored_watcher(aor, status=status, reason=reason)

    await store.save(changes(epochs, (saved,)))

    assert (await store.load([3])).watchers == [saved]


async def test_watcher_has_one_row_per_presentity_watcher_and_event(store: Store) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    others = (
        stored_watcher("sip:carol@example.org"),
        stored_watcher(event="dialog;sla"),
        stored_watcher(presentity="sip:dave@example.com"),
    )
    before = stored_watcher()
    changed = replace(before.watcher, status=Status.TERMINATED, reason="rejected", inserted=7, id="x", display_name="")
    after = StoredWatcher(shard=3, watcher=changed)
    await store.save(changes(epochs, (before, *others)))

    await store.save(changes(epochs, (after,)))

    loaded = (await store.load([3])).watchers
    assert sorted(loaded, key=repr) == sorted((after, *others), key=repr)


async def test_gone_watcher_is_deleted_and_no_other(store: Store) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    gone = (stored_watcher(), stored_watcher("tel:+15551234", event="dialog"))
    kept = stored_watcher(event="dialog")
    await store.save(changes(epochs, (*gone, kept)))

    await store.save(changes(epochs, gone_watchers=gone))

    assert (await store.load([3])).watchers == [kept]


@pytest.mark.parametrize("aor", [ALICE, "tel:+15551234"])
async def test_ending_is_loaded_as_it_was_saved(store: Store, aor: str) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    saved = stored_ending(aor=aor)

    await store.save(changes(epochs, (), (saved,)))

    assert (await store.load([3])).endings == [saved]


async def test_ending_that_is_saved_again_lasts_as_the_last_one_says(store: Store) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    await store.save(changes(epochs, (), (stored_ending(until=5000),)))

    await store.save(changes(epochs, (), (stored_ending(until=9000),)))

    assert [one.until for one in (await store.load([3])).endings] == [9000]


async def test_endings_are_loaded_in_the_order_of_their_ends(store: Store) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    late, early, small, large = (
        stored_ending("late", until=9),
        stored_ending("z-early", until=1),
        stored_ending("a", until=5),
        stored_ending("B", until=5),
    )

    await store.save(changes(epochs, (), (late, small, early, large)))

    assert (await store.load([3])).endings == [early, large, small, late]


async def test_gone_ending_is_deleted_and_no_other(store: Store) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    gone = stored_ending("gone")
    kept = (stored_ending("kept"), stored_ending("gone", aor="sip:dave@example.com"))
    await store.save(changes(epochs, (), (gone, *kept)))

    await store.save(changes(epochs, gone_endings=(gone,)))

    assert sorted((await store.load([3])).endings, key=repr) == sorted(kept, key=repr)


async def test_watchers_and_endings_of_other_shards_are_not_loaded(store: Store) -> None:
    epochs = await store.claim({3: 1, 4: 1}, "core-1")
    watcher, ending = stored_watcher(presentity="sip:b@b", shard=4), stored_ending(aor="sip:b@b", shard=4)

    await store.save(changes(epochs, (stored_watcher(), watcher), (stored_ending(), ending)))

    loaded = await store.load([4])
    assert (loaded.watchers, loaded.endings) == ([watcher], [ending])


@pytest.mark.parametrize("kind", ["watcher", "gone watcher", "ending", "gone ending"])
async def test_save_of_watchers_and_endings_under_an_old_epoch_is_fenced(store: Store, kind: str) -> None:
    epochs = await store.claim({3: 1, 4: 1}, "core-1")
    watcher, ending = stored_watcher(), stored_ending()
    await store.save(changes(epochs, (watcher,), (ending,)))
    before = await store.load([3, 4])
    await store.claim({4: 1}, "core-2")
    parts = {
        "watcher": changes(epochs, (stored_watcher("sip:late@example.org"),)),
        "gone watcher": changes(epochs, gone_watchers=(watcher,)),
        "ending": changes(epochs, (), (stored_ending("late"),)),
        "gone ending": changes(epochs, gone_endings=(ending,)),
    }

    with pytest.raises(Fenced):
        await store.save(parts[kind])

    assert await store.load([3, 4]) == before
