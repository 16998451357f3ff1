"""The level `restricted` of the Pod Security Standards, and what goes further: no tokens, nothing to write to."""

from collections.abc import Iterator

from .documents import Fields, Manifests, Pod, at, fields, items, words

_LEVEL = "pod-security.kubernetes.io/enforce"
_VOLUMES = frozenset({"name", "configMap", "emptyDir", "projected", "secret", "csi", "downwardAPI", "ephemeral"})
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def check_security(manifests: Manifests) -> Iterator[str]:
    """Say which pod may do more than it must."""
    levels = {one.name: one.labels.get(_LEVEL) for one in manifests.of_kind("Namespace")}
    for name, level in levels.items():
        if level not in ("restricted", "baseline", "privileged"):
            yield f"Namespace/{name}: no level of Pod Security"
    for pod in manifests.pods:
        level = levels.get(pod.namespace)
        if pod.spec.get("hostNetwork"):
            yield from _on_host(pod, level, manifests)
        elif level != "restricted":
            yield f"{pod}: its namespace does not enforce restricted"
        yield from _pod(pod)
        for container in [*pod.containers, *items(pod.spec.get("initContainers"))]:
            yield from _container(pod, container)
    for account in manifests.of_kind("ServiceAccount"):
        if account.content.get("automountServiceAccountToken") is not False:
            yield f"{account}: its token is mounted"


def _on_host(pod: Pod, level: str | None, manifests: Manifests) -> Iterator[str]:
    if level != "privileged":
        yield f"{pod}: {level} forbids the network of the host"
    for other in manifests.pods:
        if other.namespace == pod.namespace and not other.spec.get("hostNetwork"):
            yield f"{other}: shares a namespace with {pod}, which has no level"
    if pod.spec.get("dnsPolicy") != "ClusterFirstWithHostNet":
        yield f"{pod}: finds no Service by its name"
    for port in pod.ports().values():
        if port.get("hostPort") != port["containerPort"]:
            yield f"{pod}: port {port['containerPort']} is not one of the host"


def _pod(pod: Pod) -> Iterator[str]:
    spec = pod.spec
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{pod}: has a token"
    if spec.get("enableServiceLinks") is not False:
        yield f"{pod}: has variables for each Service"
    for name in _HOST[1:]:
        if spec.get(name):
            yield f"{pod}: {name}"
    if at(spec, "securityContext.runAsNonRoot") is not True:
        yield f"{pod}: may be root"
    if at(spec, "securityContext.seccompProfile.type") != "RuntimeDefault":
        yield f"{pod}: seccomp is not RuntimeDefault"
    for volume in items(spec.get("volumes")):
        if set(volume) - _VOLUMES:
            yield f"{pod}: volume {volume['name']}"


def _container(pod: Pod, container: Fields) -> Iterator[str]:
    context = fields(container.get("securityContext"))
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{pod}: may become more than it is"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{pod}: can write to its root"
    if words(at(context, "capabilities.drop")) != ["ALL"] or at(context, "capabilities.add"):
        yield f"{pod}: keeps capabilities"
    if context.get("privileged") or context.get("runAsUser") == 0:
        yield f"{pod}: is privileged"
    if context.get("runAsNonRoot") is False or at(context, "seccompProfile.type") == "Unconfined":
        yield f"{pod}: its container takes back what the pod promises"
    for kind in ("requests.cpu", "requests.memory", "limits.memory"):
        if at(container, f"resources.{kind}") is None:
            yield f"{pod}: no {kind}"
