"""What every SIP server must do with a request, whatever its method (RFC 3261 §8.2, §17.2, §18)."""

import asyncio

import pytest

from sip.fields import Via
from sip.framing import KeepAlive
from sip.message import build_request

from .agent import Agent, new_branch, new_token
from .conftest import Agents, over_tcp, over_udp
from .documents import PIDF_TYPE, numbered, pidf
from .publication import Publication
from .served import Served
from .wires import TcpWire

SERVER = "sip:example.test"


def publish(agent: Agent, branch: str, *, call_id: str = "", body: bytes = b"") -> bytes:
    """Return a PUBLISH for the agent's own AOR."""
    body = body or pidf(agent.aor)
    own = agent.outline("PUBLISH", agent.aor, call_id=call_id)
    headers = [("Via", agent.via(branch)), *own, ("Event", "presence"), ("Content-Type", PIDF_TYPE)]
    return build_request("PUBLISH", agent.aor, headers, body)


async def test_options_says_what_we_can(agents: Agents) -> None:
    alice = await agents("alice")
    host, port = alice.wire.server

    response = await alice.out_of_dialog("OPTIONS", f"sip:{host}:{port}")

    assert response.status == 200
    assert {"PUBLISH", "SUBSCRIBE", "REGISTER", "OPTIONS"} <= set(response.headers.values("Allow"))


async def test_options_of_a_proxy_with_no_hops_left_is_answered(agents: Agents, system: Served) -> None:
    alice = await agents("alice")
    host, port = system.advertised
    own = [
        ("Max-Forwards", "0") if name == "Max-Forwards" else (name, value)
        for name, value in alice.outline("OPTIONS", f"sip:{host}:{port}")
    ]

    response = await alice.request("OPTIONS", f"sip:{host}:{port}", own)

    assert response.status == 200


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "NOTIFY", "INFO", "FOO"])
async def test_method_that_is_not_ours_gets_405_with_allow(agents: Agents, method: str) -> None:
    alice = await agents("alice")

    response = await alice.out_of_dialog(method, alice.aor)

    assert response.status == 405
    assert "PUBLISH" in response.headers.values("Allow")


@pytest.mark.parametrize("method", ["PUBLISH", "SUBSCRIBE", "REGISTER", "OPTIONS"])
async def test_required_extension_gets_420_with_unsupported(agents: Agents, method: str) -> None:
    alice = await agents("alice")
    headers = [("Require", "recipient-list-subscribe, foo"), ("Event", "presence"), ("Contact", f"<{alice.contact}>")]

    response = await alice.out_of_dialog(method, alice.aor, headers)

    assert response.status == 420
    assert response.headers.values("Unsupported") == ["recipient-list-subscribe", "foo"]


async def test_request_without_hops_left_gets_483(agents: Agents) -> None:
    alice = await agents("alice")
    own = [("Max-Forwards", "0"), *alice.outline("PUBLISH", alice.aor)[1:]]

    response = await alice.request("PUBLISH", alice.aor, [*own, ("Event", "presence")], pidf(alice.aor))

    assert response.status == 483


async def test_request_that_came_by_another_way_before_gets_482(agents: Agents) -> None:
    alice = await agents("alice")
    call_id = new_token()
    one, two = new_branch(), new_branch()
    first = publish(alice, one, call_id=call_id)
    other = first.replace(one.encode(), two.encode())

    answers = [await alice.exchange(first, one), await alice.exchange(other, two)]

    assert [answer.status for answer in answers] == [200, 482]


async def test_publish_retransmitted_is_absorbed(agents: Agents, transport: str) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()
    branch = new_branch()
    data = publish(alice, branch, body=numbered(alice.aor, 1))

    answers = [await alice.exchange(data, branch)]
    # The core would say how many seconds are left by now; the transaction says what it said before.
    await asyncio.sleep(1.1)
    answers += [await alice.exchange(data, branch) for _ in range(3)]
    await watch.ends_with(1)
    await watch.nothing_more(0.3)

    assert len({answer.headers.get("SIP-ETag") for answer in answers}) == 1
    if transport == "udp":  # over TCP a transaction ends with its answer (Timer J), and the core knows the repeat
        assert len({bytes(answer) for answer in answers}) == 1


