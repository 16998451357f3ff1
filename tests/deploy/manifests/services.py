"""The services as they would start with what a container is given."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from fastapi import FastAPI

import notifier.service
import sip_edge.service
import xcap_sync.service
from lamplighter_runtime.settings import ServiceSettings
from notifier.settings import Settings as NotifierSettings
from presence_core.service import PresenceCore
from presence_core.settings import Settings as CoreSettings
from sip_edge.settings import Settings as EdgeSettings
from xcap_sync.settings import Settings as XcapSettings

from .documents import Document, Fields, Manifests, Pod, at, fields, items


class Service(Protocol):
    """What is known of a service before it runs."""

    @property
    def settings(self) -> ServiceSettings:
        """Return its settings."""

    @property
    def app(self) -> FastAPI:
        """Return its HTTP endpoint."""


BUILD: dict[str, Callable[[Mapping[str, str]], Service]] = {
    "sip-edge": sip_edge.service.build,
    "presence-core": PresenceCore,
    "notifier": notifier.service.build,
    "xcap-sync": xcap_sync.service.build,
}
SETTINGS: dict[str, type[ServiceSettings]] = {
    "sip-edge": EdgeSettings,
    "presence-core": CoreSettings,
    "notifier": NotifierSettings,
    "xcap-sync": XcapSettings,
}
SECRETS = {"uri": "postgresql://somebody:secret@database/lamplighter", "auth": "basic"}
"""What keys of Secrets might hold, where it is not just any word."""
FIELDS = {"status.podIP": "192.0.2.10", "status.hostIP": "192.0.2.20"}


class Missing(Exception):
    """What a container refers to and is not there."""


def service_of(container: Fields) -> str:
    """Return the service whose image a container runs."""
    return str(container["image"]).rpartition("/")[2].partition(":")[0]


def environment(pod: Pod, container: Fields, manifests: Manifests) -> dict[str, str]:
    """Return the variables that a container finds; Missing names what it refers to in vain."""
    found: dict[str, str] = {}
    for source in items(container.get("envFrom")):
        found |= _config(str(at(source, "configMapRef.name")), pod, manifests)
    for variable in items(container.get("env")):
        value = _value(variable)
        found[str(variable["name"])] = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), value)
    return found | {"HOSTNAME": f"{pod.workload.name}-0"}


def _config(name: str, pod: Pod, manifests: Manifests) -> dict[str, str]:
    config: Document | None = manifests.find("ConfigMap", name, pod.namespace)
    if config is None:
        raise Missing(f"{pod}: no ConfigMap {name} in {pod.namespace}")
    return {key: str(value) for key, value in fields(config.at("data")).items()}


def _value(variable: Fields) -> str:
    if "value" in variable:
        return str(variable["value"])
    if secret := fields(at(variable, "valueFrom.secretKeyRef")):
        return SECRETS.get(str(secret["key"]), "of-a-secret")
    return FIELDS.get(str(at(variable, "valueFrom.fieldRef.fieldPath")), "of-a-field")


def built(pod: Pod, container: Fields, manifests: Manifests) -> Service:
    """Return the service of a container as it would start; SettingsError, or Missing, says why it would not."""
    return BUILD[service_of(container)](environment(pod, container, manifests))


def paths(service: Service) -> set[str]:
    """Return the paths that a service answers."""
    return {path for route in service.app.routes if isinstance(path := getattr(route, "path", None), str)}


def ours(manifests: Manifests) -> Iterator[tuple[Pod, Fields]]:
    """Yield every container that runs one of our images."""
    for pod in manifests.pods:
        for container in pod.containers:
            if service_of(container) in BUILD:
                yield pod, container
