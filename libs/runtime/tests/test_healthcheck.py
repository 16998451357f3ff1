import asyncio
import subprocess
import sys

import pytest

from lamplighter_runtime.healthcheck import NOT_READY, READY, UNKNOWN, ask, main

OK = b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"ready":true}'
UNAVAILABLE = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"ready":false,"checks":{"bus":false}}'


class Endpoint:
    """A server that answers every connection alike, or not at all."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.heard = b""
        self.port = 0

    async def __aenter__(self) -> "Endpoint":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard = await reader.readuntil(b"\r\n\r\n")
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
            await writer.drain()
        writer.close()


async def test_main_of_a_ready_service_is_0() -> None:
    async with Endpoint(OK) as endpoint:
        code = await asyncio.to_thread(main, [str(endpoint.port)], {})

    assert code == READY
    assert endpoint.heard.startswith(b"GET /readyz HTTP/1.0\r\n")


async def test_main_of_a_service_that_is_not_ready_is_1_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    async with Endpoint(UNAVAILABLE) as endpoint:
        code = await asyncio.to_thread(main, [str(endpoint.port)], {})

    assert code == NOT_READY
    assert '"bus":false' in capsys.readouterr().err


async def test_main_without_an_argument_asks_the_port_of_the_one_variable() -> None:
    async with Endpoint(OK) as endpoint:
        environ = {"SIP_EDGE_HTTP_PORT": str(endpoint.port), "SIP_EDGE_HTTP_HOST": "0.0.0.0", "PATH": "/bin"}

        code = await asyncio.to_thread(main, [], environ)

    assert code == READY


async def test_main_while_nobody_listens_is_1() -> None:
    async with Endpoint(OK) as endpoint:
        port = endpoint.port

    assert main([str(port)], {}) == NOT_READY


async def test_ask_of_a_service_that_stands_still_gives_up() -> None:
    async with Endpoint(None) as endpoint:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(lambda: ask(endpoint.port, timeout=0.1))


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ([], {}),
        ([], {"SIP_EDGE_HTTP_PORT": "8081", "NOTIFIER_HTTP_PORT": "8082"}),
        (["http"], {}),
        (["0"], {}),
        (["8080", "8081"], {}),
    ],
)
def test_main_that_does_not_know_whom_to_ask_is_2(arguments: list[str], environ: dict[str, str]) -> None:
    assert main(arguments, environ) == UNKNOWN


def test_importing_it_brings_nothing_of_the_services() -> None:
    program = "import sys, lamplighter_runtime.healthcheck; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert not {"pydantic", "asyncio", "http.client", "ssl"} & set(loaded)