async def test_publish_with_a_preloaded_route_to_the_server_is_taken(agents: Agents) -> None:
    alice = await agents("alice")
    host, port = alice.wire.server

    response = await Publication(alice, alice.aor).send(
        pidf(alice.aor), headers=(("Route", f"<sip:{host}:{port};lr>"),)
    )

    assert response.status == 200


@over_udp
async def test_request_without_content_length_over_udp_is_taken(agents: Agents) -> None:
    alice = await agents("alice")
    branch = new_branch()
    data = publish(alice, branch)
    lines = [line for line in data.split(b"\r\n") if not line.startswith(b"Content-Length")]

    response = await alice.exchange(b"\r\n".join(lines), branch)

    assert response.status == 200


async def test_request_in_compact_form_with_folding_is_taken(agents: Agents) -> None:
    alice = await agents("alice")
    branch, body = new_branch(), pidf(alice.aor)
    lines = [
        f"PUBLISH {alice.aor} SIP/2.0",
        f"v: {alice.via(branch)}",
        f'f: "Alice, \\"A\\""\r\n  <{alice.aor}>;tag={new_token()}',
        f"t: <{alice.aor}>",
        f"i:{new_token()}",
        "CSeq:   17\r\n\tPUBLISH",
        "max-forwards: 70",
        "o: presence",
        f"c: {PIDF_TYPE}",
        f"l: {len(body)}",
    ]

    response = await alice.exchange("\r\n".join([*lines, "", ""]).encode() + body, branch)

    assert response.status == 200


async def test_request_is_answered_where_it_came_from(agents: Agents, system: Served, transport: str) -> None:
    """Clients write what they take for their address into Via; behind NAT it is of no use (RFC 3581)."""
    alice = await agents("alice")
    branch = new_branch()
    via = f"SIP/2.0/{transport.upper()} phone.invalid:9;branch={branch}"
    data = build_request("OPTIONS", SERVER, [("Via", via), *alice.outline("OPTIONS", SERVER)])

    response = await alice.exchange(data, branch)

    assert response.status == 200
    assert f";received={system.seen(alice.wire.local)[0]}" in (response.headers.get("Via") or "")


@over_udp
async def test_udp_answer_names_the_port_that_was_seen(agents: Agents, system: Served) -> None:
    alice = await agents("alice")

    response = await alice.out_of_dialog("OPTIONS", SERVER)

    assert response.status == 200
    port = Via.parse(response.headers.values("Via")[0]).parameter("rport") or ""
    assert port.isdigit()
    assert system.seen(alice.wire.local)[1] in (0, int(port))


@over_tcp
async def test_tcp_double_crlf_is_answered_with_one(agents: Agents) -> None:
    alice = await agents("alice")
    assert isinstance(alice.wire, TcpWire)

    alice.wire.send(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    response = await alice.out_of_dialog("OPTIONS", SERVER)

    assert alice.wire.keep_alives == [KeepAlive.PONG]
    assert response.status == 200


@over_udp
async def test_udp_keep_alive_is_no_message(agents: Agents) -> None:
    alice = await agents("alice")

    for data in (b"\r\n\r\n", b"\x00", b"\r\n"):
        alice.wire.send(data)
    response = await alice.out_of_dialog("OPTIONS", SERVER)

    assert response.status == 200
    assert alice.strays == []


@over_tcp
async def test_tcp_two_requests_in_one_segment_and_one_in_many(agents: Agents) -> None:
    alice = await agents("alice")
    one, two, three = new_branch(), new_branch(), new_branch()
    both = publish(alice, one) + publish(alice, two)

    first = await alice.exchange(both, one)
    slow = publish(alice, three)
    for start in range(0, len(slow), 97):
        alice.wire.send(slow[start : start + 97])
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.3)

    assert first.status == 200
    assert [response.status for response in alice.responses] == [200, 200, 200]


@over_tcp
async def test_tcp_watcher_whose_connection_is_gone_is_told_at_its_contact(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    assert isinstance(bob.wire, TcpWire)
    watch = await bob.watch(alice.aor).active()

    bob.wire.drop()
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))

    await watch.ends_with(1, timeout=10)
