import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lamplighter_cli.address import Address
from lamplighter_cli.options import Options, Policy, Store, Xcap, problems
from lamplighter_cli.plan import SERVICES, Wiring, http_addresses, plan, replicas, sip_addresses
from lamplighter_cli.processes import Spec
from lamplighter_runtime.settings import EnvSettings
from notifier.settings import Settings as NotifierSettings
from presence_core.settings import Settings as CoreSettings
from sip_edge.settings import Settings as EdgeSettings
from xcap_sync.settings import Settings as XcapSettings

OPTIONS = Options(sip=Address("127.0.0.1", 5060), http=Address("127.0.0.1", 8080), data=Path("/data"))
WIRING = Wiring(
    nats_url="nats://t1@127.0.0.1:4222", postgres_dsn="postgresql://x", outward="192.0.2.1", replica_ports=()
)


def planned(options: Options = OPTIONS, wiring: Wiring = WIRING, **environ: str) -> dict[str, Spec]:
    return {spec.name: spec for spec in plan(options, wiring, environ)}


def test_plan_by_default_has_one_process_of_each_service() -> None:
    specs = planned()

    assert {name: spec.command for name, spec in specs.items()} == {
        "core-1": (sys.executable, "-m", "presence_core"),
        "notifier-1": (sys.executable, "-m", "notifier"),
        "xcap-1": (sys.executable, "-m", "xcap_sync"),
        "edge-1": (sys.executable, "-m", "sip_edge"),
    }


def test_plan_of_first_instances_has_the_ports_from_http_on() -> None:
    specs = planned()

    assert {name: spec.http.rpartition(":")[2] for name, spec in specs.items()} == {
        "core-1": "8080",
        "edge-1": "8081",
        "notifier-1": "8082",
        "xcap-1": "8083",
    }


