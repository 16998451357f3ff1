"""The management interface over HTTP, with a real bus and a real core behind it."""

import asyncio
import xmlrpc.client
from collections.abc import AsyncIterator

import httpx
import pytest

from xcap_sync.harness import Core, Database, Service, Start, until
from xcap_sync.testing import Origin

pytestmark = pytest.mark.integration

ALICE = "sip:alice@example.com"
RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=15) as client:
        yield client


def refresh_watchers(*params: object, method: str = "presence:refresh_watchers") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params) or [ALICE, "presence", 0]}


def refresh_doc(uri: str, port: int) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "refreshXcapDoc", "params": {"doc_uri": uri, "port": port}}


async def result(http: httpx.AsyncClient, service: Service, request: object) -> object:
    response = await http.post(f"{service.url}/mi", json=request)
    assert response.status_code == 200
    reply = response.json()
    return reply.get("result") or reply["error"]["code"]


async def test_refresh_watchers_is_answered_once_the_core_has_confirmed(
    start: Start, core: Core, http: httpx.AsyncClient
) -> None:
    service = start()
    await until(service.ready)

    answer = await result(http, service, refresh_watchers())

    assert (answer, core.presentities()) == ("OK", [ALICE])
    assert service.value("commands_total", command="RefreshWatchers", status="200") == 1


async def test_refresh_watchers_over_xml_rpc_is_answered_as_opensips_does(
    start: Start, core: Core, http: httpx.AsyncClient
) -> None:
    service = start()
    await until(service.ready)
    body = xmlrpc.client.dumps((ALICE, "presence", 0), "refreshWatchers")

    response = await http.post(f"{service.url}/RPC2", content=body)

    assert xmlrpc.client.loads(response.text)[0] == ("200 OK",)
    assert (response.headers["Content-Type"].split(";")[0], core.presentities()) == ("text/xml", [ALICE])


async def test_refresh_watchers_that_the_core_does_not_confirm_is_ok_after_five_seconds_and_tried_on(
    start: Start, core: Core, http: httpx.AsyncClient
) -> None:
    service = start()
    await until(service.ready)
    core.deaf = 1000
    begun = asyncio.get_running_loop().time()

    answer = await result(http, service, refresh_watchers())

    assert answer == "OK"
    assert 5 <= asyncio.get_running_loop().time() - begun < 10
    core.deaf = 0
    await core.told(ALICE)


async def test_batch_of_many_presentities_is_done_together(start: Start, core: Core, http: httpx.AsyncClient) -> None:
    service = start()
    await until(service.ready)
    batch = [refresh_watchers(f"sip:user{number}@example.com", "dialog", "1") for number in range(50)]

    response = await http.post(f"{service.url}/mi", json=batch)

    assert [reply["result"] for reply in response.json()] == ["OK"] * 50
    assert len(core.refreshes) == 50


async def test_notification_is_answered_with_nothing(start: Start, core: Core, http: httpx.AsyncClient) -> None:
    service = start()
    await until(service.ready)
    request = refresh_watchers()
    del request["id"]

    response = await http.post(f"{service.url}/mi", json=request)

    assert (response.status_code, response.content) == (204, b"")
    await core.told(ALICE)


async def test_refusals_are_answered_with_their_codes(start: Start, core: Core, http: httpx.AsyncClient) -> None:
    service = start()
    await until(service.ready)

    codes = [
        await result(http, service, refresh_watchers("", "presence", 0)),
        await result(http, service, refresh_watchers(ALICE, "a b", 0)),
        await result(http, service, refresh_watchers(ALICE, "presence")),
        await result(http, service, refresh_watchers(method="presence:cleanup")),
        await result(http, service, refresh_doc("http://xcap.example.com/x", 80)),
    ]

    assert codes == [404, 400, -32602, -32601, 404]
    assert core.refreshes == []


