import pytest

from sip_edge.addresses import is_wildcard, read_address, write_address


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
