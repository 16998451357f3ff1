"""Builders of commands and values, a package that needs no XML, a core, and both stores."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from event_packages.base import EventPackage
from event_packages.errors import BadRequest
from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.processes import Running, spawn
from lamplighter_proto import Dialog, DialogRoute, Flow, Publish, Register, Subscribe, Transaction
from lamplighter_proto.commands import Binding
from lamplighter_proto.ownership import shard_of
from presence_core import testing
from presence_core.domain.presentity import Publication
from presence_core.domain.subscription import Subscription
from presence_core.storage.memory import MemoryStore
from presence_core.storage.postgres import PostgresStore
from presence_core.store import Store, StoredContact, StoredSubscription
from presence_core.testing import Core, FakeDirectory, GatedStore

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
FLOW = Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote="192.0.2.9:5061")
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
            event_params=(("id", event_id),) if event_id else (),
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


class Server:
    """A PostgreSQL: its DSN, and how to end and begin it. It belongs to the event loop of the session."""

    def __init__(self, folder: Path) -> None:
        self._postgres = Postgres(folder)
        self._running: Running | None = None
        self.dsn = self._postgres.dsn

    async def prepare(self) -> None:
        await self._postgres.prepare()

    async def start(self) -> None:
        self._running = await spawn(self._postgres.spec)
        await self._postgres.ready()

    async def end(self, number: signal.Signals) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.send_signal(number)
            await running.process.wait()
            running.close()

    def remove_sockets(self) -> None:
        self._postgres.remove_sockets()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-test-") as folder:
        server = Server(Path(folder))
        await server.prepare()
        await server.start()
        yield server
        await server.end(signal.SIGQUIT)
        server.remove_sockets()


@pytest.fixture
async def dsn(server: Server) -> str:
    """Return the DSN of an empty database."""
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return server.dsn


@pytest.fixture
async def postgres_store(dsn: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(dsn, timeout=5.0)
    await store.open(64)
    yield store
    await store.close()


@pytest.fixture
async def memory_store() -> MemoryStore:
    store = MemoryStore()
    await store.open(64)
    return store


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each implementation of the port in turn."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture
def stored_subscription() -> Callable[..., StoredSubscription]:
    return testing.stored_subscription


@pytest.fixture
def stored_contact() -> Callable[..., StoredContact]:
    return testing.stored_contact
