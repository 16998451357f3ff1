"""`lamplighter up`: everything on one machine, each service a process of its own (design §6)."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager

import httpx
from rich.console import Console

from lamplighter_cli import ports
from lamplighter_cli.address import outward_host
from lamplighter_cli.data import Status, locked, make_folder
from lamplighter_cli.embedded.nats import Nats
from lamplighter_cli.embedded.postgres import Postgres
from lamplighter_cli.errors import CommandError, StartFailed, Unreachable
from lamplighter_cli.logs import Line, Screen
from lamplighter_cli.options import Options
from lamplighter_cli.plan import SERVICES, Wiring, http_addresses, plan, replicas, sip_addresses
from lamplighter_cli.processes import Spec
from lamplighter_cli.supervisor import NAME, Supervisor
from lamplighter_cli.user_agent import UserAgent
from lamplighter_runtime import clock

ONE_SIGNAL_SECONDS = 0.2
"""Signals this close are one, told twice: `make` and its terminal both pass it on."""
START_SECONDS = 90.0
"""After which a start counts as failed."""
_POLL = 0.1

Say = Callable[[str], None]


async def up(options: Options, environ: Mapping[str, str], console: Console) -> int:
    """Run everything until a signal; return the exit code. The line `lamplighter ready` goes to stdout."""
    try:
        options = with_free_ports(options)
        make_folder(options.data)
        with locked(options.data) as status:
            check_ports(options)
            return await _Run(options, environ, console, status).run()
    except CommandError as error:
        console.print(f"lamplighter: {error}", style="bold red", highlight=False, markup=False, soft_wrap=True)
        return 1


def with_free_ports(options: Options) -> Options:
    """Return the options with free ports where port 0 was asked for."""
    sip, http = options.sip, options.http
    if sip.port == 0:
        sip = sip._replace(port=ports.free(sip.host, udp=True))
    if http.port == 0:
        http = http._replace(port=ports.free(http.host, count=len(SERVICES)))
    return Options(**{name: getattr(options, name) for name in Options.__slots__} | {"sip": sip, "http": http})


def check_ports(options: Options) -> None:
    """Raise StartFailed when an address is taken."""
    try:
        taken = list(ports.problems(sip_addresses(options), http_addresses(options)))
    except ValueError as error:
        raise StartFailed(str(error)) from None
    if taken:
        raise StartFailed("cannot listen on " + "; ".join(taken) + " (see --sip and --http)")


class _Run:
    """One run, from the first process to the last."""

    def __init__(self, options: Options, environ: Mapping[str, str], console: Console, status: Status) -> None:
        self._options = options
        self._environ = environ
        self._console = console
        self._screen = Screen(console)
        self._supervisor = Supervisor(self._screen, status)
        self._stop = asyncio.Event()
        self._stopped_at = 0.0
        self._postgres: Postgres | None = None

    async def run(self) -> int:
        """Start, wait for a signal, stop."""
        with self._signals():
            starting = asyncio.create_task(self._start(), name="start")
            try:
                await self._until_stopped(starting)
                await self._until_stopped(None)
                return 0
            finally:
                starting.cancel()
                await asyncio.wait([starting])
                self._log("stopping")
                await self._supervisor.stop()
                if self._postgres:
                    self._postgres.remove_sockets()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As it is below nohup.
            numbers.append(signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        now = clock.monotonic()
        if not self._stop.is_set():
            self._stopped_at = now
        elif now - self._stopped_at > ONE_SIGNAL_SECONDS:
            self._log("killed: a second signal", "WARNING")
            self._supervisor.kill()
        self._stop.set()

    def _log(self, message: str, level: str = "INFO") -> None:
        self._screen.show(NAME, Line(level=level, message=message), clock.wall())

    async def _until_stopped(self, work: "asyncio.Task[None] | None") -> None:
        """Wait for `work`, without it for ever; return when a signal comes, raise when it makes no sense to wait."""
        stopping = asyncio.create_task(self._stop.wait())
        waiting: set[asyncio.Future[object]] = {stopping, self._supervisor.hopeless}  # type: ignore[arg-type]
        if work:
            waiting.add(work)  # type: ignore[arg-type]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if self._supervisor.hopeless.done():
            raise StartFailed(self._supervisor.hopeless.result())
        if work and work.done():
            work.result()

    async def _start(self) -> None:
        with self._console.status("starting") as spinner:

            def say(what: str) -> None:
                spinner.update(what)
                if not self._console.is_terminal:
                    self._log(what)

            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._start_all(say)
            except TimeoutError:
                raise StartFailed(f"not ready after {START_SECONDS:.0f} seconds") from None
        self._announce()

    async def _start_all(self, say: Say) -> None:
        wiring = await self._embed(say)
        services = plan(self._options, wiring, self._environ)
        say(f"starting {', '.join(spec.name for spec in services)}")
        for spec in services:
            self._supervisor.start(spec)
        await _until_ready(services, say)
        say("waiting for SIP")
        for address in sip_addresses(self._options):
            await _until_answered(UserAgent.probe(address.reachable))

    async def _embed(self, say: Say) -> Wiring:
        """Start the embedded servers that are wanted."""
        options = self._options
        nats_url, postgres_dsn = options.nats, options.postgres
        if not nats_url:
            say("starting NATS")
            nats = Nats(options.data)
            nats.prepare()
            self._supervisor.start(nats.spec)
            nats_url = nats.url
        if not postgres_dsn:
            say("starting PostgreSQL")
            postgres = self._postgres = Postgres(options.data)
            await postgres.prepare()
            self._supervisor.start(postgres.spec)
            await postgres.ready()
            postgres_dsn = postgres.dsn
        if not options.nats:
            await nats.ready()
        return Wiring(
            nats_url=nats_url,
            postgres_dsn=postgres_dsn,
            outward=outward_host(options.sip),
            replica_ports=ports.several(options.http.host, replicas(options)),
        )

    def _announce(self) -> None:
        sip = ",".join(map(str, sip_addresses(self._options)))
        print(f"lamplighter ready: sip {sip} (udp, tcp), http http://{self._options.http.reachable}", flush=True)


async def _until_ready(services: list[Spec], say: Say) -> None:
    """Wait until every /readyz says 200."""
    missing = {spec.name: f"{spec.http}/readyz" for spec in services}
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while missing:
            for name, url in list(missing.items()):
                if await _is_ready(client, url):
                    del missing[name]
                    if missing:
                        say(f"waiting for {', '.join(missing)}")
            await asyncio.sleep(_POLL)


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False


async def _until_answered(probe: Coroutine[object, object, int]) -> None:
    try:
        status = await probe
    except Unreachable as error:
        raise StartFailed(f"SIP is not answered: {error}") from error
    if status != 200:
        raise StartFailed(f"SIP OPTIONS is answered by {status}")
