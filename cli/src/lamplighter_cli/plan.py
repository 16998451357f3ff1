"""From the command line to the services that run: names, ports, environments. No I/O."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lamplighter_cli.address import Address
from lamplighter_cli.options import Options
from lamplighter_cli.processes import Spec, Tier

SIP_PORT_STEP = 10
"""Further edges listen so many ports higher each: fixed ports, because watchers' NATs remember them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One of the services: its module, the prefix of its settings, the stem of its instances' names."""

    module: str
    stem: str
    tier: Tier
    http_offset: int
    """Of the first instance's HTTP port from that of `--http`."""

    @property
    def prefix(self) -> str:
        """Return what its variables begin with."""
        return f"{self.module.upper()}_"


CORE = Service(module="presence_core", stem="core", tier=Tier.CORE, http_offset=0)
EDGE = Service(module="sip_edge", stem="edge", tier=Tier.EDGE, http_offset=1)
NOTIFIER = Service(module="notifier", stem="notifier", tier=Tier.NOTIFIER, http_offset=2)
XCAP = Service(module="xcap_sync", stem="xcap", tier=Tier.XCAP, http_offset=3)
SERVICES = (CORE, NOTIFIER, XCAP, EDGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the services share, found out at start; `outward` is how other machines name a wildcard address."""

    nats_url: str
    postgres_dsn: str
    outward: str
    replica_ports: tuple[int, ...]
    """Free ports for the HTTP endpoints of all but the first instances."""


def count(options: Options, service: Service) -> int:
    """Return how many instances of a service run."""
    return {CORE: options.cores, EDGE: options.edges, NOTIFIER: options.notifiers}.get(service, 1)


def replicas(options: Options) -> int:
    """Return how many instances are not the first of their service."""
    return sum(count(options, service) - 1 for service in SERVICES)


def sip_addresses(options: Options) -> list[Address]:
    """Return where the edges listen; ValueError when the ports end before them."""
    return [options.sip.shifted(SIP_PORT_STEP * number) for number in range(options.edges)]


def http_addresses(options: Options) -> list[Address]:
    """Return where the first instances answer HTTP; ValueError when the ports end before them."""
    return [options.http.shifted(service.http_offset) for service in SERVICES]


def plan(options: Options, wiring: Wiring, environ: Mapping[str, str]) -> list[Spec]:
    """Return the services in the order of starting; `environ` may hold further settings of theirs."""
    spare = iter(wiring.replica_ports)
    return [
        _spec(options, wiring, service, number, spare, environ)
        for service in SERVICES
        for number in range(1, count(options, service) + 1)
    ]


def _spec(
    options: Options, wiring: Wiring, service: Service, number: int, spare: Iterator[int], environ: Mapping[str, str]
) -> Spec:
    http = options.http.shifted(service.http_offset) if number == 1 else options.http._replace(port=next(spare))
    name = f"{service.stem}-{number}"
    settings = {
        "INSTANCE": name,
        "NATS_URL": wiring.nats_url,
        "HTTP_HOST": http.host,
        "HTTP_PORT": str(http.port),
        "LOG_FORMAT": "json",
    }
    if http.is_wildcard:
        settings["HTTP_URL"] = f"http://{Address(wiring.outward, http.port)}"
    settings |= _own_settings(options, wiring, service, number)
    return Spec(
        name=name,
        tier=service.tier,
        command=(sys.executable, "-m", service.module),
        environment=dict(environ) | {service.prefix + key: value for key, value in settings.items()},
        http=f"http://{http.reachable}",
    )


def _own_settings(options: Options, wiring: Wiring, service: Service, number: int) -> dict[str, str]:
    if service is CORE:
        return {
            "POSTGRES_DSN": wiring.postgres_dsn,
            "POLICY": options.policy.value,
            "XCAP": options.xcap.value,
            "STORE": options.store.value,
        }
    if service is XCAP:
        return {
            "POSTGRES_DSN": wiring.postgres_dsn,
            "MODE": options.xcap.value,
            "ROOTS": ",".join(options.xcap_roots),
        }
    if service is EDGE:
        listen = sip_addresses(options)[number - 1]
        advertise = {"ADVERTISE": str(listen._replace(host=wiring.outward))} if listen.is_wildcard else {}
        return {"LISTEN": str(listen), "REGISTRAR": "true"} | advertise
    return {}
