import pytest

from sip_edge.places import own_addresses, place_at
from sip_edge.targets import Targets


def test_place_without_an_advertised_address_is_known_by_what_was_bound() -> None:
    place = place_at(("::1", 5062), 0, ())

    assert (place.udp_contact, place.tcp_contact) == ("<sip:[::1]:5062>", "<sip:[::1]:5062;transport=tcp>")


def test_place_with_an_advertised_port_of_zero_takes_the_bound_one() -> None:
    assert place_at(("0.0.0.0", 5062), 0, ("sip.example.com:0",)).advertised == "sip.example.com:5062"


def test_places_share_one_advertised_address_or_have_their_own() -> None:
    shared = [place_at(("10.0.0.1", 5060), index, ("a:1",)).advertised for index in range(2)]
    own = [place_at(("10.0.0.1", 5060), index, ("a:1", "b:2")).advertised for index in range(2)]

    assert (shared, own) == (["a:1", "a:1"], ["a:1", "b:2"])


def test_place_behind_an_ipv6_address_and_another_port_says_so() -> None:
    place = place_at(("10.0.0.1", 5060), 0, ("[2001:db8::1]:5070",))

    assert (place.udp_contact, place.tcp_contact) == (
        "<sip:[2001:db8::1]:5070>",
        "<sip:[2001:db8::1]:5070;transport=tcp>",
    )


@pytest.mark.parametrize(
    ("advertise", "uri"),
    [
        ("sip.example.com:5070", "sip:SIP.example.com.:5070"),
        ("sip.example.com:5060", "sip:sip.example.com;transport=tcp"),
        ("[2001:DB8:0:0::1]:5070", "sip:[2001:db8::1]:5070"),
        ("[2001:db8::1]:5060", "sip:[2001:db8:0:0:0:0:0:1]"),
        ("203.0.113.1:5070", "sip:203.0.113.1:5070"),
        ("203.0.113.1:5070", "sip:10.0.0.1:5062"),
    ],
)
def test_request_uri_with_an_address_that_we_advertise_is_our_contact(advertise: str, uri: str) -> None:
    place = place_at(("10.0.0.1", 5062), 0, (advertise,))
    targets = Targets(own=own_addresses([place]), domains=frozenset(), shards=64)

    assert targets.judge(uri).contact


def test_request_uri_with_another_port_than_the_advertised_is_not_our_contact() -> None:
    place = place_at(("10.0.0.1", 5060), 0, ("sip.example.com:5070",))
    targets = Targets(own=own_addresses([place]), domains=frozenset(), shards=64)

    assert not targets.judge("sip:sip.example.com").contact


def test_own_addresses_are_all_names_in_lower_case() -> None:
    place = place_at(("10.0.0.1", 5060), 0, ("SIP.Example.COM:5080",))

    assert own_addresses([place]) == {("10.0.0.1", 5060), ("sip.example.com", 5080)}
