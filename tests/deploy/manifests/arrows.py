"""Who may speak to whom, as the NetworkPolicies have it: that has to be the data path and nothing else."""

from collections.abc import Iterator

from .documents import NAME, Document, Fields, Manifests, Pod, at, items, labels, selects, words

ANYWHERE = "anywhere"
_OTHERS = {
    "nats": {NAME: "nats"},
    "postgres": {"cnpg.io/cluster": "lamplighter-postgres"},
    "dns": {"k8s-app": "kube-dns"},
}

OUT: dict[str, set[str]] = {
    "sip-edge": {"dns 53", "nats 4222", "anywhere 1024-65535"},
    "presence-core": {"dns 53", "nats 4222", "postgres 5432", "presence-core http"},
    "notifier": {"dns 53", "nats 4222"},
    "migrate": {"dns 53", "postgres 5432"},
    "xcap-sync": {"dns 53", "nats 4222", "postgres 5432"},
}
"""Where each may go, with the port."""
OUT_TO_XCAP = {"anywhere 443", "anywhere 80"}
"""Where xcap-sync goes besides, if it fetches documents."""
IN: dict[str, set[str]] = {
    "sip-edge": {"monitoring http", "anywhere sip-udp", "anywhere sip-tcp"},
    "presence-core": {"monitoring http", "presence-core http", "operator http"},
    "notifier": {"monitoring http"},
    "migrate": {"monitoring http"},
    "xcap-sync": {"monitoring http", "xcap-server http"},
}
"""Who may come to each. (Nobody answers for the migration: it has no such port.)"""


def check_arrows(manifests: Manifests) -> Iterator[str]:
    """Say which arrow is missing and which is too many."""
    policies = list(manifests.of_kind("NetworkPolicy"))
    for pod in manifests.pods:
        # Nothing of a NetworkPolicy goes for the network of a host.
        if pod.spec.get("hostNetwork"):
            continue
        name = pod.labels[NAME]
        mine = [one for one in policies if _is_for(one, pod)]
        if not any(_denies(one) for one in mine):
            yield f"{pod}: what is not allowed is not denied"
        yield from _compare(pod, "to", _arrows(mine, "egress", "to", manifests), _out(pod, manifests))
        yield from _compare(pod, "from", _arrows(mine, "ingress", "from", manifests), IN[name])


def _out(pod: Pod, manifests: Manifests) -> set[str]:
    name = pod.labels[NAME]
    fetches = any(labels(one.at("data")).get("XCAP_SYNC_MODE") == "client" for one in manifests.of_kind("ConfigMap"))
    return OUT[name] | (OUT_TO_XCAP if name == "xcap-sync" and fetches else set())


def _compare(pod: Pod, way: str, found: set[str], wanted: set[str]) -> Iterator[str]:
    yield from (f"{pod}: may not speak {way} {arrow}" for arrow in sorted(wanted - found))
    yield from (f"{pod}: may speak {way} {arrow}" for arrow in sorted(found - wanted))


def _denies(policy: Document) -> bool:
    both = set(words(policy.at("spec.policyTypes"))) == {"Ingress", "Egress"}
    return both and not policy.at("spec.ingress") and not policy.at("spec.egress")


def _is_for(policy: Document, pod: Pod) -> bool:
    return policy.namespace == pod.namespace and selects(policy.at("spec.podSelector"), pod.labels)


def _arrows(policies: list[Document], way: str, peers: str, manifests: Manifests) -> set[str]:
    found = set()
    for policy in policies:
        for rule in items(policy.at(f"spec.{way}")):
            for port in items(rule.get("ports")) or [{"port": "any"}]:
                last = f"-{port['endPort']}" if "endPort" in port else ""
                for peer in _peers(items(rule.get(peers)), manifests):
                    found.add(f"{peer} {port['port']}{last}")
    return found


def _peers(peers: list[Fields], manifests: Manifests) -> Iterator[str]:
    if not peers:
        yield ANYWHERE
    for peer in peers:
        cidr = str(at(peer, "ipBlock.cidr") or "")
        if cidr == "169.254.20.10/32":
            yield "dns"
        elif cidr:
            yield ANYWHERE if cidr.endswith("/0") else cidr
        else:
            yield from _selected(peer, manifests)


def _selected(peer: Fields, manifests: Manifests) -> Iterator[str]:
    selector = peer.get("podSelector")
    if selector is None:
        yield labels(at(peer, "namespaceSelector.matchLabels")).get("kubernetes.io/metadata.name", "every namespace")
        return
    known = {pod.labels[NAME]: pod.labels for pod in manifests.pods} | _OTHERS
    found = [name for name, them in known.items() if selects(selector, them)]
    outside = [name.rpartition("/")[2] for name in labels(at(selector, "matchLabels"))]
    yield from found or outside or ["every pod"]
