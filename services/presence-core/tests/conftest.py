"""Builders of commands and rows, a package that needs no XML, and a real PostgreSQL."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from event_packages.base import EventPackage
from event_packages.errors import BadRequest
from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.processes import spawn
from lamplighter_proto import Dialog, DialogRoute, Flow, Publish, Register, Subscribe, Transaction
from lamplighter_proto.commands import Binding
from lamplighter_proto.ownership import shard_of
from presence_core.domain.presentity import Publication
from presence_core.domain.registration import Contact
from presence_core.domain.subscription import Subscription
from presence_core.storage.memory import MemoryStore
from presence_core.storage.postgres import PostgresStore
from presence_core.store import Store, StoredContact, StoredSubscription
from presence_core.testing import Core, FakeDirectory, GatedStore

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
FLOW = Flow(edge="edge-1", transport="udp", local="192.0.2.1:5060", remote="192.0.2.9:5061")
ROUTE = DialogRoute(remote_target="sip:bob@192.0.2.9:5061", route_set=(), contact="<sip:192.0.2.1:5060>")

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


def _parse(body: bytes) -> bytes:
    if body == b"bad":
        raise BadRequest("not readable")
    return body


def _compose(presentity: str, documents: Sequence[object]) -> bytes | None:
    return b"+".join(document for document in documents if isinstance(document, bytes)) if documents else None


@pytest.fixture
def package() -> EventPackage:
    return EventPackage(name="presence", content_types=("text/test", "text/other"), parse=_parse, compose=_compose)


@pytest.fixture
def publish() -> PublishBuilder:
    numbers = iter(range(1, 10_000))

    def build(
        body: bytes = b"open",
        *,
        if_match: str | Sequence[str] = (),
        expires: int | None = 3600,
        content_type: str = "text/test",
        presentity: str = ALICE,
        event: str = "presence",
        transaction: Transaction | None = None,
    ) -> Publish:
        number = next(numbers)
        return Publish(
            id=number,
            edge="edge-1",
            shard=shard_of(presentity, 64),
            transaction=transaction or Transaction(call_id=f"publish-{number}", cseq=1, from_tag="f"),
            presentity=presentity,
            event=event,
            expires=expires,
            if_match=(if_match,) if isinstance(if_match, str) else tuple(if_match),
            content_type=content_type if body else "",
            body=body,
            sender=presentity,
        )

    return build


@pytest.fixture
def subscribe() -> SubscribeBuilder:
    numbers = iter(range(1, 10_000))

    def build(
        *,
        to_tag: str = "",
        cseq: int = 1,
        call_id: str = "",
        expires: int | None = 3600,
        accept: Sequence[str] | None = None,
        presentity: str = ALICE,
        watcher: str = BOB,
        event: str = "presence",
        event_id: str = "",
        from_tag: str = "w",
        route: DialogRoute = ROUTE,
        flow: Flow = FLOW,
    ) -> Subscribe:
        number = next(numbers)
        return Subscribe(
            id=number + 100_000,
            edge="edge-1",
            shard=shard_of(presentity, 64),
            transaction=Transaction(call_id=call_id or f"call-{number}", cseq=cseq, from_tag=from_tag),
            presentity=presentity,
            watcher=watcher,
            event=event,
            event_id=event_id,
            event_params=(),
            to_tag=to_tag,
            expires=expires,
            accept=None if accept is None else tuple(accept),
            from_uri=watcher,
            to_uri=presentity,
            route=route,
            flow=flow,
            content_type="",
            body=b"",
        )

    return build


@pytest.fixture
def register() -> Callable[..., Register]:
    def build(
        *bindings: Binding,
        expires: int | None = None,
        remove_all: bool = False,
        call_id: str = "register",
        cseq: int = 1,
        aor: str = ALICE,
    ) -> Register:
        return Register(
            id=cseq + 200_000,
            edge="edge-1",
            shard=shard_of(aor, 64),
            transaction=Transaction(call_id=call_id, cseq=cseq, from_tag="r"),
            aor=aor,
            bindings=bindings,
            remove_all=remove_all,
            expires=expires,
        )

    return build


@pytest.fixture
def subscription() -> Callable[..., Subscription]:
    def build(*, local_tag: str = "tag", expires: int = 5000, flow: Flow = FLOW, remote_cseq: int = 1) -> Subscription:
        dialog = Dialog(
            call_id="call",
            local_tag=local_tag,
            remote_tag="w",
            local_uri=ALICE,
            remote_uri=BOB,
            event="presence",
            route=ROUTE,
            flow=flow,
        )
        return Subscription(
            presentity=ALICE,
            event="presence",
            event_id="",
            watcher=BOB,
            dialog=dialog,
            remote_cseq=remote_cseq,
            expires=expires,
            accept=None,
        )

    return build


@pytest.fixture
def publication() -> Callable[..., Publication]:
    def build(
        etag: str = "e", *, pub: str = "", expires: int = 5000, modified: int = 1, body: bytes = b"open"
    ) -> Publication:
        return Publication(
            pub=pub or etag,
            etag=etag,
            expires=expires,
            received=1000,
            modified=modified,
            transaction=Transaction(call_id=f"c-{etag}", cseq=1, from_tag="f"),
            content_type="text/test",
            body=body,
            sender=ALICE,
            document=body,
        )

    return build


SHARDS = 64


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()


@pytest.fixture
async def core(package: EventPackage, directory: FakeDirectory) -> AsyncIterator[Core]:
    store = GatedStore()
    await store.open(64)
    core = Core("core-1", package, store, directory)
    await core.start()
    yield core
    await core.die()


@dataclass
class Database:
    """A running server: its DSN, and how to end and begin it."""

    postgres: Postgres

    @property
    def dsn(self) -> str:
        return self.postgres.dsn

    async def start(self) -> None:
        self.running = await spawn(self.postgres.spec)
        await self.postgres.ready()

    async def kill(self) -> None:
        self.running.process.kill()
        await self.running.process.wait()
        self.running.close()

    async def stop(self) -> None:
        self.running.process.send_signal(signal.SIGINT)
        await self.running.process.wait()
        self.running.close()


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-test-") as folder:
        yield Path(folder)


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Database]:
    """A server with an empty database; its cluster is made once."""
    database = Database(Postgres(folder))
    await database.postgres.prepare()
    await database.start()
    connection = await asyncpg.connect(database.dsn)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    try:
        yield database
    finally:
        await database.stop()


@asynccontextmanager
async def _opened(dsn: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(dsn, timeout=5.0)
    await store.open(SHARDS)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def database(data_folder: Path) -> AsyncIterator[Database]:
    async with _running(data_folder) as database:
        yield database


@pytest.fixture
async def postgres_store(database: Database) -> AsyncIterator[PostgresStore]:
    async with _opened(database.dsn) as store:
        yield store


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest, data_folder: Path) -> AsyncIterator[Store]:
    """Each implementation of the port in turn."""
    if request.param == "memory":
        memory = MemoryStore()
        await memory.open(SHARDS)
        yield memory
        return
    async with _running(data_folder) as database, _opened(database.dsn) as store:
        yield store


@pytest.fixture
def stored_subscription() -> Callable[..., StoredSubscription]:
    def build(
        tag: str = "tag-1",
        *,
        shard: int = 3,
        expires: int = 5000,
        remote_cseq: int = 1,
        accept: tuple[str, ...] | None = None,
        route_set: tuple[str, ...] = (),
        presentity: str = "sip:alice@example.com",
        remote: str = "192.0.2.9:5061",
    ) -> StoredSubscription:
        flow = Flow(edge="edge-1", transport="udp", local="192.0.2.1:5060", remote=remote, connection=2**40)
        contact = "<sip:192.0.2.1:5060>"
        dialog = Dialog(
            call_id=f"call-{tag}",
            local_tag=tag,
            remote_tag="w",
            local_uri=presentity,
            remote_uri="sip:bob@example.com",
            event="presence;id=7",
            route=DialogRoute(remote_target="sip:bob@192.0.2.9", route_set=route_set, contact=contact),
            flow=flow,
        )
        subscription = Subscription(
            presentity=presentity,
            event="presence",
            event_id="7",
            watcher="tel:+15551234",
            dialog=dialog,
            remote_cseq=remote_cseq,
            expires=expires,
            accept=accept,
        )
        return StoredSubscription(shard=shard, subscription=subscription, cseq_limit=1000, notified=None)

    return build


@pytest.fixture
def stored_contact() -> Callable[..., StoredContact]:
    def build(uri: str = "sip:alice@192.0.2.5", *, shard: int = 3, expires: int = 5000) -> StoredContact:
        contact = Contact(uri=uri, expires=expires, q="0.5", instance="<urn:uuid:1>", call_id="r", cseq=2**31 - 1)
        return StoredContact(shard=shard, aor="sip:alice@example.com", contact=contact)

    return build