async def test_caller_without_the_token_is_refused(start: Start, core: Core, http: httpx.AsyncClient) -> None:
    service = start(mi_token="a-token")
    await until(service.ready)

    statuses = [
        (await http.post(f"{service.url}{path}", json=refresh_watchers(), headers=headers)).status_code
        for path in ("/mi", "/RPC2")
        for headers in ({}, {"Authorization": "Bearer a-token-"}, {"Authorization": "Bearer a-token"})
    ]

    assert statuses == [401, 401, 200, 401, 401, 200]
    assert core.presentities() == [ALICE]


async def test_request_that_is_too_large_is_refused(start: Start, core: Core, http: httpx.AsyncClient) -> None:
    service = start()
    await until(service.ready)

    response = await http.post(f"{service.url}/mi", content=b" " * 100_000)

    assert response.status_code == 413


async def test_command_before_the_service_serves_is_refused(start: Start, http: httpx.AsyncClient) -> None:
    service = start(nats_url="nats://127.0.0.1:1")
    await until(lambda: hasattr(service.service.app.state, "http_url"))

    assert await result(http, service, refresh_watchers()) == 503


async def test_refresh_watchers_fetches_the_documents_of_a_wanted_user_first(
    client: Start, core: Core, database: Database, origin: Origin, http: httpx.AsyncClient
) -> None:
    service = client()
    await core.told("")
    core.wants(ALICE)
    await core.told(ALICE)
    origin.put(ALICE, RULES)

    answer = await result(http, service, refresh_watchers())

    assert (answer, core.presentities()) == ("OK", [ALICE])
    assert await database.rows() == [("alice", 2, RULES)]


async def test_refresh_watchers_of_a_user_whom_nobody_wants_is_ok_and_fetches_nothing(
    client: Start, core: Core, database: Database, origin: Origin, http: httpx.AsyncClient
) -> None:
    service = client()
    await core.told("")

    answer = await result(http, service, refresh_watchers())

    assert (answer, core.presentities(), origin.seen) == ("OK", [ALICE], [])


async def test_refresh_xcap_doc_of_a_row_fetches_it(
    client: Start, core: Core, database: Database, origin: Origin, http: httpx.AsyncClient
) -> None:
    service = client()
    await core.told("")
    origin.put(ALICE, b"<old/>")
    core.wants(ALICE)
    await core.told(ALICE)
    origin.put(ALICE, RULES)

    answer = await result(http, service, refresh_doc(origin.uri(ALICE), origin.port))

    assert (answer, core.presentities()) == ("OK", [ALICE])
    assert await database.rows() == [("alice", 2, RULES)]


async def test_refresh_xcap_doc_does_not_wait_until_a_pause_is_over(
    client: Start, core: Core, database: Database, origin: Origin, http: httpx.AsyncClient
) -> None:
    service = client(query_period_seconds=0, backoff_seconds=100)
    await core.told("")
    origin.put(ALICE, RULES)
    origin.break_("503")
    core.wants(ALICE)
    await core.told(ALICE)
    origin.mend()

    await result(http, service, refresh_doc(origin.uri(ALICE), origin.port))

    assert await database.rows() == [("alice", 2, RULES)]


async def test_refresh_xcap_doc_below_a_root_fetches_it_though_it_has_no_row(
    client: Start, core: Core, database: Database, origin: Origin, http: httpx.AsyncClient
) -> None:
    service = client()
    await core.told("")
    origin.put(ALICE, RULES)

    answer = await result(http, service, refresh_doc(origin.uri(ALICE), origin.port))

    assert (answer, core.presentities()) == ("OK", [ALICE])
    assert await database.rows() == [("alice", 2, RULES)]


@pytest.mark.parametrize("wrong", ["uri", "port"])
async def test_refresh_xcap_doc_of_nobody_is_refused(
    client: Start, core: Core, database: Database, origin: Origin, http: httpx.AsyncClient, wrong: str
) -> None:
    service = client()
    await core.told("")
    uri, port = origin.uri(ALICE), origin.port
    request = refresh_doc(uri, port + 1) if wrong == "port" else refresh_doc(f"{uri}.xml", port)

    assert await result(http, service, request) == 404
    assert origin.seen == []
