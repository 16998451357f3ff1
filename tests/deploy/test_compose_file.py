"""What compose.yaml promises, as far as it shows without an engine."""

import re

import pytest

from lamplighter_runtime.settings import ServiceSettings
from notifier.settings import Settings as NotifierSettings
from presence_core.settings import Settings as CoreSettings
from sip_edge.settings import Settings as EdgeSettings
from xcap_sync.settings import Settings as XcapSettings

from .compose_files import FOLDER, Fields, environment, fields, read, words

SETTINGS: dict[str, type[ServiceSettings]] = {
    "sip-edge": EdgeSettings,
    "presence-core": CoreSettings,
    "notifier": NotifierSettings,
    "xcap-sync": XcapSettings,
}
STORES = ("nats", "postgres")
CONFIGURATIONS = ("rules-integrated.yaml", "rules-client.yaml", "store-database.yaml", "store-write-behind.yaml")
ROOTS = {"LAMPLIGHTER_XCAP_ROOTS": "http://xcap.example.com/root"}


def settings(service: str, *files: str) -> ServiceSettings:
    """Return the settings that a service finds."""
    return SETTINGS[service].load(environment(read(*files, environ=ROOTS)[service]))


def conditions(service: Fields) -> dict[str, str]:
    """Return what a service waits for."""
    return {name: str(fields(one)["condition"]) for name, one in fields(service.get("depends_on", {})).items()}


def test_services_are_ours_and_what_they_need() -> None:
    assert set(read()) == {*SETTINGS, *STORES, "migrate"}


@pytest.mark.parametrize("service", SETTINGS)
@pytest.mark.parametrize("files", [(), *((name,) for name in CONFIGURATIONS), CONFIGURATIONS[1:3]])
def test_settings_of_every_configuration_are_understood(service: str, files: tuple[str, ...]) -> None:
    found = settings(service, *files)

    assert found.nats_url == "nats://nats:4222"


def test_configurations_say_what_they_are_called() -> None:
    core = {name: settings("presence-core", name) for name in CONFIGURATIONS}
    sync = {name: settings("xcap-sync", name) for name in CONFIGURATIONS[:2]}

    assert [(one.policy, one.xcap, one.store) for one in core.values() if isinstance(one, CoreSettings)] == [
        ("rules", "integrated", "write-through"),
        ("rules", "client", "write-through"),
        ("open", "none", "database"),
        ("open", "none", "write-behind"),
    ]
    assert [one.mode for one in sync.values() if isinstance(one, XcapSettings)] == ["integrated", "client"]


def test_xcap_sync_runs_only_where_there_are_rules() -> None:
    running = {name: not read(name, environ=ROOTS)["xcap-sync"].get("profiles") for name in CONFIGURATIONS}

    assert read()["xcap-sync"]["profiles"] == ["xcap"]
    assert [name for name, runs in running.items() if runs] == ["rules-integrated.yaml", "rules-client.yaml"]


def test_rules_of_others_need_to_be_told_where_they_are() -> None:
    with pytest.raises(KeyError, match="LAMPLIGHTER_XCAP_ROOTS"):
        read("rules-client.yaml")


@pytest.mark.parametrize("service", [*SETTINGS, *STORES, "migrate"])
def test_every_container_can_do_no_more_than_it_has_to(service: str) -> None:
    found = read()[service]

    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "cap_add" not in found
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(found)


@pytest.mark.parametrize("service", [*SETTINGS, *STORES])
def test_every_service_comes_back_and_tells_how_it_is(service: str) -> None:
    found = read()[service]

    assert found["restart"] == "unless-stopped"
    assert words(fields(found["healthcheck"])["test"])[0] == "CMD"


@pytest.mark.parametrize("service", SETTINGS)
def test_stopping_may_take_longer_than_the_service_needs(service: str) -> None:
    patience = re.fullmatch(r"(\d+)s", str(read()[service]["stop_grace_period"]))

    assert patience
    assert int(patience[1]) > settings(service).stop_seconds


