"""Where the parts of a core are put together, and the order in which they start and stop."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping

from event_packages.registry import discover
from lamplighter_proto import FrameCodec, Outcome, Refresh, subjects
from lamplighter_proto.commands import Command
from lamplighter_proto.ownership import Member
from lamplighter_runtime.health import create_app, http_url
from lamplighter_runtime.lifecycle import StartError, unless_stopped
from lamplighter_runtime.membership import Directory
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from presence_core.assembly import Core, assemble
from presence_core.claims import SERVICE
from presence_core.http import add_routes
from presence_core.http_explain import add_explain_routes
from presence_core.metrics import Metrics
from presence_core.serving import Serving
from presence_core.settings import Settings
from presence_core.shard import Shard
from presence_core.shards import RETRY_SECONDS
from presence_core.storage.postgres import PostgresStore
from presence_core.store import StoreError, WrongCluster

logger = logging.getLogger(__name__)


class PresenceCore:
    """The service: publications, subscriptions, authorisation."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.settings = Settings.load(environ)
        self.registry = Registry()
        self.packages = discover()
        self.metrics = Metrics(self.registry)
        self.app = create_app("Lamplighter presence-core", self.registry, self.readiness)
        self.store = PostgresStore(
            self.settings.postgres_dsn,
            timeout=self.settings.postgres_timeout_seconds,
            dialect=self.settings.xcap_dialect,
            connections=self.settings.database_connections,
            migrate=self.settings.migrate,
        )
        self.core: Core | None = None
        self.bus: NatsBus | None = None
        self.directory: Directory | None = None
        self._seen = False
        """Whether the directory has shown us as alive; before, no shard is known to be ours."""
        add_routes(self.app, self)
        add_explain_routes(self.app, self)

    def readiness(self) -> dict[str, bool]:
        """Return what must hold for work to be sent here."""
        serving = self.core.shards.ready() if self.core and self._seen else {"database": False, "shards": False}
        return {
            "bus": self.bus is not None and self.bus.connected,
            "directory": self.directory is not None and self.directory.synced,
            **serving,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then save, hand over and leave."""
        settings = self.settings
        connecting = NatsBus.connect(settings.nats_url, name=settings.instance, service=SERVICE, metrics=self.registry)
        bus = self.bus = await unless_stopped(stop, connecting)
        if bus is None:
            return
        directory = self.directory = Directory(
            bus.nc, lease_seconds=settings.lease_seconds, replicas=settings.nats_replicas
        )
        directory.on_members(self.look_for_us)
        if not await unless_stopped(stop, self._prepared(directory)):
            return await self._close(bus, directory)
        core = self.core = assemble(
            settings, self.packages, bus, self.store, directory, self.metrics, new_id=lambda: secrets.token_hex(16)
        )
        self._gauges(core)
        await self._serve(bus, directory, core, stop)

    def look_for_us(self) -> None:
        """Take note whether the directory shows us as alive."""
        assert self.directory is not None
        self._seen = self._seen or self.settings.instance in self.directory.view.alive(SERVICE)

    async def _prepared(self, directory: Directory) -> bool:
        await directory.start()
        table = directory.view.table
        if table is not None and table.shards != self.settings.shards:
            raise StartError(f"this cluster was made for {table.shards} shards, not {self.settings.shards}")
        await self._open_store()
        return True

    async def _open_store(self) -> None:
        said = ""
        while True:
            try:
                return await self.store.open(self.settings.shards)
            except WrongCluster as error:
                raise StartError(str(error)) from error
            except StoreError as error:
                if str(error) != said:
                    logger.warning("waiting for the database", extra={"error": str(error)})
                said = str(error)
                await asyncio.sleep(RETRY_SECONDS)

    def _gauges(self, core: Core) -> None:
        shards = core.shards
        sizes: dict[str, Callable[[Shard], int]] = {
            "shards": lambda _: 1,
            "subscriptions": lambda shard: len(shard.subscriptions),
            "presentities": lambda shard: len(shard.entries),
            "parked_commands": lambda shard: sum(len(parked.commands) for parked in shard.parked.values()),
            "notifies_in_flight": lambda shard: len(shard.in_flight),
        }
        for name, size in sizes.items():
            gauge = self.registry.gauge(f"presence_core_{name}", f"Number of {name} here now.")
            gauge.set_function(lambda size=size: sum(map(size, shards.memory())))  # type: ignore[misc]
        pending = self.registry.gauge("presence_core_pending_changes", "What waits for a commit.")
        pending.set_function(lambda: core.parts.committer.waiting)

    async def _serve(self, bus: NatsBus, directory: Directory, core: Core, stop: asyncio.Event) -> None:
        shards = core.shards
        replaced = asyncio.Event()
        directory.on_replaced(replaced.set)
        if not await unless_stopped(stop, self._joined(bus, directory, shards)):
            return await self._close(bus, directory)
        work = {name: asyncio.create_task(one, name=name) for name, one in shards.work().items()}
        await self._until_stopped(list(work.values()), stop, replaced)
        await self._leave(bus, directory, shards, work)

    async def _joined(self, bus: NatsBus, directory: Directory, shards: Serving) -> bool:
        settings = self.settings
        await bus.subscribe(subjects.core_commands(settings.instance), FrameCodec(Command), shards.on_commands)
        await bus.subscribe(subjects.core_outcomes(settings.instance), FrameCodec[Outcome](Outcome), shards.on_outcomes)
        await bus.subscribe(
            subjects.core_refreshes(settings.instance), FrameCodec[Refresh](Refresh), shards.on_refreshes
        )
        await directory.announce(Member(service=SERVICE, instance=settings.instance, http=http_url(self.app)))
        return True

    async def _until_stopped(
        self, work: "list[asyncio.Task[None]]", stop: asyncio.Event, replaced: asyncio.Event
    ) -> None:
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(replaced.wait())]
        done, _ = await asyncio.wait([*work, *waits], return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for task in done & set(work):
            task.result()
        if replaced.is_set():
            logger.error("another process has our instance name", extra={"instance": self.settings.instance})

    async def _leave(
        self, bus: NatsBus, directory: Directory, shards: Serving, work: "Mapping[str, asyncio.Task[None]]"
    ) -> None:
        for name, task in work.items():
            if name != "commits":
                task.cancel()
        try:
            async with asyncio.timeout(self.settings.stop_seconds / 2):
                await shards.leave()
        except Exception as error:
            logger.warning("shards not handed over", extra={"error": repr(error)})
        for task in work.values():
            task.cancel()
        await self._close(bus, directory)

    async def _close(self, bus: NatsBus, directory: Directory) -> None:
        await directory.close()
        await bus.close()
        await self.store.close()
