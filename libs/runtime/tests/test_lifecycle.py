"""The life of a service within one event loop; the life of its process is in test_process.py."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import ClassVar

import httpx
import pytest

from lamplighter_runtime.health import create_app, http_url
from lamplighter_runtime.lifecycle import FAILED, STOPPED, StartError, listen, serve, unless_stopped
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.settings import HttpPort, Instance, ServiceSettings


class Settings(ServiceSettings):
    env_prefix: ClassVar[str] = "SAMPLE_"

    instance: Instance = "sample-1"
    http_port: HttpPort = 0


Run = Callable[["Sample", asyncio.Event], Awaitable[None]]


class Sample:
    """A service that does what a test tells it."""

    def __init__(self, run: Run, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.app = create_app("sample", Registry(), lambda: {"bus": True})
        self._run = run

    async def run(self, stop: asyncio.Event) -> None:
        await self._run(self, stop)


async def get(service: Sample, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=http_url(service.app)) as client:
        return await client.get(path)


async def test_service_answers_http_while_it_runs_and_ends_when_asked() -> None:
    answers: list[int] = []

    async def run(service: Sample, stop: asyncio.Event) -> None:
        answers.append((await get(service, "/readyz")).status_code)
        stop.set()

    code = await serve(Sample(run), asyncio.Event())

    assert (code, answers) == (STOPPED, [200])


async def test_service_that_hands_over_still_answers_http_and_is_not_ready() -> None:
    answers: list[int] = []
    stop = asyncio.Event()

    async def run(service: Sample, stop: asyncio.Event) -> None:
        stop.set()
        assert (await get(service, "/livez")).status_code == 200
        answers.append((await get(service, "/readyz")).status_code)

    code = await serve(Sample(run), stop)

    assert (code, answers) == (STOPPED, [503])


async def test_service_with_a_bug_ends_with_its_error() -> None:
    async def run(service: Sample, stop: asyncio.Event) -> None:
        raise RuntimeError("lamp broke")

    with pytest.raises(RuntimeError, match="lamp broke"):
        await serve(Sample(run), asyncio.Event())


async def test_service_that_ends_unasked_has_failed() -> None:
    async def run(service: Sample, stop: asyncio.Event) -> None:
        return

    assert await serve(Sample(run), asyncio.Event()) == FAILED


async def test_service_that_does_not_stop_in_time_is_cut_short() -> None:
    cut: list[bool] = []
    stop = asyncio.Event()
    stop.set()

    async def run(service: Sample, stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.append(True)

    code = await serve(Sample(run, Settings(stop_seconds=0.01)), stop)

    assert (code, cut) == (FAILED, [True])


async def test_service_leaves_its_port_free() -> None:
    ports: list[int] = []

    async def run(service: Sample, stop: asyncio.Event) -> None:
        ports.append(int(http_url(service.app).rpartition(":")[2]))
        stop.set()

    await serve(Sample(run), asyncio.Event())

    listen("127.0.0.1", ports[0]).close()


async def test_service_with_a_url_of_its_own_tells_that_one() -> None:
    urls: list[str] = []

    async def run(service: Sample, stop: asyncio.Event) -> None:
        urls.append(http_url(service.app))
        stop.set()

    await serve(Sample(run, Settings(http_url="http://sample:8080")), asyncio.Event())

    assert urls == ["http://sample:8080"]


async def test_service_that_listens_on_every_address_tells_the_name_of_its_host() -> None:
    urls: list[str] = []

    async def run(service: Sample, stop: asyncio.Event) -> None:
        urls.append(http_url(service.app))
        stop.set()

    await serve(Sample(run, Settings(http_host="0.0.0.0")), asyncio.Event())

    assert urls[0].startswith(f"http://{socket.gethostname()}:")


async def test_port_that_is_taken_is_said_in_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StartError) as raised:
            listen("127.0.0.1", port)

    assert str(raised.value) == f"HTTP address 127.0.0.1 port {port}: Address already in use"


async def test_address_that_is_not_ours_is_said_in_one_line() -> None:
    with pytest.raises(StartError, match=r"^HTTP address 192\.0\.2\.1 port 0: "):
        listen("192.0.2.1", 0)


async def test_address_of_ip_version_6_is_listened_on_and_told_in_brackets() -> None:
    try:
        listen("::1", 0).close()
    except StartError:
        pytest.skip("this machine has no IPv6")
    urls: list[str] = []

    async def run(service: Sample, stop: asyncio.Event) -> None:
        urls.append(http_url(service.app))
        assert (await get(service, "/livez")).status_code == 200
        stop.set()

    await serve(Sample(run, Settings(http_host="::1")), asyncio.Event())

    assert urls[0].startswith("http://[::1]:")


async def test_work_that_ends_before_the_stop_gives_its_result() -> None:
    async def work() -> int:
        return 7

    assert await unless_stopped(asyncio.Event(), work()) == 7


async def test_work_that_fails_before_the_stop_gives_its_error() -> None:
    async def work() -> int:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await unless_stopped(asyncio.Event(), work())


async def test_work_that_is_not_done_at_the_stop_is_cancelled() -> None:
    stop = asyncio.Event()
    cancelled: list[bool] = []

    async def work() -> int:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)
        return 7

    assert await unless_stopped(stop, work()) is None
    assert cancelled == [True]


def test_listening_socket_is_closed_after_use() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert isinstance(listener, socket.socket)

    assert listener.fileno() == -1
