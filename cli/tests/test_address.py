import pytest

from lamplighter_cli.address import Address, outward_host


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:5060", "127.0.0.1", 5060), ("[::1]:5060", "::1", 5060), ("example.com:0", "example.com", 0)],
)
def test_address_given_as_host_and_port_prints_as_it_was(text: str, host: str, port: int) -> None:
    address = Address.parse(text)

    assert address == (host, port)
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "5060", ":5060", "host", "host:", "host:x", "host:65536", "::1:5060", "host:-1"])
def test_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host"):
        Address.parse(text)


@pytest.mark.parametrize(("text", "expected"), [("pbx", "pbx:5060"), ("[::1]", "[::1]:5060"), ("pbx:5070", "pbx:5070")])
def test_address_without_port_takes_the_default(text: str, expected: str) -> None:
    assert str(Address.parse(text, 5060)) == expected


def test_address_of_every_interface_is_reached_by_the_loopback() -> None:
    assert Address("0.0.0.0", 5060).reachable == ("127.0.0.1", 5060)
    assert Address("::", 5060).reachable == ("::1", 5060)
    assert Address("192.0.2.7", 5060).reachable == ("192.0.2.7", 5060)


def test_address_shifted_beyond_the_last_port_is_refused() -> None:
    with pytest.raises(ValueError, match="65536"):
        Address("127.0.0.1", 65535).shifted(1)


def test_outward_host_is_an_address_of_the_family() -> None:
    assert outward_host(Address("0.0.0.0", 5060)).count(".") == 3
