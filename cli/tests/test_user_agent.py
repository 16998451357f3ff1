import asyncio
from typing import Protocol

import pytest

from lamplighter_cli import ports
from lamplighter_cli.address import Address
from lamplighter_cli.errors import Unreachable
from lamplighter_cli.user_agent import Sequence, UserAgent
from sip.message import Request, build_response

URI = "sip:a@example.com"


class Server(Protocol):
    address: Address
    requests: list[Request]
    answers: list[object]

    def drop_connections(self) -> None: ...


def sequence() -> Sequence:
    return Sequence(local="sip:me@localhost", remote=URI)


@pytest.mark.parametrize("tcp", [False, True])
async def test_request_that_is_answered_gives_the_answer(server: Server, tcp: bool) -> None:
    agent = UserAgent(server.address, tcp=tcp)

    response = await agent.request("PUBLISH", URI, sequence(), [("Event", "presence")], b"body")
    agent.close()

    assert response.status == 200
    request = server.requests[0]
    assert (request.method, request.uri, request.body) == ("PUBLISH", URI, b"body")
    assert (request.headers.get("Via") or "").startswith("SIP/2.0/TCP" if tcp else "SIP/2.0/UDP")
    assert request.headers.get("CSeq") == "1 PUBLISH"


async def test_request_over_udp_is_sent_again_until_it_is_answered(server: Server) -> None:
    server.answers[:0] = [lambda request: None]
    agent = UserAgent(server.address)

    response = await agent.request("PUBLISH", URI, sequence())
    agent.close()

    assert response.status == 200
    assert len(server.requests) == 2
    assert bytes(server.requests[0]) == bytes(server.requests[1])


async def test_request_with_a_provisional_answer_waits_for_the_final_one(server: Server) -> None:
    server.answers[:0] = [lambda request: build_response(request, 100, "Trying")]
    agent = UserAgent(server.address)
    asking = asyncio.create_task(agent.request("PUBLISH", URI, sequence()))

    done, _ = await asyncio.wait([asking], timeout=0.2)
    agent.close()

    assert not done
    with pytest.raises(Unreachable):
        await asking


@pytest.mark.parametrize("tcp", [False, True])
async def test_request_to_nobody_is_unreachable_at_once(tcp: bool) -> None:
    agent = UserAgent(Address("127.0.0.1", ports.free("127.0.0.1", udp=True)), tcp=tcp)

    async with asyncio.timeout(5):
        with pytest.raises(Unreachable, match="refused"):
            await agent.request("PUBLISH", URI, sequence())
    agent.close()


async def test_request_whose_connection_ends_is_unreachable_and_the_next_connects_again(server: Server) -> None:
    server.answers[:0] = [lambda request: server.drop_connections()]
    agent = UserAgent(server.address, tcp=True)

    with pytest.raises(Unreachable, match="closed the connection"):
        await agent.request("PUBLISH", URI, sequence())
    response = await agent.request("PUBLISH", URI, sequence())
    agent.close()

    assert response.status == 200


async def test_requests_of_one_sequence_count_up(server: Server) -> None:
    agent = UserAgent(server.address)
    one = sequence()

    for _ in range(2):
        await agent.request("PUBLISH", URI, one)
    agent.close()

    assert [request.headers.get("CSeq") for request in server.requests] == ["1 PUBLISH", "2 PUBLISH"]
    assert len({request.headers.get("Call-ID") for request in server.requests}) == 1
    assert len({request.headers.get("Via") for request in server.requests}) == 2


async def test_probe_returns_the_status_of_options(server: Server) -> None:
    assert await UserAgent.probe(server.address) == 200
    assert server.requests[0].method == "OPTIONS"
