"""What every store promises: memory and PostgreSQL alike."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from presence_core.domain.publication import Publication
from presence_core.store import (
    Changes,
    Fenced,
    Progress,
    Store,
    StoredContact,
    StoredPublication,
    StoredSubscription,
    WrongCluster,
)

MakePublication = Callable[..., Publication]
MakeSubscription = Callable[..., StoredSubscription]
MakeContact = Callable[..., StoredContact]


def stored(publication: Publication, aor: str = "sip:alice@example.com", shard: int = 3) -> StoredPublication:
    return StoredPublication(shard=shard, aor=aor, event="presence", publication=publication)


def changes(
    epochs: dict[int, int],
    publications: list[StoredPublication] | None = None,
    subscriptions: list[StoredSubscription] | None = None,
    *,
    gone: dict[str, int] | None = None,
    progress: list[Progress] | None = None,
    contacts: list[StoredContact] | None = None,
) -> Changes:
    return Changes(
        epochs,
        {(one.aor, one.event, one.publication.pub): one for one in publications or []},
        {one.subscription.local_tag: one for one in subscriptions or []},
        gone or {},
        {one.local_tag: one for one in progress or []},
        {(one.aor, one.contact.uri): one for one in contacts or []},
    )


async def test_claim_gives_growing_epochs(store: Store) -> None:
    first = await store.claim({3: 1, 4: 7}, "core-1")
    second = await store.claim({3: 1}, "core-2")

    assert first == {3: 1, 4: 7}
    assert second[3] > first[3]


@pytest.mark.parametrize(
    "aor", ["sip:alice@example.com", "tel:+15551234", "sip:example.com", "sip:a%40b@[2001:db8::1]"]
)
async def test_publication_is_loaded_as_it_was_saved(store: Store, publication: MakePublication, aor: str) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    saved = stored(replace(publication("a", body=b"\x00\xff"), document=None), aor)

    await store.save(changes(epochs, [saved]))

    assert (await store.load([3])).publications == [saved]


async def test_publications_are_loaded_oldest_modified_first(store: Store, publication: MakePublication) -> None:
    epochs = await store.claim({3: 1}, "core-1")

    await store.save(changes(epochs, [stored(publication("new", modified=9)), stored(publication("old", modified=1))]))

    assert [one.publication.etag for one in (await store.load([3])).publications] == ["old", "new"]


async def test_last_change_of_a_row_wins(store: Store, publication: MakePublication) -> None:
    epochs = await store.claim({3: 1}, "core-1")

    await store.save(changes(epochs, [stored(publication("a", pub="p"))]))
    await store.save(changes(epochs, [stored(publication("b", pub="p", expires=0))]))

    assert [(one.publication.etag, one.publication.expires) for one in (await store.load([3])).publications] == [
        ("b", 0)
    ]


@pytest.mark.parametrize("accept", [None, (), ("application/pidf+xml", "text/*;q=0.1")])
@pytest.mark.parametrize("route_set", [(), ("<sip:p1.example.com;lr>", '"a, b" <sip:p2.example.com>')])
async def test_subscription_is_loaded_as_it_was_saved(
    store: Store,
    stored_subscription: MakeSubscription,
    accept: tuple[str, ...] | None,
    route_set: tuple[str, ...],
) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    saved = stored_subscription(accept=accept, route_set=route_set, remote="[2001:db8::9]:5061")

    await store.save(changes(epochs, [], [saved]))

    assert (await store.load([3])).subscriptions == [saved]


async def test_what_watcher_information_tells_of_a_subscription_is_loaded_as_it_was_saved(
    store: Store, stored_subscription: MakeSubscription
) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    first = stored_subscription()
    told = replace(first.subscription, display_name="Bob \u00e4", since=1_700_000_000, cause="approved")
    saved = replace(first, subscription=told)

    await store.save(changes(epochs, [], [saved]))

    assert (await store.load([3])).subscriptions == [saved]


async def test_refresh_takes_the_cause_and_keeps_when_it_began(
    store: Store, stored_subscription: MakeSubscription
) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    first = stored_subscription()
    began = replace(first, subscription=replace(first.subscription, since=1000))
    after = replace(began, subscription=replace(began.subscription, cause="approved", display_name="Bob"))
    await store.save(changes(epochs, [], [began]))

    await store.save(changes(epochs, [], [after]))

    assert (await store.load([3])).subscriptions == [after]


async def test_refresh_keeps_progress_and_takes_the_rest(store: Store, stored_subscription: MakeSubscription) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    await store.save(changes(epochs, [], [stored_subscription()]))
    progress = Progress(shard=3, local_tag="tag-1", cseq_limit=5000, notified=-7)
    await store.save(changes(epochs, progress=[progress]))

    await store.save(changes(epochs, [], [stored_subscription(expires=9000, remote_cseq=2)]))

    (loaded,) = (await store.load([3])).subscriptions
    assert (loaded.cseq_limit, loaded.notified) == (5000, -7)
    assert (loaded.subscription.expires, loaded.subscription.remote_cseq) == (9000, 2)


async def test_progress_never_takes_reserved_numbers_back(store: Store, stored_subscription: MakeSubscription) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    await store.save(changes(epochs, [], [stored_subscription()]))

    await store.save(changes(epochs, progress=[Progress(shard=3, local_tag="tag-1", cseq_limit=10, notified=None)]))

    assert (await store.load([3])).subscriptions[0].cseq_limit == 1000


async def test_gone_subscription_is_deleted_also_in_the_batch_that_saved_it(
    store: Store, stored_subscription: MakeSubscription
) -> None:
    epochs = await store.claim({3: 1}, "core-1")

    await store.save(changes(epochs, [], [stored_subscription("a"), stored_subscription("b")], gone={"a": 3}))

    assert [one.subscription.local_tag for one in (await store.load([3])).subscriptions] == ["b"]


async def test_contact_is_loaded_as_it_was_saved(store: Store, stored_contact: MakeContact) -> None:
    epochs = await store.claim({3: 1}, "core-1")
    saved = stored_contact()

    await store.save(changes(epochs, contacts=[saved]))

    assert (await store.load([3])).contacts == [saved]


async def test_other_shards_are_not_loaded(store: Store, publication: MakePublication) -> None:
    epochs = await store.claim({3: 1, 4: 1}, "core-1")

    await store.save(changes(epochs, [stored(publication("a")), stored(publication("b"), "sip:b@b", shard=4)]))

    assert [one.shard for one in (await store.load([4])).publications] == [4]


@pytest.mark.parametrize("kind", ["publication", "subscription", "gone", "progress", "contact", "all"])
async def test_save_under_an_old_epoch_is_fenced_and_writes_nothing(
    store: Store,
    publication: MakePublication,
    stored_subscription: MakeSubscription,
    stored_contact: MakeContact,
    kind: str,
) -> None:
    epochs = await store.claim({3: 1, 4: 1}, "core-1")
    await store.save(changes(epochs, [stored(publication("a"))], [stored_subscription("kept")]))
    before = await store.load([3, 4])
    await store.claim({4: 1}, "core-2")
    parts: dict[str, Changes] = {
        "publication": changes(epochs, [stored(publication("x"))]),
        "subscription": changes(epochs, [], [stored_subscription("x")]),
        "gone": changes(epochs, gone={"kept": 3}),
        "progress": changes(epochs, progress=[Progress(shard=3, local_tag="kept", cseq_limit=9999, notified=1)]),
        "contact": changes(epochs, contacts=[stored_contact()]),
        "all": changes(
            epochs,
            [stored(publication("x"))],
            [stored_subscription("x")],
            gone={"kept": 3},
            contacts=[stored_contact()],
        ),
    }

    with pytest.raises(Fenced):
        await store.save(parts[kind])

    assert await store.load([3, 4]) == before


async def test_clean_deletes_what_ended_in_shards_that_are_ours(
    store: Store, publication: MakePublication, stored_contact: MakeContact
) -> None:
    ours = await store.claim({3: 1}, "core-1")
    theirs = await store.claim({4: 1}, "core-2")
    ended, live = publication("ended", expires=1000), publication("live", expires=9000)
    tombstone = replace(publication("removed", expires=0), received=1900)
    await store.save(changes(ours, [stored(ended), stored(live), stored(tombstone)], contacts=[stored_contact()]))
    await store.save(changes(theirs, [stored(ended, "sip:b@b", shard=4)]))

    await store.clean({**ours, 4: 999}, before=1500)

    assert {one.publication.etag for one in (await store.load([3])).publications} == {"live", "removed"}
    assert [one.publication.etag for one in (await store.load([4])).publications] == ["ended"]
    assert len((await store.load([3])).contacts) == 1


async def test_another_number_of_shards_is_refused(store: Store) -> None:
    with pytest.raises(WrongCluster):
        await store.open(32)


async def test_batch_without_rows_is_fenced_as_one_with_rows(store: Store) -> None:
    ours = await store.claim({3: 1, 4: 1}, "core-1")
    check = Changes(dict(ours), checked=True)
    await store.save(check)
    await store.claim({4: 1}, "core-2")

    with pytest.raises(Fenced):
        await store.save(check)
