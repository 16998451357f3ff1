"""The HTTP endpoint of each service."""

import pytest

from .served import PORTS, Served


@pytest.mark.parametrize("service", PORTS)
def test_service_is_alive_and_ready(system: Served, service: str) -> None:
    alive, ready = system.get(service, "/livez"), system.get(service, "/readyz")

    assert (alive.status_code, ready.status_code) == (200, 200)
    assert all(ready.json()["checks"].values())


@pytest.mark.parametrize("service", PORTS)
def test_service_counts_under_its_own_name(system: Served, service: str) -> None:
    metrics = system.get(service, "/metrics")

    assert metrics.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "# HELP " in metrics.text


@pytest.mark.parametrize("service", PORTS)
def test_service_describes_its_endpoint(system: Served, service: str) -> None:
    described = system.get(service, "/openapi.json").json()

    assert {"/livez", "/readyz", "/metrics"} <= set(described["paths"])


def test_services_are_all_listed(system: Served) -> None:
    listed = system.get("presence-core", "/services").json()

    assert set(PORTS) <= {one["service"] for one in listed}


def test_presentity_that_nobody_knows_gets_404(system: Served) -> None:
    assert system.get("presence-core", "/presentities/sip:never-seen@example.test").status_code == 404


def test_every_shard_has_an_owner(system: Served) -> None:
    owners = system.get("presence-core", "/shards").json()

    assert len(owners) == 64
    assert all(owners.values())
