"""NATS and PostgreSQL are what the services look for."""

from pathlib import Path

import pytest
import yaml

from .faults import ON_HOST, PRODUCTION, rendered
from .manifests.documents import Fields, at, fields, items, labels
from .manifests.rendering import FOLDER
from .manifests.services import environment, ours

# The keys of the chart at its top, as of 1.0; others it would not read, and not say so.
CHART = {"config", "container", "reloader", "promExporter", "podTemplate", "podDisruptionBudget", "natsBox"}


def read(path: str) -> Fields:
    """Return a file of deploy/k8s."""
    return fields(yaml.safe_load((FOLDER / path).read_text()))


def test_values_of_nats_are_those_of_its_chart() -> None:
    assert set(read("nats/values.yaml")) == CHART
    assert set(read("nats/values-dev.yaml")) <= CHART


def test_nats_is_a_cluster_of_three_that_keeps_leases() -> None:
    config = read("nats/values.yaml")["config"]

    assert (at(config, "cluster.enabled"), at(config, "cluster.replicas")) == (True, 3)
    assert at(config, "jetstream.enabled") is True


@pytest.mark.parametrize("overlay", [PRODUCTION, ON_HOST])
def test_services_know_every_server_of_nats(overlay: str) -> None:
    replicas = at(read("nats/values.yaml"), "config.cluster.replicas")
    wanted = ",".join(f"nats://nats-{n}.nats-headless.lamplighter.svc:4222" for n in range(int(str(replicas))))

    for pod, container in ours(rendered(overlay)):
        found = environment(pod, container, rendered(overlay))
        assert [value for name, value in found.items() if name.endswith("_NATS_URL")] == [wanted]


def test_secret_of_the_database_is_the_one_that_its_operator_writes() -> None:
    cluster = at(read("postgres/cluster.yaml"), "metadata.name")

    for _, container in ours(rendered(ON_HOST)):
        for variable in items(container.get("env")):
            if str(variable["name"]).endswith("_POSTGRES_DSN"):
                assert at(variable, "valueFrom.secretKeyRef") == {"name": f"{cluster}-app", "key": "uri"}


def test_database_is_on_another_machine_before_a_2xx_leaves() -> None:
    spec = read("postgres/cluster.yaml")["spec"]

    assert at(spec, "postgresql.synchronous") == {"method": "any", "number": 1}
    assert at(spec, "affinity.podAntiAffinityType") == "required"


@pytest.mark.parametrize("store", ["nats", "postgres"])
def test_policy_of_a_store_is_in_the_namespace_of_the_services(store: str) -> None:
    assert read(f"{store}/kustomization.yaml")["namespace"] == read("base/kustomization.yaml")["namespace"]


def test_image_of_nats_is_that_of_compose() -> None:
    compose = fields(yaml.safe_load((Path(FOLDER).parent / "compose" / "compose.yaml").read_text())["services"])

    assert at(compose, "nats.image") == f"nats:{at(read('nats/values.yaml'), 'container.image.tag')}"


def test_every_service_may_use_the_bus() -> None:
    policy = next(one for one in yaml.safe_load_all((FOLDER / "nats/network.yaml").read_text()))
    (rule,) = [rule for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == 4222]

    allowed = rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]

    assert set(allowed) == {"sip-edge", "presence-core", "notifier", "xcap-sync"}
    assert labels(policy["spec"]["podSelector"]["matchLabels"]) == {"app.kubernetes.io/name": "nats"}