def test_order_of_start_is_that_of_need() -> None:
    found = {name: conditions(service) for name, service in read().items()}

    assert found["migrate"] == {"postgres": "service_healthy"}
    for service in ("presence-core", "xcap-sync"):
        assert found[service] == {"nats": "service_healthy", "migrate": "service_completed_successfully"}
    assert found["notifier"] == {"nats": "service_healthy"}
    assert found["sip-edge"].keys() == {"nats", "presence-core", "notifier"}


def test_only_the_migration_changes_the_schema() -> None:
    found = read()

    assert found["migrate"]["command"] == ["migrate"]
    assert found["migrate"]["image"] == found["presence-core"]["image"]
    assert environment(found["presence-core"])["PRESENCE_CORE_MIGRATE"] == "false"


@pytest.mark.parametrize("service", [*SETTINGS, *STORES, "migrate"])
def test_nothing_stands_in_the_way_of_several(service: str) -> None:
    found = read("scale.yaml")[service]

    assert not {"container_name", "hostname"} & set(found)
    assert not [name for name in environment(found) if name.endswith("_INSTANCE")]


@pytest.mark.parametrize("service", ["sip-edge", "presence-core", "notifier"])
def test_each_of_several_takes_a_port_of_a_range(service: str) -> None:
    ports = words(read("scale.yaml")[service].get("ports", []))

    assert all(re.fullmatch(r"127\.0\.0\.1:\d+-\d+:\d+(/udp|/tcp)?", port) for port in ports)


@pytest.mark.parametrize(
    ("chosen", "advertised"),
    [
        ({}, "127.0.0.1:5060"),
        ({"LAMPLIGHTER_SIP_PORT": "15060"}, "127.0.0.1:15060"),
        ({"LAMPLIGHTER_SIP_HOST": "192.0.2.1"}, "192.0.2.1:5060"),
        ({"LAMPLIGHTER_SIP_ADVERTISE": "sip.example.com:5060"}, "sip.example.com:5060"),
    ],
)
def test_edge_advertises_what_is_published(chosen: dict[str, str], advertised: str) -> None:
    found = environment(read(environ=chosen)["sip-edge"])

    assert found["SIP_EDGE_ADVERTISE"] == advertised


def test_edge_on_the_network_of_the_machine_is_heard_there_alone() -> None:
    edge = read("edge-on-host.yaml")["sip-edge"]

    found = EdgeSettings.load(environment(edge))
    assert edge["network_mode"] == "host"
    assert edge["ports"] == []
    assert (found.listen, found.advertise, found.http_host) == (("127.0.0.1:5060",), (), "127.0.0.1")


def test_ports_are_published_to_this_machine_only_and_can_be_chosen() -> None:
    chosen = {"LAMPLIGHTER_SIP_PORT": "15060", "LAMPLIGHTER_HTTP_PORT": "18080"}

    published = {name: words(service.get("ports", [])) for name, service in read(environ=chosen).items()}

    assert {name: ports for name, ports in published.items() if ports} == {
        "sip-edge": ["127.0.0.1:15060:5060/udp", "127.0.0.1:15060:5060/tcp"],
        "presence-core": ["127.0.0.1:18080:8080"],
    }


@pytest.mark.parametrize("service", SETTINGS)
def test_image_is_built_from_its_target(service: str) -> None:
    found = read()[service]

    assert found["image"] == f"lamplighter/{service}:dev"
    assert fields(found["build"])["target"] == service
    assert (FOLDER / str(fields(found["build"])["context"]) / str(fields(found["build"])["dockerfile"])).is_file()


def test_password_of_development_says_that_it_is_one() -> None:
    found = environment(read()["postgres"])["POSTGRES_PASSWORD"]

    assert "insecure" in found
    assert "development" in found
    for service in ("migrate", "presence-core", "xcap-sync"):
        assert environment(read()[service])["PGPASSWORD"] == found


def test_password_is_in_no_address_so_that_any_will_do() -> None:
    found = read(environ={"LAMPLIGHTER_POSTGRES_PASSWORD": "a@b:c/d %"})

    holders = {name for service in found.values() for name, value in environment(service).items() if "a@b" in value}
    assert holders == {"PGPASSWORD", "POSTGRES_PASSWORD"}


def test_syntax_is_what_older_engines_know() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.yaml"))

    assert not re.search(r"start_interval|ulimits|oom_score_adj|^include:|^version:", text, flags=re.MULTILINE)
