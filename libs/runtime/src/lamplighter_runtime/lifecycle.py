"""From environment variables to an exit code: the life of a service's process.

Exit codes: 0 stopped as asked, or a job is done; 1 a bug, stopping took too long, or a job was stopped; 2 wrong
settings; 3 cannot start (`StartError`); 128 and the number of a signal that ended the process at once.

Rule 1: the first SIGTERM or SIGINT sets the stop event, the second ends the process at once.
Rule 2: HTTP answers from before `Service.run` until after it, so that /readyz tells of starting and of stopping.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Protocol, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI

from lamplighter_runtime import logs
from lamplighter_runtime.settings import ServiceSettings, SettingsError, environment
from lamplighter_runtime.signals import ENDING

logger = logging.getLogger(__name__)
T = TypeVar("T")

CLOSE_SECONDS = 1.0
STOPPED, FAILED, WRONG_SETTINGS, CANNOT_START = 0, 1, 2, 3


class StartError(Exception):
    """The service cannot start for a reason an operator can mend; its text is the one line that says so."""


class Service(Protocol):
    """What a service hands to `run_service`; made before there is an event loop."""

    @property
    def settings(self) -> ServiceSettings:
        """Return its settings."""

    @property
    def app(self) -> FastAPI:
        """Return its HTTP endpoint, made by `health.create_app`."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then hand over and return; StartError when it cannot begin."""


class Job(Protocol):
    """What is done once and has no HTTP endpoint; made before there is an event loop."""

    @property
    def settings(self) -> ServiceSettings:
        """Return its settings."""

    async def run(self) -> None:
        """Do it; StartError when it cannot be done. A signal cancels it."""


S = TypeVar("S", Service, Job)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_service(build: Callable[[Mapping[str, str]], Service], environ: Mapping[str, str] | None = None) -> int:
    """Build the service from the environment, run it until a signal, return the process's exit code."""
    return _run(build, environ, serve)


def run_job(build: Callable[[Mapping[str, str]], Job], environ: Mapping[str, str] | None = None) -> int:
    """Build a job from the environment, do it, return the process's exit code."""
    return _run(build, environ, _do)


def _run(
    build: Callable[[Mapping[str, str]], S],
    environ: Mapping[str, str] | None,
    live: Callable[[S, asyncio.Event], Coroutine[object, object, int]],
) -> int:
    logs.configure("INFO", "json", {})
    try:
        service = build(environment() if environ is None else environ)
        settings = service.settings
        logs.configure(settings.log_level, settings.log_format, {"instance": settings.instance})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_with_signals(service, live))
            closing = _end_after(CLOSE_SECONDS, code)
        closing.cancel()
        return code
    except SettingsError as error:
        print(error, file=sys.stderr)
        return WRONG_SETTINGS
    except StartError as error:
        logger.error("cannot start", extra={"reason": str(error)})
        return CANNOT_START
    except Exception:
        logger.exception("service failed")
        return FAILED


def _end_after(seconds: float, code: int) -> threading.Timer:
    """End the process in some seconds: nothing is left to do, but closing the loop waits for names being resolved."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
    return timer


async def _with_signals(service: S, live: Callable[[S, asyncio.Event], Coroutine[object, object, int]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, _on_signal, number, stop)
    _tune_gc()
    return await live(service, stop)


async def _do(job: Job, stop: asyncio.Event) -> int:
    async def work() -> bool:
        await job.run()
        return True

    return STOPPED if await unless_stopped(stop, work()) else FAILED


def _on_signal(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(128 + number)
    logger.info("stopping", extra={"signal": number.name})
    stop.set()


async def serve(service: Service, stop: asyncio.Event) -> int:
    """Run the service and its HTTP endpoint until `stop` is set or the service ends; return an exit code."""
    settings, app = service.settings, service.app
    listener = listen(settings.http_host, settings.http_port)
    app.state.http_url = settings.http_url or _url(listener)
    server = _Server(_config(app))
    web = asyncio.create_task(server.serve([listener]), name="http")
    try:
        return await _until_stopped(service, stop, web)
    finally:
        server.should_exit = True
        await web


async def _until_stopped(service: Service, stop: asyncio.Event, web: "asyncio.Task[None]") -> int:
    running = asyncio.create_task(service.run(stop), name="service")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait([running, stopping, web], return_when=asyncio.FIRST_COMPLETED)
        service.app.state.stopping = True
        early = not stop.is_set()
        stop.set()
        await asyncio.wait([running], timeout=service.settings.stop_seconds)
        if not running.done():
            logger.error("stopping took too long", extra={"seconds": service.settings.stop_seconds})
            return FAILED
        running.result()
        return FAILED if early else STOPPED
    finally:
        await _cancel(running, stopping)


async def _cancel(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=1.0)


async def unless_stopped(stop: asyncio.Event, work: Coroutine[object, object, T]) -> T | None:
    """Return what `work` returns, or cancel it and return None when `stop` is set first."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await _cancel(working, stopping)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; StartError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise StartError(f"HTTP address {host} port {port}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        # No address that others could use; those on one network know each other by their names.
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
    )


def _tune_gc() -> None:
    # What start-up made stays; scanning it again and again costs up to a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
