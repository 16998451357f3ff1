import socket

from lamplighter_cli import ports
from lamplighter_cli.address import Address

HOST = "127.0.0.1"


def test_ports_that_are_free_are_no_problem() -> None:
    port = ports.free(HOST, udp=True)

    assert list(ports.problems([Address(HOST, port)], [])) == []


def test_ports_with_a_listener_are_named_with_their_transport() -> None:
    with socket.create_server((HOST, 0)) as taken:
        address = Address(HOST, taken.getsockname()[1])

        found = list(ports.problems([address], [address]))

    assert found == [f"SIP {address} (TCP): Address already in use", f"HTTP {address}: Address already in use"]


def test_ports_with_a_datagram_socket_are_named_with_their_transport() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        address = Address(HOST, taken.getsockname()[1])

        found = list(ports.problems([address], []))

    assert found == [f"SIP {address} (UDP): Address already in use"]


def test_ports_of_an_address_that_is_not_ours_are_named() -> None:
    found = list(ports.problems([], [Address("192.0.2.1", 8080)]))

    assert found == ["HTTP 192.0.2.1:8080: Cannot assign requested address"]


def test_ports_in_a_row_are_all_free() -> None:
    first = ports.free(HOST, count=4)

    assert [ports.refusal(Address(HOST, first + number), ports.TCP) for number in range(4)] == [""] * 4


def test_ports_that_several_ask_for_differ() -> None:
    assert len(set(ports.several(HOST, 8))) == 8
