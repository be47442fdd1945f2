"""The Prometheus operator, and the Prometheus and Alertmanager that it makes, as a user of the chart has them."""

from __future__ import annotations

import json
from typing import Any

from e2e.kube.cluster import Cluster
from e2e.kube.images import ALERTMANAGER, OPERATOR, PROMETHEUS, RELOADER
from e2e.kube.paths import TOOLS
from lab.process import wait_until
from lab.prometheus import Receiver

NAMESPACE = "monitoring"
_START = 120.0
_LOOK = 1.0
_RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534, "seccompProfile": {"type": "RuntimeDefault"}}


class Monitoring:
    """The operator with its CRDs, one Prometheus, one Alertmanager, and a receiver of its notifications."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.receiver = Receiver(host=cluster.outside)
        cluster.kubectl("apply", "--server-side", "-f", str(TOOLS / "crds"), timeout=120)
        cluster.kubectl("wait", "--for=condition=Established", "-f", str(TOOLS / "crds"), timeout=60)
        self._apply(_namespace(), *_operator())
        self._apply(*_stack(self.receiver.url))

    def close(self) -> None:
        """Remove what is watched by nobody else; the CRDs stay."""
        self.receiver.close()
        for account in ("operator", "prometheus"):
            self.cluster.api.delete(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/e2e-{account}")
        self.cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}")

    def wait_up(self) -> None:
        """Wait until both answer."""
        wait_until(lambda: self._answers("prometheus", 9090), _START, "Prometheus is ready", interval=_LOOK)
        wait_until(lambda: self._answers("alertmanager", 9093), _START, "Alertmanager is ready", interval=_LOOK)

    def prometheus(self, path: str) -> Any:
        """Return what Prometheus' API answers."""
        return json.loads(self.cluster.api.text(f"{_proxy('prometheus', 9090)}/api/v1/{path}"))["data"]

    def targets(self, namespace: str) -> dict[str, str]:
        """Return the health of each target in a namespace, by pod and port."""
        port = "__meta_kubernetes_pod_container_port_number"
        return {
            f"{target['labels']['pod']}:{target['discoveredLabels'].get(port)}": target["health"]
            for target in self.prometheus("targets?state=active")["activeTargets"]
            if target["labels"].get("namespace") == namespace
        }

    def rules(self) -> dict[str, str]:
        """Return the health of each alerting rule of this project that is loaded."""
        groups = self.prometheus("rules?type=alert")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def _answers(self, name: str, port: int) -> bool:
        return bool(self.cluster.api.text(f"{_proxy(name, port)}/-/ready"))

    def _apply(self, *objects: dict[str, Any]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.cluster.kubectl("apply", "--server-side", "-f", "-", text=text)


def _proxy(name: str, port: int) -> str:
    return f"/api/v1/namespaces/{NAMESPACE}/pods/{name}-e2e-0:{port}/proxy"


def _object(kind: str, name: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _administrator(account: str) -> list[dict[str, Any]]:
    """Return an account that may do everything: what the operator may is not what is tested here."""
    rights = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    binding = _object(
        "ClusterRoleBinding",
        f"e2e-{account}",
        "rbac.authorization.k8s.io/v1",
        roleRef=rights,
        subjects=[subject],
    )
    del binding["metadata"]["namespace"]
    return [_object("ServiceAccount", account), binding]


def _operator() -> list[dict[str, Any]]:
    container = {
        "name": "operator",
        "image": OPERATOR,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"--prometheus-config-reloader={RELOADER}", "--web.enable-tls=false"],
    }
    labels = {"app": "prometheus-operator"}
    spec = {"serviceAccountName": "operator", "securityContext": _RESTRICTED, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return [*_administrator("operator"), _object("Deployment", "prometheus-operator", "apps/v1", spec=deployment)]


def _stack(webhook: str) -> list[dict[str, Any]]:
    route = {"receiver": "e2e", "group_by": ["alertname", "pod"], "group_wait": "1s", "group_interval": "5s"}
    config = {"route": route, "receivers": [{"name": "e2e", "webhook_configs": [{"url": webhook}]}]}
    everything: dict[str, Any] = {}
    small = {"requests": {"memory": "64Mi", "cpu": "10m"}}
    return [
        *_administrator("prometheus"),
        _object("Secret", "alertmanager-config", stringData={"alertmanager.yaml": json.dumps(config)}),
        _object(
            "Service",
            "alertmanager",
            spec={"selector": {"alertmanager": "e2e"}, "ports": [{"name": "web", "port": 9093}]},
        ),
        _object(
            "Alertmanager",
            "e2e",
            "monitoring.coreos.com/v1",
            spec={
                "image": ALERTMANAGER,
                "version": ALERTMANAGER.rpartition(":")[2],
                "replicas": 1,
                "configSecret": "alertmanager-config",
                "securityContext": _RESTRICTED,
                "resources": small,
            },
        ),
        _object(
            "Prometheus",
            "e2e",
            "monitoring.coreos.com/v1",
            spec={
                "image": PROMETHEUS,
                "version": PROMETHEUS.rpartition(":")[2],
                "replicas": 1,
                "serviceAccountName": "prometheus",
                "securityContext": _RESTRICTED,
                "resources": small,
                "evaluationInterval": "5s",
                "podMonitorSelector": everything,
                "podMonitorNamespaceSelector": everything,
                "serviceMonitorSelector": everything,
                "serviceMonitorNamespaceSelector": everything,
                "ruleSelector": everything,
                "ruleNamespaceSelector": everything,
                "alerting": {"alertmanagers": [{"namespace": NAMESPACE, "name": "alertmanager", "port": "web"}]},
            },
        ),
    ]
