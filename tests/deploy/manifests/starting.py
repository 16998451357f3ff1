"""Whether the services would start with what their containers are given, be asked where they answer, and have time."""

from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from lamplighter_runtime.lifecycle import StartError
from lamplighter_runtime.settings import SettingsError

from .documents import Fields, Manifests, Pod, at, items
from .services import SETTINGS, Missing, Service, built, ours, paths, service_of

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
PASSWORDS = ("POSTGRES_DSN",)
"""Ends of variables that hold a password without being of a type that says so."""


def check_starting(manifests: Manifests) -> Iterator[str]:
    """Say which container's service would not start, and which probe asks in vain."""
    for pod, container in ours(manifests):
        try:
            service = built(pod, container, manifests)
        except (SettingsError, StartError, Missing) as error:
            yield from (f"{pod}: {line}" for line in str(error).splitlines())
            continue
        yield from _time(pod, container, service)
        if pod.workload.kind != "Job":
            yield from _probes(pod, container, service)
            yield from _annotations(pod, service)


def _probes(pod: Pod, container: Fields, service: Service) -> Iterator[str]:
    wanted = dict(zip(PROBES, ("/livez", "/livez", "/readyz"), strict=True))
    for name, path in wanted.items():
        asked, port = at(container, f"{name}.httpGet.path"), at(container, f"{name}.httpGet.port")
        if asked not in paths(service):
            yield f"{pod}: {name}: {service_of(container)} does not answer {asked}"
        elif asked != path:
            yield f"{pod}: {name}: asks {asked}, not {path}"
        if (number := port_number(pod, str(port))) != service.settings.http_port:
            yield f"{pod}: {name}: port {port} is {number}, HTTP is at {service.settings.http_port}"


def _annotations(pod: Pod, service: Service) -> Iterator[str]:
    found = pod.annotations
    if "prometheus.io/scrape" not in found:
        return
    if found.get("prometheus.io/port") != str(service.settings.http_port):
        yield f"{pod}: prometheus.io/port is not {service.settings.http_port}"
    if found.get("prometheus.io/path") not in paths(service):
        yield f"{pod}: prometheus.io/path: nobody answers {found.get('prometheus.io/path')}"


def _time(pod: Pod, container: Fields, service: Service) -> Iterator[str]:
    pause = int(str(at(container, "lifecycle.preStop.sleep.seconds") or 0))
    grace = int(str(pod.spec.get("terminationGracePeriodSeconds", 30)))
    if grace < pause + service.settings.stop_seconds + 5:
        yield f"{pod}: {grace} s to stop, but needs {pause} + {service.settings.stop_seconds:g} and 5 to spare"


def port_number(pod: Pod, name: str) -> int | None:
    """Return the port of a container by name or number, None when it has none."""
    if name.isdecimal():
        return int(name)
    port = pod.ports().get(name)
    return int(str(port["containerPort"])) if port else None


def check_variables(manifests: Manifests) -> Iterator[str]:
    """Say which variable belongs to no service, or to another than that of its container."""
    for pod, container in ours(manifests):
        known = {name for name, _ in SETTINGS[service_of(container)].variables()}
        for variable in items(container.get("env")):
            name = str(variable["name"])
            if name not in known and f"$({name})" not in str(container["env"]):
                yield f"{pod}: {name}: {service_of(container)} does not know it, and nothing is made of it"
    for config in manifests.of_kind("ConfigMap"):
        service = config.name.rpartition("-")[0]
        if service not in SETTINGS:
            yield f"{config}: is for no service"
            continue
        known = {name for name, _ in SETTINGS[service].variables()}
        data = config.at("data")
        names = data if isinstance(data, Mapping) else {}
        yield from (f"{config}: {name}: {service} does not know it" for name in names if name not in known)


def check_secrets(manifests: Manifests) -> Iterator[str]:
    """Say which password is written down."""
    secret = {name for settings in SETTINGS.values() for name in _secret(settings)}
    for config in manifests.of_kind("ConfigMap"):
        data = config.at("data")
        names = data if isinstance(data, Mapping) else {}
        yield from (f"{config}: {name} belongs into a Secret" for name in names if is_secret(name, secret))
    for pod, container in ours(manifests):
        for variable in items(container.get("env")):
            if "value" in variable and is_secret(str(variable["name"]), secret):
                yield f"{pod}: {variable['name']} belongs into a Secret"
    yield from (f"{document}: Secrets are not written down here" for document in manifests.of_kind("Secret"))


def is_secret(variable: str, secret: set[str]) -> bool:
    """Return whether a variable may hold a password."""
    return variable in secret or variable.endswith(PASSWORDS)


def _secret(settings: type) -> Iterator[str]:
    for name, info in settings.model_fields.items():  # type: ignore[attr-defined]
        if info.annotation is SecretStr:
            yield f"{settings.env_prefix}{name.upper()}"  # type: ignore[attr-defined]
