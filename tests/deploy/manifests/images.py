"""Whether images and ports are those of the Dockerfile."""

import re
from collections.abc import Iterator

from .documents import Fields, Manifests, Pod, items, words
from .rendering import ROOT
from .services import service_of

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
_IMAGE = re.compile(r"(?P<registry>[a-z0-9.-]+(:\d+)?/)?lamplighter/[a-z-]+:(?P<tag>[\w.-]+)")


def targets() -> dict[str, set[str]]:
    """Return the last stages of the Dockerfile with the ports that they expose, such as `5060/udp`."""
    found: dict[str, set[str]] = {}
    stage = ""
    for line in DOCKERFILE.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.split()[-1]
        elif word == "EXPOSE":
            found.setdefault(stage, set()).update(rest.split())
    return found


def check_images(manifests: Manifests) -> Iterator[str]:
    """Say which image or port no target of the Dockerfile has."""
    known = targets()
    for pod in manifests.pods:
        for container in pod.containers:
            image = str(container["image"])
            matched = _IMAGE.fullmatch(image)
            if matched is None or service_of(container) not in known:
                yield f"{pod}: {image} is no image of ours"
                continue
            if matched["tag"] == "latest":
                yield f"{pod}: {image}: nobody knows which that is"
            yield from _ports(pod, container, known[service_of(container)])


def _ports(pod: Pod, container: Fields, known: set[str]) -> Iterator[str]:
    found = {
        f"{port['containerPort']}/{str(port.get('protocol', 'TCP')).lower()}" for port in items(container.get("ports"))
    }
    if pod.workload.kind != "Job" and found != known:
        yield f"{pod}: ports {sorted(found)}, the image has {sorted(known)}"
    if pod.workload.kind == "Job" and words(container.get("args")) != ["migrate"]:
        yield f"{pod}: is not the migration"