@pytest.mark.parametrize(
    ("name", "settings"),
    [("core-1", CoreSettings), ("notifier-1", NotifierSettings), ("xcap-1", XcapSettings), ("edge-1", EdgeSettings)],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_plan_makes_environments_that_the_services_accept(name: str, settings: type[EnvSettings], host: str) -> None:
    options = replace(OPTIONS, sip=Address(host, 5060), http=Address(host, 8080))

    loaded = settings.load(planned(options)[name].environment).model_dump()

    assert loaded["instance"] == name
    assert loaded["http_host"] == host
    assert loaded["nats_url"] == WIRING.nats_url


def test_plan_tells_the_core_of_database_and_policies() -> None:
    environment = planned()["core-1"].environment

    assert environment["PRESENCE_CORE_POSTGRES_DSN"] == "postgresql://x"
    assert environment["PRESENCE_CORE_POLICY"] == "open"
    assert environment["PRESENCE_CORE_XCAP"] == "none"
    assert environment["PRESENCE_CORE_STORE"] == "write-through"


def test_plan_of_rules_that_are_fetched_tells_core_and_xcap_sync_alike() -> None:
    roots = ("http://a.example/xcap-root", "https://b.example:8443/")

    specs = planned(replace(OPTIONS, policy=Policy.RULES, xcap=Xcap.CLIENT, xcap_roots=roots, store=Store.WRITE_BEHIND))
    core = CoreSettings.load(specs["core-1"].environment)
    xcap = XcapSettings.load(specs["xcap-1"].environment)

    assert (core.policy, core.xcap, core.store) == ("rules", "client", "write-behind")
    assert (xcap.mode, xcap.roots, xcap.postgres_dsn) == ("client", roots, core.postgres_dsn)


def test_plan_tells_the_edge_where_to_listen_and_to_register() -> None:
    environment = planned()["edge-1"].environment

    assert environment["SIP_EDGE_LISTEN"] == "127.0.0.1:5060"
    assert environment["SIP_EDGE_REGISTRAR"] == "true"
    assert "SIP_EDGE_ADVERTISE" not in environment


def test_plan_for_every_interface_advertises_an_address_that_others_reach() -> None:
    options = replace(OPTIONS, sip=Address("0.0.0.0", 5060), http=Address("0.0.0.0", 8080))

    specs = planned(options)

    assert specs["edge-1"].environment["SIP_EDGE_ADVERTISE"] == "192.0.2.1:5060"
    assert specs["edge-1"].environment["SIP_EDGE_HTTP_URL"] == "http://192.0.2.1:8081"
    assert specs["edge-1"].http == "http://127.0.0.1:8081"


def test_plan_with_replicas_gives_each_its_own_name_and_ports() -> None:
    options = replace(OPTIONS, edges=2, cores=2, notifiers=2)
    wiring = replace(WIRING, replica_ports=(9001, 9002, 9003))

    specs = planned(options, wiring)

    assert replicas(options) == 3
    assert sorted(specs) == ["core-1", "core-2", "edge-1", "edge-2", "notifier-1", "notifier-2", "xcap-1"]
    assert sorted(specs[name].http.rpartition(":")[2] for name in ("core-2", "edge-2", "notifier-2")) == [
        "9001",
        "9002",
        "9003",
    ]
    assert specs["edge-2"].environment["SIP_EDGE_LISTEN"] == "127.0.0.1:5070"
    assert list(map(str, sip_addresses(options))) == ["127.0.0.1:5060", "127.0.0.1:5070"]


def test_plan_keeps_settings_of_the_environment_but_not_against_the_command_line() -> None:
    environment = planned(SIP_EDGE_MAX_PENDING="7", SIP_EDGE_INSTANCE="other", PATH="/bin")["edge-1"].environment

    assert environment["SIP_EDGE_MAX_PENDING"] == "7"
    assert environment["SIP_EDGE_INSTANCE"] == "edge-1"
    assert environment["PATH"] == "/bin"


def test_plan_at_the_end_of_the_ports_is_refused() -> None:
    options = replace(OPTIONS, http=Address("127.0.0.1", 65534))

    with pytest.raises(ValueError, match="65536"):
        http_addresses(options)


def test_plan_stops_who_feeds_the_others_first() -> None:
    tiers = {service.stem: service.tier for service in SERVICES}

    assert sorted(tiers, key=tiers.__getitem__) == ["edge", "notifier", "core", "xcap"]


FETCHED = replace(OPTIONS, xcap=Xcap.CLIENT, xcap_roots=("http://xcap.example/root",))


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        FETCHED,
        replace(FETCHED, policy=Policy.RULES, xcap_roots=("http://[::1]:8000/", "https://xcap.example")),
        replace(OPTIONS, xcap=Xcap.INTEGRATED),
        replace(OPTIONS, policy=Policy.RULES, xcap=Xcap.INTEGRATED, store=Store.WRITE_BEHIND),
        replace(OPTIONS, store=Store.DATABASE, cores=2),
    ],
)
def test_options_that_fit_have_no_problems(options: Options) -> None:
    assert list(problems(options)) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (replace(OPTIONS, policy=Policy.RULES), "--policy rules needs --xcap integrated"),
        (replace(OPTIONS, xcap=Xcap.CLIENT), "--xcap client needs --xcap-root"),
        (replace(FETCHED, xcap=Xcap.NONE), "--xcap-root needs --xcap client, not none"),
        (replace(FETCHED, xcap=Xcap.INTEGRATED), "--xcap-root needs --xcap client, not integrated"),
        (replace(FETCHED, xcap_roots=("ftp://xcap.example/",)), "no http or https URL"),
        (replace(FETCHED, xcap_roots=("xcap.example",)), "no http or https URL"),
        (replace(FETCHED, xcap_roots=("http://xcap.example:port/",)), "no URL"),
        (replace(FETCHED, xcap_roots=("http://xcap.example/a,b",)), "comma"),
    ],
)
def test_options_that_do_not_fit_are_named(options: Options, said: str) -> None:
    (problem,) = problems(options)

    assert said in problem
