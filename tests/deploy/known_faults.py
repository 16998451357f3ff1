"""The faults that every check of the manifests is seen to tell."""

from .faults import ON_HOST, Fault
from .manifests.arrows import check_arrows
from .manifests.checks import Check
from .manifests.enums import check_enums
from .manifests.images import check_images
from .manifests.metrics import check_metrics
from .manifests.references import check_references
from .manifests.schemas import check_schemas
from .manifests.security import check_security
from .manifests.starting import check_secrets, check_starting, check_variables

POD = "spec/template/spec"
CONTAINER = f"{POD}/containers/0"
CORE, NOTIFIER, EDGE = "Deployment/presence-core", "Deployment/notifier", "StatefulSet/sip-edge"

FAULTS: dict[Check, list[Fault]] = {
    check_schemas: [
        Fault(document=CORE, path="spec/minReadySecond", value=5, told="Additional properties are not allowed"),
        Fault(document=CORE, path="spec/minReadySeconds", value="soon", told="'soon' is not"),
        Fault(document=CORE, path=f"{CONTAINER}/name", value=None, told="'name' is a required property"),
        Fault(document=CORE, path="apiVersion", value="apps/v2", told="has no Deployment of apps/v2"),
        Fault(document=CORE, path="kind", value="Deploiment", told="has no Deploiment of apps/v1"),
        Fault(
            document="ServiceMonitor/lamplighter",
            path="spec/endpoints/0/intervall",
            value="15s",
            told="Additional properties are not allowed",
            overlay=ON_HOST,
        ),
        Fault(
            document="PrometheusRule/lamplighter",
            path="spec/groups/0/rules/0/expr",
            value=None,
            told="'expr' is a required property",
            overlay=ON_HOST,
        ),
    ],
    check_enums: [
        Fault(document="Service/sip-edge", path="spec/ports/0/protocol", value="UDPX", told="UDPX is none of"),
        Fault(document="Service/sip-edge", path="spec/type", value="Loadbalancer", told="Loadbalancer is none of"),
        Fault(document="Service/sip-edge", path="spec/externalTrafficPolicy", value="Here", told="Here is none of"),
        Fault(document="NetworkPolicy/deny", path="spec/policyTypes/0", value="ingress", told="ingress is none of"),
        Fault(document=CORE, path="spec/strategy/type", value="Rolling", told="Rolling is none of"),
        Fault(
            document=CORE,
            path=f"{POD}/topologySpreadConstraints/0/whenUnsatisfiable",
            value="Never",
            told="Never is none of",
        ),
        Fault(document="Job/migrate", path=f"{POD}/restartPolicy", value="Sometimes", told="Sometimes is none of"),
        Fault(document=CORE, path=f"{CONTAINER}/resources/requests/cpu", value="500 m", told="500 m is no quantity"),
    ],
    check_variables: [
        Fault(
            document="ConfigMap/presence-core",
            path="data/PRESENCE_CORE_STORES",
            value="database",
            told="presence-core does not know it",
        ),
        Fault(document="ConfigMap/notifier", path="data/LANG", value="C", told="notifier does not know it"),
        Fault(document=CORE, path=f"{CONTAINER}/env/0/name", value="POD", told="nothing is made of it"),
        Fault(document=CORE, path=f"{CONTAINER}/env/1/name", value="NOTIFIER_HTTP_URL", told="does not know it"),
    ],
    check_secrets: [
        Fault(
            document="ConfigMap/presence-core",
            path="data/PRESENCE_CORE_POSTGRES_DSN",
            value="postgresql://somebody:secret@database/lamplighter",
            told="PRESENCE_CORE_POSTGRES_DSN belongs into a Secret",
        ),
        Fault(
            document="ConfigMap/xcap-sync",
            path="data/XCAP_SYNC_PASSWORD",
            value="secret",
            told="XCAP_SYNC_PASSWORD belongs into a Secret",
            overlay=ON_HOST,
        ),
        Fault(document="ConfigMap/notifier", path="kind", value="Secret", told="Secrets are not written down"),
    ],
    check_starting: [
        Fault(
            document="ConfigMap/presence-core",
            path="data/PRESENCE_CORE_POLICY",
            value="rules",
            told="policy=rules needs xcap",
        ),
        Fault(
            document="ConfigMap/presence-core",
            path="data/PRESENCE_CORE_LEASE_SECOND",
            value="2",
            told="do you mean PRESENCE_CORE_LEASE_SECONDS?",
        ),
        Fault(document="ConfigMap/sip-edge", path="data/SIP_EDGE_ADVERTISE", value=None, told="advertise: needed"),
        Fault(
            document="ConfigMap/xcap-sync", path="data/XCAP_SYNC_ROOTS", value=None, told="needs roots", overlay=ON_HOST
        ),
        Fault(document="ConfigMap/notifier", path="", value=None, told="no ConfigMap notifier"),
        Fault(
            document=CORE,
            path=f"{CONTAINER}/livenessProbe/httpGet/path",
            value="/healthz",
            told="presence-core does not answer /healthz",
        ),
        Fault(
            document=CORE,
            path=f"{CONTAINER}/readinessProbe/httpGet/path",
            value="/livez",
            told="asks /livez, not /readyz",
        ),
        Fault(document=CORE, path=f"{CONTAINER}/readinessProbe/httpGet/port", value=8081, told="HTTP is at 8080"),
        Fault(document=NOTIFIER, path=f"{CONTAINER}/startupProbe/httpGet/port", value="web", told="port web is None"),
        Fault(document=NOTIFIER, path=f"{CONTAINER}/livenessProbe", value=None, told="does not answer None"),
        Fault(document="ConfigMap/notifier", path="data/NOTIFIER_HTTP_PORT", value="9000", told="HTTP is at 9000"),
        Fault(
            document=CORE,
            path="spec/template/metadata/annotations",
            value={"prometheus.io/scrape": "true", "prometheus.io/port": "8081", "prometheus.io/path": "/metrics"},
            told="prometheus.io/port is not 8080",
        ),
        Fault(document=CORE, path=f"{POD}/terminationGracePeriodSeconds", value=20, told="20 s to stop, but needs"),
        Fault(
            document="ConfigMap/sip-edge",
            path="data/SIP_EDGE_STOP_SECONDS",
            value="60",
            told="40 s to stop, but needs 5",
        ),
    ],
    check_images: [
        Fault(document=CORE, path=f"{CONTAINER}/image", value="lamplighter/core:0.1.0", told="no image of ours"),
        Fault(document=CORE, path=f"{CONTAINER}/image", value="lamplighter/presence-core", told="no image of ours"),
        Fault(document=CORE, path=f"{CONTAINER}/image", value="lamplighter/notifier:latest", told="nobody knows which"),
        Fault(document=EDGE, path=f"{CONTAINER}/ports/0/containerPort", value=5061, told="the image has"),
        Fault(document=EDGE, path=f"{CONTAINER}/ports/0/protocol", value="TCP", told="the image has"),
        Fault(document="Job/migrate", path=f"{CONTAINER}/args", value=None, told="is not the migration"),
    ],
    check_references: [
        Fault(document="Namespace/lamplighter", path="metadata/name", value="other", told="no Namespace lamplighter"),
        Fault(document="Service/presence-core", path="spec/selector", value={"app": "core"}, told="selects no pod"),
        Fault(document="Service/sip-edge", path="spec/ports/0/targetPort", value="sip", told="has no port sip"),
        Fault(document="Service/sip-edge", path="spec/ports/0/protocol", value="TCP", told="is not TCP"),
        Fault(
            document="PodDisruptionBudget/notifier",
            path="spec/selector/matchLabels",
            value={"app": "notifiers"},
            told="PodDisruptionBudget/notifier: selects no pod",
        ),
        Fault(document="PodDisruptionBudget/notifier", path="", value=None, told="0 PodDisruptionBudgets"),
        Fault(
            document="NetworkPolicy/core-http",
            path="spec/podSelector/matchLabels",
            value={"a": "b"},
            told="selects no pod",
        ),
        Fault(
            document="NetworkPolicy/metrics", path="spec/ingress/0/ports/0/port", value="web", told="has no port web"
        ),
        Fault(
            document="HorizontalPodAutoscaler/notifier",
            path="spec/scaleTargetRef/name",
            value="n",
            told="no Deployment n",
        ),
        Fault(document=CORE, path="spec/replicas", value=3, told="each apply undoes what HorizontalPodAutoscaler"),
        Fault(document=CORE, path="spec/selector/matchLabels", value={"a": "b"}, told="does not select its own pods"),
        Fault(document=CORE, path=f"{POD}/serviceAccountName", value="default", told="no ServiceAccount default"),
        Fault(
            document=CORE,
            path=f"{POD}/topologySpreadConstraints/0/labelSelector/matchLabels",
            value={"a": "b"},
            told="spreads other pods",
        ),
        Fault(document=EDGE, path="spec/serviceName", value="sip", told="no Service sip"),
        Fault(
            document="ServiceMonitor/lamplighter",
            path="spec/endpoints/0/port",
            value="web",
            told="no Service has a port web",
            overlay=ON_HOST,
        ),
        Fault(
            document="Service/notifier", path="", value=None, told="does not see Deployment/notifier", overlay=ON_HOST
        ),
    ],
    check_security: [
        Fault(document="Namespace/lamplighter", path="metadata/labels", value=None, told="no level of Pod Security"),
        Fault(document=CORE, path=f"{POD}/automountServiceAccountToken", value=None, told="has a token"),
        Fault(document=CORE, path=f"{POD}/enableServiceLinks", value=True, told="variables for each Service"),
        Fault(document=CORE, path=f"{POD}/hostPID", value=True, told="hostPID"),
        Fault(document=CORE, path=f"{POD}/hostNetwork", value=True, told="restricted forbids the network of the host"),
        Fault(document=CORE, path=f"{POD}/securityContext/runAsNonRoot", value=None, told="may be root"),
        Fault(document=CORE, path=f"{POD}/securityContext/seccompProfile", value=None, told="seccomp"),
        Fault(document=CORE, path=f"{POD}/volumes", value=[{"name": "v", "hostPath": {"path": "/"}}], told="volume v"),
        Fault(
            document=CORE,
            path=f"{CONTAINER}/securityContext/allowPrivilegeEscalation",
            value=None,
            told="may become more",
        ),
        Fault(
            document=CORE,
            path=f"{CONTAINER}/securityContext/readOnlyRootFilesystem",
            value=False,
            told="can write to its root",
        ),
        Fault(
            document=CORE, path=f"{CONTAINER}/securityContext/capabilities/drop", value=[], told="keeps capabilities"
        ),
        Fault(document=CORE, path=f"{CONTAINER}/securityContext/privileged", value=True, told="is privileged"),
        Fault(document=CORE, path=f"{CONTAINER}/resources/limits", value=None, told="no limits.memory"),
        Fault(
            document="ServiceAccount/notifier",
            path="automountServiceAccountToken",
            value=True,
            told="its token is mounted",
        ),
        Fault(
            document="DaemonSet/sip-edge",
            path=f"{POD}/dnsPolicy",
            value=None,
            told="finds no Service by its name",
            overlay=ON_HOST,
        ),
    ],
    check_arrows: [
        Fault(document="NetworkPolicy/deny", path="", value=None, told="what is not allowed is not denied"),
        Fault(document="NetworkPolicy/to-nats", path="", value=None, told="may not speak to nats 4222"),
        Fault(
            document="NetworkPolicy/to-postgres",
            path="spec/podSelector",
            value={},
            told="Deployment/notifier: may speak to postgres 5432",
        ),
        Fault(document="NetworkPolicy/to-nats", path="spec/egress/0/to", value=None, told="may speak to anywhere 4222"),
        Fault(document="NetworkPolicy/to-nats", path="spec/egress/0/ports", value=None, told="may speak to nats any"),
        Fault(
            document="NetworkPolicy/metrics",
            path="spec/ingress/0/from/0",
            value={"namespaceSelector": {}},
            told="may speak from every namespace http",
        ),
        Fault(document="NetworkPolicy/core-http", path="", value=None, told="may not speak to presence-core http"),
    ],
    check_metrics: [
        Fault(
            document="PrometheusRule/lamplighter",
            path="spec/groups/0/rules/2/expr",
            value="sum(presence_core_shard) != 64",
            told="nobody counts presence_core_shard",
            overlay=ON_HOST,
        ),
    ],
}
