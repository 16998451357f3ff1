import asyncio
from collections.abc import Callable
from typing import Protocol

import pytest

from lamplighter_cli.address import Address
from lamplighter_cli.errors import Refused
from lamplighter_cli.watch import Notice, Watcher, Watching, watch
from sip.message import Request, Response, build_response

URI = "sip:a@example.com"
ACTIVE = "active;expires=600"


class Server(Protocol):
    address: Address
    requests: list[Request]
    responses: list[Response]
    answers: list[Callable[[Request], bytes]]

    async def until(self, holds: Callable[[], bool]) -> None: ...

    def drop_connections(self) -> None: ...

    def notify(self, subscribe: Request, cseq: int, state: str, body: bytes = b"", *, branch: str = "") -> None: ...


def answer(status: int = 200, **headers: str) -> Callable[[Request], bytes]:
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda request: build_response(request, status, "Reason", fields, to_tag="server")


def wanted(server: Server, *, tcp: bool = False, count: int = 0, seconds: float = 0) -> Watching:
    return Watching(
        uri=URI,
        event="presence",
        watcher="sip:me@localhost",
        server=server.address,
        tcp=tcp,
        expires=600,
        count=count,
        seconds=seconds,
    )


class Running:
    """A watcher at work."""

    def __init__(self, server: Server, *, tcp: bool = False) -> None:
        self.notices: list[Notice] = []
        self.told: list[str] = []
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            Watcher(wanted(server, tcp=tcp), self.notices.append, self.told.append).run(self.stop)
        )

    @property
    def bodies(self) -> list[bytes]:
        return [notice.body for notice in self.notices]

    async def end(self) -> None:
        self.stop.set()
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.mark.parametrize("tcp", [False, True])
async def test_watcher_that_is_notified_shows_the_state_and_answers(server: Server, tcp: bool) -> None:
    running = Running(server, tcp=tcp)
    await server.until(lambda: bool(server.requests))

    server.notify(server.requests[0], 1, ACTIVE, b"<a/>")
    server.notify(server.requests[0], 2, ACTIVE, b"<b/>")
    await server.until(lambda: len(server.responses) == 2)
    await running.end()

    assert running.bodies == [b"<a/>", b"<b/>"]
    assert [response.status for response in server.responses] == [200, 200]
    headers = server.requests[0].headers
    assert [headers.get(name) for name in ("Event", "Accept", "Expires")] == ["presence", "application/pidf+xml", "600"]


async def test_watcher_that_gets_a_notify_twice_shows_it_once(server: Server) -> None:
    running = Running(server)
    await server.until(lambda: bool(server.requests))

    for _ in range(2):
        server.notify(server.requests[0], 1, ACTIVE, b"<a/>")
    await server.until(lambda: len(server.responses) == 2)
    await running.end()

    assert running.bodies == [b"<a/>"]
    assert [response.status for response in server.responses] == [200, 200]


async def test_watcher_that_gets_an_older_notify_refuses_it(server: Server) -> None:
    running = Running(server)
    await server.until(lambda: bool(server.requests))

    server.notify(server.requests[0], 5, ACTIVE, b"<new/>")
    server.notify(server.requests[0], 4, ACTIVE, b"<old/>")
    await server.until(lambda: len(server.responses) == 2)
    await running.end()

    assert running.bodies == [b"<new/>"]
    assert [response.status for response in server.responses] == [200, 500]


async def test_watcher_that_gets_a_notify_of_another_dialog_answers_481(server: Server) -> None:
    running = Running(server)
    await server.until(lambda: bool(server.requests))
    request = server.requests[0]
    request.headers.set("Call-ID", "other")

    server.notify(request, 1, ACTIVE, b"<a/>")
    await server.until(lambda: bool(server.responses))
    await running.end()

    assert running.bodies == []
    assert server.responses[0].status == 481


