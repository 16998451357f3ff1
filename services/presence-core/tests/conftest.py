"""Builders of commands and values, a package that needs no XML, a core, and both stores."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from event_packages.base import EventPackage
from event_packages.errors import BadRequest
from event_packages.registry import Registry, discover
from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.processes import Running, spawn
from lamplighter_proto import Flow, Publish, Register, Subscribe, Transaction
from presence_core import testing_rows
from presence_core.domain.documents import XcapDocument
from presence_core.domain.publication import Publication
from presence_core.domain.subscription import Subscription
from presence_core.storage.memory import MemoryStore
from presence_core.storage.postgres import PostgresStore
from presence_core.store import Store, StoredContact, StoredSubscription
from presence_core.testing import Core, FakeDirectory, GatedStore
from presence_core.testing_commands import ALICE, BOB, FLOW, Commands, dialog
from presence_core.testing_rules import Reading, StartCore


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
def commands() -> Commands:
    return Commands()


@pytest.fixture
def publish(commands: Commands) -> Callable[..., Publish]:
    return commands.publish


@pytest.fixture
def subscribe(commands: Commands) -> Callable[..., Subscribe]:
    return commands.subscribe


@pytest.fixture
def register(commands: Commands) -> Callable[..., Register]:
    return commands.register


@pytest.fixture
def subscription() -> Callable[..., Subscription]:
    def build(*, local_tag: str = "tag", expires: int = 5000, flow: Flow = FLOW, remote_cseq: int = 1) -> Subscription:
        return Subscription(
            presentity=ALICE,
            event="presence",
            event_id="",
            watcher=BOB,
            dialog=dialog(local_tag, flow),
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test run in each mode of the store that its module names in `STORES`, but for those of `SHARDS_ONLY`."""
    if "mode" in metafunc.fixturenames:
        of_shards = metafunc.function.__name__ in getattr(metafunc.module, "SHARDS_ONLY", ())
        stores = ["write-through"] if of_shards else getattr(metafunc.module, "STORES", ["write-through"])
        metafunc.parametrize("mode", stores)


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()


@pytest.fixture
async def core(package: EventPackage, directory: FakeDirectory, mode: str) -> AsyncIterator[Core]:
    store = GatedStore()
    await store.open(64)
    core = Core("core-1", package, store, directory, store=mode)
    await core.start()
    yield core
    await core.die()


@pytest.fixture(scope="session")
def packages() -> Registry:
    """Return the event packages there are."""
    return discover()


@pytest.fixture
async def start(packages: Registry, directory: FakeDirectory, mode: str) -> AsyncIterator[StartCore]:
    """Start a core with the packages there are, where rules decide; with other settings if a test has some."""
    started: list[Core] = []

    async def begin(**settings: str) -> Core:
        store = GatedStore()
        await store.open(64)
        core = Core(
            "core-1", packages, store, directory, **{"policy": "rules", "xcap": "integrated", "store": mode, **settings}
        )
        started.append(core)
        await core.start()
        return core

    yield begin
    for core in started:
        await core.die()


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Return a gate at which every read of XCAP documents waits."""
    reading = Reading()
    reading.gate.set()
    load = MemoryStore.load_documents

    async def gated(self: MemoryStore, aors: Collection[str]) -> dict[str, tuple[XcapDocument, ...]]:
        reading.asked.append(set(aors))
        found = await load(self, aors)
        await reading.gate.wait()
        return found

    monkeypatch.setattr(MemoryStore, "load_documents", gated)
    return reading


@pytest.fixture
async def ruled(start: StartCore) -> Core:
    return await start()


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
    return testing_rows.stored_subscription


@pytest.fixture
def stored_contact() -> Callable[..., StoredContact]:
    return testing_rows.stored_contact
