from sip_edge.places import own_addresses, place_at


def test_place_without_an_advertised_address_is_known_by_what_was_bound() -> None:
    place = place_at(("::1", 5062), 0, ())

    assert (place.udp_contact, place.tcp_contact) == ("<sip:[::1]:5062>", "<sip:[::1]:5062;transport=tcp>")


def test_place_with_an_advertised_port_of_zero_takes_the_bound_one() -> None:
    assert place_at(("0.0.0.0", 5062), 0, ("sip.example.com:0",)).advertised == "sip.example.com:5062"


def test_places_share_one_advertised_address_or_have_their_own() -> None:
    shared = [place_at(("10.0.0.1", 5060), index, ("a:1",)).advertised for index in range(2)]
    own = [place_at(("10.0.0.1", 5060), index, ("a:1", "b:2")).advertised for index in range(2)]

    assert (shared, own) == (["a:1", "a:1"], ["a:1", "b:2"])


def test_own_addresses_are_all_names_in_lower_case() -> None:
    place = place_at(("10.0.0.1", 5060), 0, ("SIP.Example.COM:5080",))

    assert own_addresses([place]) == {("10.0.0.1", 5060), ("sip.example.com", 5080)}
