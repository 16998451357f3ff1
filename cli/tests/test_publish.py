import asyncio
import os
import signal
from collections.abc import Callable
from typing import Protocol

import pytest

from lamplighter_cli.address import Address
from lamplighter_cli.errors import Refused
from lamplighter_cli.publish import Publishing, publish
from sip.message import Request, build_response

URI = "sip:a@example.com"


class Server(Protocol):
    address: Address
    requests: list[Request]
    answers: list[Callable[[Request], bytes]]

    async def until(self, holds: Callable[[], bool]) -> None: ...


def answer(status: int = 200, **headers: str) -> Callable[[Request], bytes]:
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda request: build_response(request, status, "Reason", fields, to_tag="server")


def wanted(server: Server, *, keep: bool = False, expires: int = 600) -> Publishing:
    return Publishing(
        uri=URI,
        event="presence",
        content_type="application/pidf+xml",
        body=b"<x/>",
        expires=expires,
        server=server.address,
        keep=keep,
    )


async def test_publish_that_is_accepted_tells_the_entity_tag(server: Server) -> None:
    server.answers[:] = [answer(SIP_ETag="e1", Expires="300")]
    told: list[str] = []

    code = await publish(wanted(server), told.append)

    assert code == 0
    assert told == [f"published {URI} etag=e1 expires=300"]
    headers = server.requests[0].headers
    assert [headers.get(name) for name in ("Event", "Expires", "Content-Type")] == [
        "presence",
        "600",
        "application/pidf+xml",
    ]


async def test_publish_for_too_short_a_time_asks_for_the_minimum(server: Server) -> None:
    server.answers[:] = [answer(423, Min_Expires="60"), answer(SIP_ETag="e1", Expires="60")]
    told: list[str] = []

    await publish(wanted(server, expires=5), told.append)

    assert [request.headers.get("Expires") for request in server.requests] == ["5", "60"]


async def test_publish_that_is_refused_says_why(server: Server) -> None:
    server.answers[:] = [answer(489)]

    with pytest.raises(Refused, match="489 Reason"):
        await publish(wanted(server), lambda line: None)


async def test_publish_with_keep_refreshes_and_removes_at_the_signal(server: Server) -> None:
    server.answers[:] = [
        answer(SIP_ETag="e1", Expires="1"),
        answer(412),
        answer(SIP_ETag="e2", Expires="600"),
        answer(Expires="0"),
    ]
    told: list[str] = []
    publishing = asyncio.create_task(publish(wanted(server, keep=True), told.append))
    await server.until(lambda: len(server.requests) == 3)
    await asyncio.sleep(0.05)

    os.kill(os.getpid(), signal.SIGINT)
    code = await publishing

    assert code == 0
    assert [request.headers.get("SIP-If-Match") for request in server.requests] == [None, "e1", None, "e2"]
    assert [len(request.body) for request in server.requests] == [4, 0, 4, 0]
    assert server.requests[3].headers.get("Expires") == "0"
    assert told[-1] == "removed"
