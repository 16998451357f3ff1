"""Values that Kubernetes chooses from a list: its schemas take any word, its server does not."""

import re
from collections.abc import Iterator

from .documents import Manifests, Value, fields

PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
WORDS: dict[str, frozenset[str]] = {
    "protocol": PROTOCOLS,
    "policyTypes": frozenset({"Ingress", "Egress"}),
    "restartPolicy": frozenset({"Always", "OnFailure", "Never"}),
    "imagePullPolicy": frozenset({"Always", "IfNotPresent", "Never"}),
    "dnsPolicy": frozenset({"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"}),
    "externalTrafficPolicy": frozenset({"Cluster", "Local"}),
    "internalTrafficPolicy": frozenset({"Cluster", "Local"}),
    "sessionAffinity": frozenset({"ClientIP", "None"}),
    "whenUnsatisfiable": frozenset({"DoNotSchedule", "ScheduleAnyway"}),
    "nodeTaintsPolicy": frozenset({"Honor", "Ignore"}),
    "podManagementPolicy": frozenset({"OrderedReady", "Parallel"}),
    "unhealthyPodEvictionPolicy": frozenset({"AlwaysAllow", "IfHealthyBudget"}),
    "selectPolicy": frozenset({"Max", "Min", "Disabled"}),
    "operator": frozenset({"In", "NotIn", "Exists", "DoesNotExist"}),
    "scheme": frozenset({"HTTP", "HTTPS"}),
    "strategy.type": frozenset({"RollingUpdate", "Recreate"}),
    "updateStrategy.type": frozenset({"RollingUpdate", "OnDelete"}),
    "seccompProfile.type": frozenset({"RuntimeDefault", "Localhost", "Unconfined"}),
    "target.type": frozenset({"Utilization", "AverageValue", "Value"}),
    "metrics.type": frozenset({"Resource", "ContainerResource", "Pods", "Object", "External"}),
    "policies.type": frozenset({"Pods", "Percent"}),
    "Service.spec.type": frozenset({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}),
    "triggers.type": frozenset({"prometheus"}),
}
"""The last names of a path, and what may stand there."""
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_QUANTITIES = frozenset({"requests", "limits"})


def check_enums(manifests: Manifests) -> Iterator[str]:
    """Say where a word stands that Kubernetes does not know there, and what is no quantity."""
    for document in manifests.documents:
        for path, value in leaves(document.content, (document.kind,)):
            allowed = _allowed(path)
            if allowed is not None and str(value) not in allowed:
                yield f"{document}: {'.'.join(path)}: {value} is none of {', '.join(sorted(allowed))}"
            if path[-2] in _QUANTITIES and not _QUANTITY.fullmatch(str(value)):
                yield f"{document}: {'.'.join(path)}: {value} is no quantity"


def _allowed(path: tuple[str, ...]) -> frozenset[str] | None:
    for length in (1, 2, 3):
        if (found := WORDS.get(".".join(path[-length:]))) is not None:
            return found
    if path[-1] == "type" and path[0] not in ("Secret",) and path[1] == "spec":
        # Whatever has a type has a line above.
        return frozenset()
    return None


def leaves(value: Value, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Value]]:
    """Yield every plain value with the names above it; members of a list bear the list's name."""
    if isinstance(value, dict):
        for name, one in fields(value).items():
            yield from leaves(one, (*path, name))
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, path)
    else:
        yield path, value
