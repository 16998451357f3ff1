import pytest

from lamplighter_proto import Publish, Subscribe
from sip_edge.testing import CLIENT, Bench, request, turns

PUBLISH = ("Event: presence", "Expires: 60", "Content-Type: application/pidf+xml")
SUBSCRIBE = ("Event: presence", "Contact: <sip:bob@10.0.0.5:5062>")


async def test_publish_is_answered_with_what_the_core_decides() -> None:
    bench = await Bench().start()

    await bench.exchange(request("PUBLISH", headers=PUBLISH, body="<presence/>"))

    command = bench.core.commands[0]
    response = bench.wire.responses()[0]
    assert isinstance(command, Publish)
    assert (command.presentity, command.body, command.expires) == ("sip:alice@example.com", b"<presence/>", 60)
    assert (response.status, response.headers.get("Expires")) == (200, "60")
    assert response.headers.get("Date") == "Thu, 01 Jan 1970 00:00:00 GMT"


async def test_response_names_the_source_in_via_and_goes_there() -> None:
    bench = await Bench().start()

    await bench.exchange(request("PUBLISH", headers=PUBLISH))

    via = bench.wire.responses()[0].headers.get("Via") or ""
    assert "received=192.0.2.7" in via
    assert "rport=5070" in via
    assert bench.wire.sent[0][1] == CLIENT


async def test_retransmission_of_a_pending_request_is_absorbed() -> None:
    bench = await Bench().start()
    packet = request("PUBLISH", headers=PUBLISH)

    bench.receive(packet)
    bench.receive(packet)
    await turns()

    assert (len(bench.core.commands), bench.statuses, bench.counts.retransmissions) == (1, [200], 1)


async def test_retransmission_of_an_answered_request_gets_the_same_answer() -> None:
    bench = await Bench().start()
    packet = request("SUBSCRIBE", headers=SUBSCRIBE)
    await bench.exchange(packet)

    await bench.exchange(packet)

    assert len(bench.core.commands) == 1
    assert bench.wire.sent[0] == bench.wire.sent[1]


async def test_subscribe_2xx_has_our_contact_and_their_record_route() -> None:
    bench = await Bench().start()
    routes = ("Record-Route: <sip:p2.example.com;lr>", "Record-Route: <sip:p1.example.com;lr>")

    await bench.exchange(request("SUBSCRIBE", headers=(*SUBSCRIBE, *routes)))

    command, response = bench.core.commands[0], bench.wire.responses()[0]
    assert isinstance(command, Subscribe)
    assert command.route.route_set == ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>")
    assert response.headers.all("Record-Route") == ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"]
    assert response.headers.get("Contact") == "<sip:192.0.2.1:5060>"
    assert (response.headers.get("To") or "").endswith(";tag=" + "a" * 40)


async def test_request_by_two_paths_is_refused_482_the_second_time() -> None:
    bench = await Bench().start()

    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKone"))
    bench.receive(request("PUBLISH", headers=PUBLISH, branch="z9hG4bKtwo"))
    await turns()

    assert bench.statuses == [482, 200]


async def test_request_in_a_dialog_is_never_a_merged_one() -> None:
    bench = await Bench().start()
    to = f"<sip:alice@example.com>;tag={'b' * 40}"

    await bench.exchange(request("SUBSCRIBE", headers=SUBSCRIBE, branch="z9hG4bKone", to=to))
    await bench.exchange(request("SUBSCRIBE", headers=SUBSCRIBE, branch="z9hG4bKtwo", to=to))

    assert bench.statuses == [200, 200]


async def test_options_is_answered_here() -> None:
    bench = await Bench(domains=["example.com"]).start()

    await bench.exchange(request("OPTIONS", "sip:example.com"))

    response = bench.wire.responses()[0]
    assert response.status == 200
    assert response.headers.get("Allow") == "PUBLISH, SUBSCRIBE, OPTIONS, REGISTER"
    assert all(name in response.headers for name in ("Accept", "Supported"))


@pytest.mark.parametrize(
    ("packet", "status", "header"),
    [
        (request("MESSAGE"), 405, ("Allow", "PUBLISH, SUBSCRIBE, OPTIONS, REGISTER")),
        (request("CANCEL"), 481, None),
        (request("PUBLISH", headers=("Max-Forwards: 0",)), 483, None),
        (request("PUBLISH", headers=("Require: eventlist, 100rel",)), 420, ("Unsupported", "eventlist, 100rel")),
        (request("SUBSCRIBE", "http://example.com"), 416, None),
        (request("SUBSCRIBE", headers=("Event: presence",)), 400, None),
        (request("SUBSCRIBE", "sip:alice@elsewhere.example", headers=SUBSCRIBE), 404, None),
        (request("PUBLISH", headers=PUBLISH).replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), 505, None),
        (request("PUBLISH", headers=PUBLISH, body="x" * 1_001), 413, None),
        (request("PUBLISH", headers=("Event: \x01\x02",)), 400, None),
        (request("PUBLISH", headers=("Event: presence", "Subject: caf?")).replace(b"caf?", b"caf\xe9"), 400, None),
    ],
)
async def test_request_that_sip_forbids_is_refused(packet: bytes, status: int, header: tuple[str, str] | None) -> None:
    bench = await Bench(domains=["example.com"]).start()

    await bench.exchange(packet)

    assert bench.statuses == [status]
    assert bench.core.commands == []
    assert header is None or bench.wire.responses()[0].headers.get(header[0]) == header[1]


async def test_request_whose_via_is_half_readable_is_answered_400_with_all_its_bytes() -> None:
    bench = await Bench().start()

    bench.receive(request("PUBLISH", branch="z9hG4bK?").replace(b"?", b"\xe9"))

    packet = bench.wire.sent[0][0]
    assert packet.startswith(b"SIP/2.0 400 ")
    assert b"branch=z9hG4bK\xe9" in packet


async def test_refusal_bears_the_same_to_tag_each_time() -> None:
    bench = await Bench().start()
    packet = request("PUBLISH", headers=PUBLISH).replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia")

    await bench.exchange(packet)
    await bench.exchange(packet)

    tags = {response.headers.get("To") for response in bench.wire.responses()}
    assert len(tags) == 1
    assert ";tag=" in (tags.pop() or "")


@pytest.mark.parametrize(
    "packet", [b"no SIP at all, but long enough\r\n\r\n", request("ACK"), b"SIP/2.0 200 OK\r\n\r\n"]
)
async def test_message_that_cannot_be_answered_is_dropped_and_counted(packet: bytes) -> None:
    bench = await Bench().start()

    await bench.exchange(packet)

    assert (bench.statuses, sum(bench.counts.drops.values())) == ([], 1)


async def test_register_without_a_registrar_is_refused_405() -> None:
    bench = await Bench(registrar=False).start()

    assert await bench.exchange(request("REGISTER", "sip:example.com")) == [405]
