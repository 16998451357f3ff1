"""Where requests inside a dialog go (RFC 3261 §12.2.1.1)."""

import pytest

from sip.dialog import Routed, route_request
from sip.errors import ParseError


def test_request_without_routes_goes_to_its_target() -> None:
    routed = route_request("sip:bob@192.0.2.4:5062;transport=tcp", [])

    assert routed == Routed("sip:bob@192.0.2.4:5062;transport=tcp", (), "192.0.2.4:5062")


def test_request_through_loose_routers_names_the_target_and_all_routes() -> None:
    routes = ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>")

    routed = route_request("sip:bob@192.0.2.4", routes)

    assert routed == Routed("sip:bob@192.0.2.4", routes, "p1.example.com:5060")


def test_request_through_a_strict_router_names_the_router_and_the_target_last() -> None:
    routed = route_request("sip:bob@192.0.2.4", ["<sip:p1.example.com;method=X?a=b>", "<sip:p2.example.com;lr>"])

    assert routed == Routed(
        "sip:p1.example.com", ("<sip:p2.example.com;lr>", "<sip:bob@192.0.2.4>"), "p1.example.com:5060"
    )


def test_strict_router_behind_a_loose_one_is_the_loose_ones_business() -> None:
    routes = ("<sip:p1.example.com;lr=on>", "<sip:p2.example.com>")

    assert route_request("sip:bob@192.0.2.4", routes).routes == routes


@pytest.mark.parametrize(
    ("target", "hop"),
    [
        ("sip:bob@example.com", "example.com:5060"),
        ("sips:bob@example.com", "example.com:5061"),
        ("sip:bob@example.com:5080;maddr=192.0.2.9", "192.0.2.9:5080"),
        ("sip:bob@[2001:db8::9]:5062", "[2001:db8::9]:5062"),
    ],
)
def test_next_hop_is_host_and_port(target: str, hop: str) -> None:
    assert route_request(target, []).next_hop == hop


def test_request_uri_has_no_headers_and_no_method() -> None:
    assert route_request("sip:bob@a.com;method=REFER;ob?Subject=x", []).request_uri == "sip:bob@a.com;ob"


@pytest.mark.parametrize(
    ("target", "routes", "status"),
    [
        ("tel:+12015550123", [], 416),
        ("mailto:a@b.com", [], 416),
        ("bob", [], 400),
        ("sip:bob@a.com", ["<tel:+1>"], 416),
        ("sip:bob@a.com", ["p1.example.com"], 400),
        ("sip:bob@a.com", [""], 400),
    ],
)
def test_request_that_can_go_nowhere_is_refused(target: str, routes: list[str], status: int) -> None:
    with pytest.raises(ParseError) as caught:
        route_request(target, routes)

    assert caught.value.status == status