async def test_watcher_refreshes_in_the_dialog_before_it_ends(server: Server) -> None:
    contact = f"<sip:there@{server.address}>"
    server.answers[:] = [answer(Expires="1", Contact=contact, Record_Route=f"<sip:{server.address};lr>"), answer()]
    running = Running(server)

    await server.until(lambda: len(server.requests) == 2)
    await running.end()

    refresh = server.requests[1]
    assert refresh.uri == f"sip:there@{server.address}"
    assert refresh.headers.get("Route") == f"<sip:{server.address};lr>"
    assert refresh.headers.get("To") == f"<{URI}>;tag=server"
    assert refresh.headers.get("CSeq") == "2 SUBSCRIBE"


async def test_watcher_whose_dialog_is_lost_subscribes_anew(server: Server) -> None:
    server.answers[:] = [answer(Expires="1"), answer(481), answer(Expires="600")]
    running = Running(server)

    await server.until(lambda: len(server.requests) == 3)
    await running.end()

    first, _, third = server.requests
    assert third.headers.get("To") == f"<{URI}>"
    assert third.headers.get("Call-ID") != first.headers.get("Call-ID")


async def test_watcher_whose_subscription_is_deactivated_subscribes_anew(server: Server) -> None:
    running = Running(server)
    await server.until(lambda: bool(server.requests))

    server.notify(server.requests[0], 1, "terminated;reason=deactivated")
    await server.until(lambda: len(server.requests) == 2)
    await running.end()

    assert server.requests[1].headers.get("Call-ID") != server.requests[0].headers.get("Call-ID")


async def test_watcher_whose_connection_is_lost_refreshes_by_a_new_one(server: Server) -> None:
    running = Running(server, tcp=True)
    await server.until(lambda: bool(server.requests))
    server.notify(server.requests[0], 1, ACTIVE, b"<a/>")
    await server.until(lambda: bool(server.responses))

    server.drop_connections()
    await server.until(lambda: len(server.requests) == 2)
    server.notify(server.requests[1], 2, ACTIVE, b"<b/>")
    await server.until(lambda: len(server.responses) == 2)
    await running.end()

    assert running.bodies == [b"<a/>", b"<b/>"]
    assert server.requests[1].headers.get("CSeq") == "2 SUBSCRIBE"


async def test_watcher_that_is_rejected_ends(server: Server) -> None:
    running = Running(server)
    await server.until(lambda: bool(server.requests))

    server.notify(server.requests[0], 1, "terminated;reason=rejected")

    with pytest.raises(Refused, match="rejected"):
        await running.task


async def test_watcher_that_is_refused_says_why(server: Server) -> None:
    server.answers[:] = [answer(489)]

    with pytest.raises(Refused, match="489 Reason"):
        await Running(server).task


async def test_watcher_for_too_short_a_time_asks_for_the_minimum(server: Server) -> None:
    server.answers[:] = [answer(423, Min_Expires="900"), answer()]
    running = Running(server)

    await server.until(lambda: len(server.requests) == 2)
    await running.end()

    assert server.requests[1].headers.get("Expires") == "900"


async def test_watch_with_a_count_unsubscribes_when_it_is_reached(server: Server) -> None:
    notices: list[Notice] = []
    watching = asyncio.create_task(watch(wanted(server, count=1), notices.append, print))
    await server.until(lambda: bool(server.requests))

    server.notify(server.requests[0], 1, ACTIVE, b"<a/>")
    await server.until(lambda: len(server.requests) == 2)
    server.notify(server.requests[0], 2, "terminated;reason=timeout")

    assert await watching == 0
    assert server.requests[1].headers.get("Expires") == "0"
    assert len(notices) == 1


async def test_watch_whose_count_is_not_reached_in_time_returns_one(server: Server) -> None:
    answered = server.answers[0]
    server.answers[:] = [answered, lambda request: build_response(request, 481, "Gone", to_tag="server")]

    code = await watch(wanted(server, count=1, seconds=0.2), lambda notice: None, print)

    assert code == 1
