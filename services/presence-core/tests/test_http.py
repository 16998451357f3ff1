"""What an operator may see of a core."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from lamplighter_proto import Binding, Publish, Register, Subscribe
from lamplighter_proto.ownership import Member, ShardOwner, ShardTable, shard_of
from presence_core.assembly import Core as Assembled
from presence_core.http import add_routes
from presence_core.settings import Settings
from presence_core.testing import Core, FakeDirectory, to_tag

ALICE = "sip:alice@example.com"
PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


class Members(FakeDirectory):
    """A directory with another core that can be asked."""

    def members(self) -> list[Member]:
        return [Member(service="presence-core", instance="core-2", http="http://192.0.2.2:8080")]


@dataclass
class Service:
    settings: Settings
    core: Assembled | None
    directory: FakeDirectory | None


@pytest.fixture
def directory() -> Members:
    return Members()


@pytest.fixture
async def service(core: Core, directory: Members) -> Service:
    return Service(Settings.load({"PRESENCE_CORE_INSTANCE": "core-1"}), core.core, directory)


@pytest.fixture
async def http(service: Service) -> AsyncIterator[AsyncClient]:
    app = FastAPI()
    add_routes(app, service)  # type: ignore[arg-type]  # a fake directory
    async with AsyncClient(transport=ASGITransport(app), base_url="http://core") as client:
        yield client


async def test_presentity_shows_publications_watchers_and_bindings(
    core: Core,
    http: AsyncClient,
    publish: PublishBuilder,
    subscribe: SubscribeBuilder,
    register: Callable[..., Register],
) -> None:
    await core.ask(publish(b"open"), register(Binding(contact="sip:alice@192.0.2.5", expires=60)))
    (subscribed,) = await core.ask(subscribe())

    shown = (await http.get(f"/presentities/{ALICE}")).json()

    (event,) = shown["events"]
    assert (shown["presentity"], shown["owner"], shown["contacts"]) == (ALICE, "core-1", ["sip:alice@192.0.2.5"])
    assert (event["event"], event["document"]) == ("presence", "open")
    assert [one["body"] for one in event["publications"]] == ["open"]
    (watcher,) = event["watchers"]
    assert (watcher["local_tag"], watcher["state"], watcher["in_flight"]) == (to_tag(subscribed), "active", True)
    assert not watcher["up_to_date"]
    assert 3590 <= watcher["expires_in"] <= 3600


async def test_watcher_that_has_confirmed_is_up_to_date(
    core: Core, http: AsyncClient, subscribe: SubscribeBuilder
) -> None:
    await core.ask(subscribe())
    await core.confirm()

    (watcher,) = (await http.get("/subscriptions")).json()

    assert (watcher["up_to_date"], watcher["in_flight"]) == (True, False)


async def test_presentity_that_nobody_knows_is_not_found(core: Core, http: AsyncClient) -> None:
    assert (await http.get(f"/presentities/{ALICE}")).status_code == 404


async def test_presentity_of_another_core_is_redirected_to(
    core: Core, http: AsyncClient, directory: FakeDirectory
) -> None:
    shard = shard_of(ALICE, 64)
    core.shards.served.pop(shard)
    directory.view.table = ShardTable(shards=64, owners={shard: ShardOwner(owner="core-2", epoch=9)})

    response = await http.get(f"/presentities/{ALICE}")

    assert response.status_code == 307
    assert response.headers["location"] == "http://192.0.2.2:8080/presentities/sip%3Aalice%40example.com"


async def test_presentity_without_an_owner_is_refused_503(
    core: Core, http: AsyncClient, directory: FakeDirectory
) -> None:
    core.shards.served.pop(shard_of(ALICE, 64))
    directory.view.table = ShardTable(shards=64)

    assert (await http.get(f"/presentities/{ALICE}")).status_code == 503


@pytest.mark.parametrize(
    ("query", "watchers"),
    [
        ({}, ["sip:bob@example.com", "sip:carol@example.com"]),
        ({"watcher": "sip:carol@example.com"}, ["sip:carol@example.com"]),
        ({"presentity": "sip:nobody@example.com"}, []),
        ({"limit": "1"}, ["sip:bob@example.com"]),
    ],
)
async def test_subscriptions_are_filtered_and_limited(
    core: Core, http: AsyncClient, subscribe: SubscribeBuilder, query: dict[str, str], watchers: list[str]
) -> None:
    await core.ask(subscribe(), subscribe(watcher="sip:carol@example.com"))

    shown = (await http.get("/subscriptions", params=query)).json()

    assert [one["watcher"] for one in shown] == watchers


async def test_shards_and_services_are_shown(core: Core, http: AsyncClient) -> None:
    shards = (await http.get("/shards")).json()
    services = (await http.get("/services")).json()

    assert (len(shards), set(shards.values())) == (64, {"core-1"})
    assert [one["instance"] for one in services] == ["core-2"]


@pytest.mark.parametrize("path", [f"/presentities/{ALICE}", "/subscriptions", "/services", "/shards"])
async def test_core_that_still_starts_refuses_503(service: Service, http: AsyncClient, path: str) -> None:
    service.core = None

    assert (await http.get(path)).status_code == 503
