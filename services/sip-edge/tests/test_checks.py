import pytest

from sip.errors import ParseError
from sip.message import Request, parse
from sip_edge.checks import Manners, inspect, strip_own_routes
from sip_edge.refusals import BadExtension, BadRequest, NotFound, TooManyHops, UnsupportedUriScheme
from sip_edge.targets import Targets
from sip_edge.testing import request

OWN = frozenset({("192.0.2.1", 5060), ("::1", 5060), ("sip.example.net", 5080)})
OPEN = Targets(own=OWN, domains=frozenset(), shards=64)
CLOSED = Targets(own=OWN, domains=frozenset({"example.com"}), shards=64)
MANNERS = Manners.of(registrar=False)


def message(packet: bytes) -> Request:
    parsed = parse(packet)
    assert isinstance(parsed, Request)
    return parsed


@pytest.mark.parametrize(
    "uri",
    [
        "sip:alice@example.com",
        "sips:alice@EXAMPLE.com",
        "sip:192.0.2.1",
        "sip:[::1]:5060",
        "sip:a@sip.example.net:5080",
    ],
)
def test_target_that_is_ours_is_served(uri: str) -> None:
    assert CLOSED.judge(uri).ours


@pytest.mark.parametrize("uri", ["sip:alice@other.example", "sip:192.0.2.1:5062", "sip:a@sip.example.net"])
def test_target_of_another_domain_is_refused_404_where_domains_are_set(uri: str) -> None:
    with pytest.raises(NotFound):
        inspect(message(request("SUBSCRIBE", uri)), MANNERS, CLOSED)


@pytest.mark.parametrize("method", ["PUBLISH", "SUBSCRIBE"])
def test_target_that_is_our_contact_is_a_presentity_in_a_dialog_only(method: str) -> None:
    with pytest.raises(NotFound):
        inspect(message(request(method, "sip:192.0.2.1:5060")), MANNERS, OPEN)
    assert inspect(message(request(method, "sip:192.0.2.1:5060", to="<sip:a@b>;tag=t")), MANNERS, OPEN).contact
    assert inspect(message(request(method, "sip:alice@192.0.2.1:5060")), MANNERS, OPEN).ours


def test_target_of_another_domain_is_served_in_a_dialog_that_began_at_another_edge() -> None:
    subscribe = message(request("SUBSCRIBE", "sip:192.0.2.99:5060", to="<sip:alice@example.com>;tag=t"))

    assert inspect(subscribe, MANNERS, CLOSED).aor == "sip:192.0.2.99"


def test_target_of_any_domain_is_served_where_none_is_set() -> None:
    target = OPEN.judge("sip:alice@other.example")

    assert (target.aor, target.ours) == ("sip:alice@other.example", False)


def test_target_that_is_a_number_belongs_to_no_domain() -> None:
    assert CLOSED.judge("tel:+1-555-0100").aor == "tel:+15550100"


@pytest.mark.parametrize("uri", ["mailto:a@b", "urn:service:sos", "HTTP://h"])
def test_target_of_another_scheme_is_refused_416(uri: str) -> None:
    with pytest.raises(UnsupportedUriScheme):
        OPEN.judge(uri)


@pytest.mark.parametrize("uri", ["sip:", "alice", "sip:a@b@@", "sip:a@h:port"])
def test_target_that_is_no_uri_is_refused_400(uri: str) -> None:
    with pytest.raises(BadRequest):
        OPEN.judge(uri)


@pytest.mark.parametrize("hops", ["x", "-1", "1000", "256"])
def test_max_forwards_that_is_no_number_is_refused_400(hops: str) -> None:
    with pytest.raises(BadRequest):
        inspect(message(request("PUBLISH", headers=(f"Max-Forwards: {hops}",))), MANNERS, OPEN)


def test_options_without_hops_left_is_refused_483_unless_we_are_asked() -> None:
    ours = message(request("OPTIONS", "sip:192.0.2.1", headers=("Max-Forwards: 0",)))
    theirs = message(request("OPTIONS", "sip:other.example", headers=("Max-Forwards: 0",)))

    assert inspect(ours, MANNERS, OPEN).ours
    with pytest.raises(TooManyHops):
        inspect(theirs, MANNERS, OPEN)


def test_require_is_refused_with_every_option() -> None:
    packet = request("SUBSCRIBE", headers=("Require: eventlist", "Require: a, b"))

    with pytest.raises(BadExtension) as refusal:
        inspect(message(packet), MANNERS, OPEN)

    assert refusal.value.headers() == (("Unsupported", "eventlist, a, b"),)


@pytest.mark.parametrize(
    ("routes", "left"),
    [
        (["<sip:192.0.2.1;lr>"], []),
        (["<sip:192.0.2.1:5060;lr>, <sip:[::1];lr>"], []),
        (["<sip:192.0.2.1;lr>", "<sip:other.example;lr>"], ["<sip:other.example;lr>"]),
        (["<sip:other.example;lr>", "<sip:192.0.2.1;lr>"], ["<sip:other.example;lr>", "<sip:192.0.2.1;lr>"]),
    ],
)
def test_routes_at_the_top_that_name_us_are_taken_off(routes: list[str], left: list[str]) -> None:
    subscribe = message(request("SUBSCRIBE", headers=[f"Route: {route}" for route in routes]))

    strip_own_routes(subscribe, OPEN)

    assert subscribe.headers.values("Route") == left


def test_route_that_is_no_uri_is_refused_400() -> None:
    with pytest.raises(ParseError):
        strip_own_routes(message(request("SUBSCRIBE", headers=("Route: <nonsense>",))), OPEN)
