"""By which edge a packet leaves, by a clock of our own (ADR 0009)."""

from lamplighter_proto import Flow
from notifier.domain.edges import Edges

ONE, TWO, THREE = {"edge-1": "192.0.2.1:5060"}, {"edge-2": "192.0.2.2:5060"}, {"edge-3": "192.0.2.3:5060"}
UDP = Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote="198.51.100.4:5062")
TCP = Flow(edge="edge-1", transport="TCP", local="192.0.2.1:5060", remote="198.51.100.4:5062", connection=4)


def without_one(*, failover: bool = True) -> Edges:
    """Return edges of which edge-1 was seen until second 10."""
    edges = Edges(failover=failover, grace=2.0)
    edges.take(ONE | TWO | THREE, 0.0)
    edges.take(TWO | THREE, 10.0)
    return edges


def test_edge_that_is_alive_gets_its_own_flows() -> None:
    edges = Edges(failover=True, grace=2.0)
    edges.take(ONE | TWO, 0.0)

    assert edges.edge_of(UDP, 100.0) == "edge-1"
    assert not edges.lost(TCP, 100.0)


def test_edge_is_taken_for_alive_before_the_directory_has_said_anything() -> None:
    edges = Edges(failover=True, grace=2.0)

    assert edges.edge_of(UDP, 100.0) == "edge-1"
    assert not edges.lost(TCP, 100.0)


def test_edge_that_was_seen_a_moment_ago_is_waited_for() -> None:
    edges = without_one()

    assert edges.edge_of(UDP, 11.9) == "edge-1"
    assert not edges.lost(TCP, 11.9)


def test_edge_that_is_dead_is_replaced_for_udp_by_one_and_the_same() -> None:
    edges = without_one()

    first = edges.edge_of(UDP, 12.0)
    edges.take(TWO | THREE, 13.0)

    assert first in ("edge-2", "edge-3")
    assert edges.edge_of(UDP, 500.0) == first
    assert edges.address(first) == (TWO | THREE)[first]


def test_edges_that_live_share_the_flows_of_one_that_is_dead() -> None:
    edges = without_one()
    flows = [Flow(edge="edge-1", transport="UDP", local=UDP.local, remote=f"198.51.100.4:{port}") for port in range(99)]

    assert {edges.edge_of(flow, 12.0) for flow in flows} == {"edge-2", "edge-3"}


def test_edge_that_comes_back_gets_its_flows_again() -> None:
    edges = without_one()
    edges.take(ONE | TWO | THREE, 20.0)

    assert edges.edge_of(UDP, 20.0) == "edge-1"


def test_edge_that_is_dead_keeps_its_udp_flows_unless_the_operator_allows_others() -> None:
    edges = without_one(failover=False)

    assert edges.edge_of(UDP, 100.0) == "edge-1"


def test_connection_of_a_dead_edge_is_lost_and_no_other_edge_is_asked() -> None:
    edges = without_one()

    assert edges.lost(TCP, 12.0)
    assert not edges.lost(UDP, 12.0)
    assert edges.edge_of(TCP, 12.0) == "edge-1"


def test_edge_that_was_never_seen_is_dead_after_the_grace() -> None:
    edges = Edges(failover=True, grace=2.0)
    edges.take(TWO, 10.0)

    assert edges.edge_of(UDP, 11.0) == "edge-1"
    assert edges.edge_of(UDP, 12.0) == "edge-2"


def test_no_living_edge_leaves_a_flow_where_it_is() -> None:
    edges = Edges(failover=True, grace=2.0)
    edges.take(ONE, 0.0)
    edges.take({}, 10.0)

    assert edges.edge_of(UDP, 100.0) == "edge-1"


def test_directory_that_is_lost_and_written_anew_moves_nothing() -> None:
    edges = Edges(failover=True, grace=2.0)
    edges.take(ONE | TWO, 0.0)
    edges.take({}, 10.0)
    edges.take(TWO, 10.5)
    during = edges.edge_of(UDP, 11.5)
    edges.take(ONE | TWO, 11.6)

    assert (during, edges.edge_of(UDP, 100.0)) == ("edge-1", "edge-1")


def test_edges_that_are_long_gone_are_not_remembered_one_by_one() -> None:
    edges = Edges(failover=True, grace=2.0)
    for number in range(100):
        edges.take({f"edge-{number}": "192.0.2.1:5060"}, 10.0 * number)

    assert len(edges._gone) == 1
    assert edges.is_dead("edge-0", 1000.0)
