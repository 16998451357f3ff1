"""Conditional GETs over real sockets, from an origin that does well and badly."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from xcap_sync.client import Access, Client, Outcome
from xcap_sync.store import Document
from xcap_sync.testing import Fault, Origin, certificate, serving

ALICE = "sip:alice@example.com"
RULES = b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving() as origin:
        yield origin


@pytest.fixture
async def new_client() -> AsyncIterator[Callable[..., Client]]:
    clients: list[Client] = []

    def new(**access: object) -> Client:
        clients.append(Client(Access(**{"timeout": 5.0} | access)))  # type: ignore[arg-type]
        return clients[-1]

    yield new
    for client in clients:
        await client.close()


async def test_get_of_a_document_returns_it_with_its_etag_as_it_came(
    origin: Origin, new_client: Callable[..., Client]
) -> None:
    origin.put(ALICE, RULES, etag='W/"a, strange one"')

    answer = await new_client().get(origin.uri(ALICE), "")

    assert answer.document == Document(body=RULES, etag='W/"a, strange one"')


async def test_get_with_the_etag_of_now_is_unchanged(origin: Origin, new_client: Callable[..., Client]) -> None:
    etag = origin.put(ALICE, RULES)

    answer = await new_client().get(origin.uri(ALICE), etag)

    assert answer.outcome is Outcome.UNCHANGED
    assert origin.seen[0].if_none_match == etag


async def test_get_with_an_older_etag_returns_the_document(origin: Origin, new_client: Callable[..., Client]) -> None:
    older = origin.put(ALICE, b"<old/>")
    origin.put(ALICE, RULES)

    answer = await new_client().get(origin.uri(ALICE), older)

    assert answer.document is not None
    assert answer.document.body == RULES


async def test_get_of_a_server_without_etags_has_none(origin: Origin, new_client: Callable[..., Client]) -> None:
    origin.put(ALICE, RULES, etag="")

    answer = await new_client().get(origin.uri(ALICE), "")

    assert answer.document == Document(body=RULES, etag="")


@pytest.mark.parametrize("gone", [False, True])
async def test_get_of_a_document_that_was_deleted_says_gone(
    origin: Origin, new_client: Callable[..., Client], gone: bool
) -> None:
    origin.delete(ALICE, gone=gone)

    answer = await new_client().get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.GONE


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("slow", Outcome.AWAY),
        ("drip", Outcome.AWAY),
        ("cut", Outcome.AWAY),
        ("503", Outcome.AWAY),
        ("500", Outcome.FAILED),
        ("403", Outcome.FAILED),
        ("garbage", Outcome.FAILED),
        ("html", Outcome.FAILED),
        ("huge", Outcome.FAILED),
        ("gzip", Outcome.FAILED),
        ("redirect", Outcome.FAILED),
    ],
)
async def test_get_from_a_server_that_does_badly_is_a_failure(
    origin: Origin, new_client: Callable[..., Client], fault: Fault, outcome: Outcome
) -> None:
    origin.put(ALICE, RULES)
    origin.break_(fault)

    answer = await new_client(timeout=0.5).get(origin.uri(ALICE), "")

    assert (answer.outcome, answer.document) == (outcome, None)
    assert answer.why


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("", 0),
        ("-5", 0),
        ("soon", 0),
        ("Wed, 21 Oct 2015", 0),
        ("9" * 5000, 999_999_999),
    ],
)
@pytest.mark.parametrize("fault", ["503", "429"])
async def test_server_that_is_away_says_for_how_long(
    origin: Origin, new_client: Callable[..., Client], fault: Fault, header: str, seconds: float
) -> None:
    origin.break_(fault)
    origin.retry_after = header

    answer = await new_client().get(origin.uri(ALICE), "")

    assert (answer.outcome, answer.retry_after) == (Outcome.AWAY, seconds)


async def test_server_that_names_a_date_is_away_until_then_by_its_own_clock(
    origin: Origin, new_client: Callable[..., Client]
) -> None:
    origin.break_("503")
    origin.retry_after = formatdate(time.time() + 100, usegmt=True)

    answer = await new_client().get(origin.uri(ALICE), "")

    assert 95 < answer.retry_after <= 101


async def test_get_without_a_server_is_a_failure(origin: Origin, new_client: Callable[..., Client]) -> None:
    origin.stop()

    answer = await new_client().get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.AWAY


@pytest.mark.parametrize("auth", ["basic", "digest"])
async def test_get_with_credentials_is_let_in(new_client: Callable[..., Client], auth: str) -> None:
    with serving(auth=auth) as origin:  # type: ignore[arg-type]
        origin.put(ALICE, RULES)

        answer = await new_client(auth=auth, username="lamplighter", password="secret").get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.DOCUMENT


@pytest.mark.parametrize("auth", ["basic", "digest"])
async def test_get_with_wrong_credentials_is_a_failure_of_the_server(
    new_client: Callable[..., Client], auth: str
) -> None:
    with serving(auth=auth) as origin:  # type: ignore[arg-type]
        origin.put(ALICE, RULES)

        answer = await new_client(auth=auth, username="lamplighter", password="guess").get(origin.uri(ALICE), "")

    assert (answer.outcome, answer.why) == (Outcome.AWAY, "status 401")


async def test_get_with_a_digest_whose_nonce_went_stale_is_let_in_again(new_client: Callable[..., Client]) -> None:
    with serving(auth="digest") as origin:
        origin.put(ALICE, RULES)
        client = new_client(auth="digest", username="lamplighter", password="secret")
        await client.get(origin.uri(ALICE), "")
        origin.nonce = "second"

        answer = await client.get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.DOCUMENT
    assert origin.statuses() == [401, 200, 401, 200]


async def test_get_with_a_digest_algorithm_that_nobody_knows_is_a_failure(
    origin: Origin, new_client: Callable[..., Client]
) -> None:
    origin.break_("wrong-digest")

    answer = await new_client(auth="digest", username="lamplighter", password="secret").get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.FAILED


async def test_get_over_tls_with_the_certificate_of_the_operator_is_served(
    new_client: Callable[..., Client], tmp_path: Path
) -> None:
    with serving(tls=certificate(tmp_path)) as origin:
        origin.put(ALICE, RULES)

        answer = await new_client(ca_file=origin.ca_file).get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.DOCUMENT


async def test_get_over_tls_from_a_server_that_nobody_vouches_for_is_refused(
    new_client: Callable[..., Client], tmp_path: Path
) -> None:
    with serving(tls=certificate(tmp_path)) as origin:
        origin.put(ALICE, RULES)

        answer = await new_client().get(origin.uri(ALICE), "")

    assert answer.outcome is Outcome.AWAY
    assert "CERTIFICATE_VERIFY_FAILED" in answer.why


async def test_get_says_nothing_of_a_password_in_its_log(
    origin: Origin, new_client: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = new_client(auth="basic", username="lamplighter", password="secret-of-ours")

    await client.get(origin.uri(ALICE), "")

    assert "secret-of-ours" not in caplog.text


async def test_get_over_a_connection_that_the_server_closes_just_then_is_made_again(
    new_client: Callable[..., Client],
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(RULES)}\r\n\r\n".encode()
    connections = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + RULES)
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        client = new_client()

        outcomes = [(await client.get(url, "")).outcome for _ in range(3)]
        await client.close()

    assert outcomes == [Outcome.DOCUMENT] * 3
    assert len(connections) == 3
