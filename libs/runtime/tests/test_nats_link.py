"""The bus's own connection to real nats-servers: lost, silent, one of several, behind TLS."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from lamplighter_cli import ports
from lamplighter_cli.embedded.nats import program
from lamplighter_runtime import nats_link
from lamplighter_runtime.nats_link import Link, NotSent

from .servers import Broker, eventually

pytestmark = pytest.mark.integration
HOST = "127.0.0.1"


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[tuple[Link, list[bool]]]:
    """Lend a link that is connected, and what it tells of its connection."""
    changes: list[bool] = []
    link = Link(url, "test", changes.append)
    async with asyncio.timeout(15):
        await link.open()
    try:
        yield link, changes
    finally:
        await link.close()


@asynccontextmanager
async def server(port: int, *options: str) -> AsyncIterator[None]:
    """Run a nats-server of a test's own."""
    command = [str(program()), "-a", HOST, "-p", str(port), *options]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_subscription_is_known_when_flush_returns(broker: Broker) -> None:
    heard: list[bytes] = []
    async with linked(broker.url) as (sender, _), linked(broker.url) as (receiver, _):
        receiver.subscribe("notes", "", heard.append)
        await receiver.flush()

        sender.publish("notes", b"first")
        await eventually(lambda: heard == [b"first"])


async def test_subscription_made_while_the_link_connects_is_told_to_the_server() -> None:
    lines: list[bytes] = []
    may_answer, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload":1048576}\r\n')
        while line := await reader.readline():
            lines.append(line)
            if line == b"PING\r\n":
                await may_answer.wait()
                writer.write(b"PONG\r\n")
        writer.close()
        gone.set()

    async with await asyncio.start_server(serve, HOST, 0) as slow:
        link = Link(f"nats://{HOST}:{slow.sockets[0].getsockname()[1]}", "test", lambda connected: None)
        opening = asyncio.create_task(link.open())
        await eventually(lambda: b"PING\r\n" in lines)

        link.subscribe("notes", "", lambda payload: None)
        may_answer.set()
        await asyncio.wait_for(opening, 5)
        await asyncio.wait_for(link.flush(), 5)
        await link.close()
        await gone.wait()

    assert b"SUB notes 1\r\n" in lines


async def test_flush_outlives_the_connection(broker: Broker) -> None:
    async with linked(broker.url) as (link, changes):
        await broker.end()
        await eventually(lambda: changes == [False])
        flushed = asyncio.create_task(link.flush())
        await asyncio.sleep(0)

        await broker.start()
        await asyncio.wait_for(flushed, 10)

    assert changes == [False, True]


async def test_payload_that_the_server_would_refuse_costs_only_itself(broker: Broker) -> None:
    heard: list[bytes] = []
    async with linked(broker.url) as (link, changes):
        link.subscribe("notes", "", heard.append)

        with pytest.raises(NotSent, match="more than the server takes"):
            link.publish("notes", b"x" * (9 * 1024 * 1024))
        link.publish("notes", b"small")
        await eventually(lambda: heard == [b"small"])

    assert changes == []


async def test_silent_server_is_left_after_a_while(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_link, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(nats_link, "PING_SECONDS", 0.1)
    async with linked(broker.url) as (link, changes):
        broker.send_signal(signal.SIGSTOP)
        await eventually(lambda: changes == [False])

        broker.send_signal(signal.SIGCONT)
        await eventually(lambda: changes == [False, True])

        assert link.connected


async def test_more_than_the_socket_takes_is_refused(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_link, "MAX_UNSENT", 1_000_000)
    async with linked(broker.url) as (link, _):
        broker.send_signal(signal.SIGSTOP)

        with pytest.raises(NotSent, match="waits for the socket"):
            _publish_much(link)
        broker.send_signal(signal.SIGCONT)


async def test_other_server_of_the_list_is_taken_when_one_is_gone() -> None:
    first, second = ports.free(HOST), ports.free(HOST)
    async with server(second):
        async with server(first), linked(f"nats://{HOST}:{first},nats://{HOST}:{second}") as (link, changes):
            pass
        async with linked(f"nats://{HOST}:{first},nats://{HOST}:{second}") as (link, changes):
            assert link.connected
            assert changes == []


async def test_server_that_the_cluster_told_of_is_taken_when_ours_dies() -> None:
    one, two, routes = ports.free(HOST), ports.free(HOST), [ports.free(HOST), ports.free(HOST)]
    cluster = ["--cluster_name", "test", "--routes", f"nats://{HOST}:{routes[0]},nats://{HOST}:{routes[1]}"]
    async with server(two, "--cluster", f"nats://{HOST}:{routes[1]}", *cluster):
        async with server(one, "--cluster", f"nats://{HOST}:{routes[0]}", *cluster):
            link = Link(f"nats://{HOST}:{one}", "test", lambda connected: None)
            await asyncio.wait_for(link.open(), 15)
            await eventually(lambda: len(link.servers) == 2)
        await eventually(lambda: not link.connected)

        await asyncio.wait_for(link.flush(), 10)

    await link.close()


async def test_wrong_token_never_connects(broker: Broker) -> None:
    link = Link(broker.url.replace("nats://t", "nats://wrong"), "test", lambda connected: None)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(link.open(), 1)
    await link.close()

    assert not link.connected


def test_link_works_on_the_loop_that_services_run_on_and_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    port = ports.free(HOST)

    async def run() -> list[bytes]:
        heard: list[bytes] = []
        async with (
            server(port, "--tls", "--tlscert", str(certificate), "--tlskey", str(key)),
            linked(f"tls://localhost:{port}") as (link, _),
        ):
            link.subscribe("notes", "", heard.append)
            link.publish("notes", b"x" * 300_000)
            await eventually(lambda: bool(heard))
        return heard

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        heard = runner.run(run())

    assert heard == [b"x" * 300_000]


def _publish_much(link: Link) -> None:
    for _ in range(200):
        link.publish("notes", b"x" * 400_000)


def _certificate(folder: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
