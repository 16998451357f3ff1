"""Whether what one document says of another is so."""

from collections.abc import Iterator

from .documents import Document, Manifests, Pod, at, fields, items, labels, selects
from .starting import port_number

OUTSIDE: tuple[dict[str, str], ...] = (
    {"app.kubernetes.io/name": "nats"},
    {"cnpg.io/cluster": "lamplighter-postgres"},
)
"""Labels of pods that others make: the chart of NATS and CloudNativePG."""
_CLUSTER_WIDE = frozenset({"Namespace"})


def check_references(manifests: Manifests) -> Iterator[str]:
    """Say what points nowhere."""
    yield from _namespaces(manifests)
    for document in manifests.documents:
        match document.kind:
            case "Service":
                yield from _service(document, manifests)
            case "PodDisruptionBudget" | "NetworkPolicy":
                yield from _selector(document, manifests)
            case "HorizontalPodAutoscaler" | "ScaledObject":
                yield from _scaled(document, manifests)
            case "ServiceMonitor":
                yield from _monitor(document, manifests)
    for pod in manifests.pods:
        yield from _pod(pod, manifests)
    yield from _budgets(manifests)


def selected(document: Document, selector: object, manifests: Manifests) -> list[Pod]:
    """Return the pods of a document's namespace that a selector selects."""
    found = fields(selector) if isinstance(selector, dict) else {}
    return [pod for pod in manifests.pods if pod.namespace == document.namespace and selects(found, pod.labels)]


def _namespaces(manifests: Manifests) -> Iterator[str]:
    known = {document.name for document in manifests.of_kind("Namespace")}
    seen = set()
    for document in manifests.documents:
        if document.kind not in _CLUSTER_WIDE and known and document.namespace not in known:
            yield f"{document}: no Namespace {document.namespace or '(none)'}"
        identity = (document.kind, document.namespace, document.name)
        if identity in seen:
            yield f"{document}: there are two"
        seen.add(identity)


def _service(service: Document, manifests: Manifests) -> Iterator[str]:
    pods = selected(service, {"matchLabels": service.at("spec.selector")}, manifests)
    if not pods:
        yield f"{service}: selects no pod"
    for port in items(service.at("spec.ports")):
        for pod in pods:
            target = str(port.get("targetPort", port["port"]))
            if port_number(pod, target) is None:
                yield f"{service}: {pod} has no port {target}"
            elif (found := pod.ports().get(target)) and found.get("protocol", "TCP") != port.get("protocol", "TCP"):
                yield f"{service}: port {target} of {pod} is not {port.get('protocol', 'TCP')}"


def _selector(document: Document, manifests: Manifests) -> Iterator[str]:
    selector = document.at("spec.selector" if document.kind == "PodDisruptionBudget" else "spec.podSelector")
    outside = any(selects(selector, found) for found in OUTSIDE)
    if not selected(document, selector, manifests) and not outside:
        yield f"{document}: selects no pod"
    if document.kind == "NetworkPolicy":
        yield from _policy_ports(document, selected(document, selector, manifests))


def _policy_ports(policy: Document, pods: list[Pod]) -> Iterator[str]:
    for rule in items(policy.at("spec.ingress")):
        for port in items(rule.get("ports")):
            name = str(port["port"])
            for pod in pods:
                known = pod.ports() if not name.isdecimal() else {}
                if not name.isdecimal() and name not in known and pod.workload.kind != "Job":
                    yield f"{policy}: {pod} has no port {name}"


def _scaled(document: Document, manifests: Manifests) -> Iterator[str]:
    kind, name = (str(document.at(f"spec.scaleTargetRef.{field}")) for field in ("kind", "name"))
    target = manifests.find(kind, name, document.namespace)
    if target is None:
        yield f"{document}: no {kind} {name} in {document.namespace}"
    elif target.at("spec.replicas") is not None:
        yield f"{target}: each apply undoes what {document} did"
    rivals = [
        other
        for other in manifests.of_kind("HorizontalPodAutoscaler", "ScaledObject")
        if other is not document and other.at("spec.scaleTargetRef") == document.at("spec.scaleTargetRef")
    ]
    yield from (f"{document}: {other} scales {kind} {name}, too" for other in rivals)


def _monitor(monitor: Document, manifests: Manifests) -> Iterator[str]:
    found = [one for one in manifests.of_kind("Service") if selects(monitor.at("spec.selector"), one.labels)]
    ports = {str(port["name"]) for service in found for port in items(service.at("spec.ports"))}
    for endpoint in items(monitor.at("spec.endpoints")):
        if endpoint["port"] not in ports:
            yield f"{monitor}: no Service has a port {endpoint['port']}"
    with_http = {one.labels.get("app.kubernetes.io/name") for one in found}
    for pod in manifests.pods:
        if pod.workload.kind != "Job" and pod.labels.get("app.kubernetes.io/name") not in with_http:
            yield f"{monitor}: does not see {pod}"


def _pod(pod: Pod, manifests: Manifests) -> Iterator[str]:
    selector = pod.workload.at("spec.selector")
    if pod.workload.kind != "Job" and not (selector and selects(selector, pod.labels)):
        yield f"{pod}: does not select its own pods"
    account = str(pod.spec.get("serviceAccountName"))
    if manifests.find("ServiceAccount", account, pod.namespace) is None:
        yield f"{pod}: no ServiceAccount {account} in {pod.namespace}"
    for constraint in items(pod.spec.get("topologySpreadConstraints")):
        if not selects(constraint.get("labelSelector"), pod.labels):
            yield f"{pod}: spreads other pods than its own"
    others = (
        [one for one in manifests.pods if one.workload is not pod.workload and selects(selector, one.labels)]
        if selector
        else []
    )
    yield from (f"{pod}: selects the pods of {other}, too" for other in others if other.namespace == pod.namespace)
    headless = at(pod.workload.content, "spec.serviceName")
    if headless is not None and manifests.find("Service", str(headless), pod.namespace) is None:
        yield f"{pod}: no Service {headless}"


def _budgets(manifests: Manifests) -> Iterator[str]:
    budgets = list(manifests.of_kind("PodDisruptionBudget"))
    for pod in manifests.pods:
        if pod.workload.kind == "Job" or not budgets:
            continue
        found = [one for one in budgets if pod in selected(one, one.at("spec.selector"), manifests)]
        if len(found) != 1:
            yield f"{pod}: {len(found)} PodDisruptionBudgets, not one"
        if labels(pod.workload.at("spec.selector.matchLabels")) != labels(
            found[0].at("spec.selector.matchLabels") if found else None
        ):
            yield f"{pod}: its PodDisruptionBudget selects by other labels"
