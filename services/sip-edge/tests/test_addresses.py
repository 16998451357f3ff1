import pytest

from sip_edge.addresses import canonical, check_advertised, is_wildcard, read_address, write_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5060", ("127.0.0.1", 5060)),
        ("[::1]:5060", ("::1", 5060)),
        ("sip.example.com:0", ("sip.example.com", 0)),
    ],
)
def test_address_that_is_right_is_read(text: str, address: tuple[str, int]) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", "host", ":5060", "host:", "host:x", "host:70000", "::1:5060", "[::1]", "h:٣"])
def test_address_that_is_wrong_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        read_address(text)


def test_address_of_an_ipv6_socket_is_written_in_brackets() -> None:
    peer = ("::1", 5060, 0, 0)

    assert write_address(peer) == "[::1]:5060"


@pytest.mark.parametrize(("host", "wild"), [("0.0.0.0", True), ("::", True), ("::1", False), ("localhost", False)])
def test_wildcard_hosts_are_recognised(host: str, wild: bool) -> None:
    assert is_wildcard(host) is wild


@pytest.mark.parametrize("text", ["192.0.2.1:5060", "[2001:db8::1]:5070", "sip.example.com:0", "edge_1.example.:5061"])
def test_address_that_clients_can_be_told_is_taken(text: str) -> None:
    assert check_advertised(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0.0.0:5060", "cannot send to every"),
        ("[::]:5060", "cannot send to every"),
        ("[fe80::1%eth0]:5060", "no host of a SIP URI"),
        ("[192.0.2.1]:5060", "no host of a SIP URI"),
        ("sip example:5060", "no host of a SIP URI"),
        ("a>;evil=<:5060", "no host of a SIP URI"),
        ("sip:a@b:5060", "host:port"),
        ("2001:db8::1:5060", "host:port"),
    ],
)
def test_address_that_no_client_could_use_is_an_error(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_advertised(text)


@pytest.mark.parametrize(
    ("host", "spelling"),
    [
        ("SIP.Example.COM.", "sip.example.com"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_host_has_one_spelling(host: str, spelling: str) -> None:
    assert canonical(host) == spelling
