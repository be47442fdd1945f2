"""One installation of the chart: its pods, its Services, and what is said about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e.kube.api import ApiError
from e2e.kube.cluster import Cluster
from e2e.kube.machine import CommandError
from e2e.kube.paths import ROOT
from lab.process import wait_until

CHART = ROOT / "charts" / "galera"
_INSTALL = 120.0
_LOOK = 0.3


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as the API server has it."""

    name: str
    uid: str
    address: str
    node: str
    ready: bool
    ending: bool
    phase: str
    labels: Mapping[str, str]
    restarts: Mapping[str, int]
    """By container."""


def _pod(found: Mapping[str, Any]) -> Pod:
    status = found["status"]
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return Pod(
        found["metadata"]["name"],
        found["metadata"]["uid"],
        status.get("podIP", ""),
        found["spec"].get("nodeName", ""),
        any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())),
        "deletionTimestamp" in found["metadata"],
        status.get("phase", ""),
        found["metadata"].get("labels", {}),
        {container["name"]: container["restartCount"] for container in containers},
    )


@dataclass(slots=True)
class Release:
    """A release of the chart in a namespace that enforces the restricted Pod Security Standard."""

    cluster: Cluster
    namespace: str
    name: str = "db"
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def fullname(self) -> str:
        """Name of the StatefulSet, of the read Service, and of the cluster."""
        return f"{self.name}-galera"

    @property
    def replicas(self) -> int:
        """How many database nodes the values ask for."""
        return int(self.values.get("replicaCount", 3))

    @property
    def members(self) -> int:
        """How many members of etcd the values ask for."""
        return int(self.values.get("etcd", {}).get("replicaCount", 3))

    def make_namespace(self) -> None:
        """Make the namespace, unless it is there."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted", "e2e": "galera"}
        try:
            self.cluster.api.post("/api/v1/namespaces", {"metadata": {"name": self.namespace, "labels": labels}})
        except ApiError as error:
            if error.status != 409:
                raise

    def install(self, **more: Any) -> str:
        """Install it, without waiting for pods; return what helm printed."""
        self.values |= more
        self.make_namespace()
        if self.cluster.volumes:
            self.cluster.volumes.reclaim()
        return self.helm("install", self.name, str(CHART), "-f", "-", text=json.dumps(self.values))

    def upgrade(self, **more: Any) -> str:
        """Upgrade it to other values, without waiting for pods; return what helm printed."""
        self.values |= more
        # Without this flag Helm takes no values at all for those of before.
        return self.helm("upgrade", "--reset-values", self.name, str(CHART), "-f", "-", text=json.dumps(self.values))

    def uninstall(self) -> str:
        """Uninstall it and wait until its pods are gone; return what helm printed."""
        said = self.helm("uninstall", self.name)
        wait_until(lambda: not self.all_pods(), _INSTALL, "all pods are gone", interval=_LOOK)
        return said

    def remove(self) -> None:
        """Remove the namespace with all that is in it, at once."""
        path = f"/api/v1/namespaces/{self.namespace}"
        self.cluster.api.delete(path)  # first, so that nothing makes pods anew

        def gone() -> bool:
            for pod in self._pods(""):
                self.delete_pod(pod.name, grace=0)
            return self.cluster.api.find(path) is None

        wait_until(gone, _INSTALL, f"{self.namespace} is gone", interval=_LOOK)
        if self.cluster.volumes:
            self.cluster.volumes.reclaim()

    def helm(self, *arguments: str, text: str | None = None, timeout: float = 300) -> str:
        """Run helm in the namespace."""
        return self.cluster.helm("--namespace", self.namespace, *arguments, text=text, timeout=timeout)

    def kubectl(self, *arguments: str, timeout: float = 60) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, timeout=timeout)

    def galeractl(self, *arguments: str, pod: str = "", timeout: float = 60) -> str:
        """Run galeractl as the notes say: in a sidecar; return what it printed, whatever its exit status."""
        try:
            return self.kubectl(
                "exec", pod or self.pod_name(0), "-c", "exporter", "--", "galeractl", *arguments, timeout=timeout
            )
        except CommandError as error:
            return f"{error.stdout}{error.stderr}"

    def pod_name(self, ordinal: int) -> str:
        """Return the name of a database pod."""
        return f"{self.fullname}-{ordinal}"

    def member_name(self, ordinal: int) -> str:
        """Return the name of a pod of etcd."""
        return f"{self.fullname}-etcd-{ordinal}"

    def all_pods(self) -> list[Pod]:
        """Return all pods of the release but those of ``helm test``."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component!=test"
        return self._pods(selector)

    def pods(self, component: str = "galera") -> list[Pod]:
        """Return the pods of one component, by name."""
        return self._pods(f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}")

    def pod(self, name: str) -> Pod | None:
        """Return a pod, or None where there is none."""
        found = self.cluster.api.find(f"/api/v1/namespaces/{self.namespace}/pods/{name}")
        return None if found is None else _pod(found)

    def delete_pod(self, name: str, grace: int | None = None) -> None:
        """Delete a pod, and do not wait; ``grace`` 0 is a force."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        self.cluster.api.delete(path, **({} if grace is None else {"gracePeriodSeconds": grace}))

    def delete_claim(self, pod: str) -> None:
        """Delete the claim of a pod's volume; it goes when the pod does."""
        self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/data-{pod}")

    def ready(self) -> bool:
        """Whether all pods are there and Ready, and none is on its way out."""
        pods = self.all_pods()
        wanted = self.replicas + self.members + bool(self.values.get("observer", {}).get("enabled", True))
        return len(pods) == wanted and all(pod.ready and not pod.ending for pod in pods)

    def wait_ready(self, timeout: float = 240) -> None:
        """Wait until all pods are Ready: each database node is Synced then, and confirmed."""
        wait_until(self.ready, timeout, f"all pods of {self.namespace}/{self.name} are ready", interval=_LOOK)

    def wait_rolled_out(self, revision: str, timeout: float = 300) -> None:
        """Wait until all database pods are of another revision of the StatefulSet than ``revision``, and ready."""
        wait_until(lambda: self.revision() != revision, 30, "the StatefulSet has a new revision", interval=_LOOK)
        new = self.revision()

        def done() -> bool:
            hashes = {pod.labels.get("controller-revision-hash") for pod in self.pods()}
            return hashes == {new} and self.ready()

        wait_until(done, timeout, f"all database pods are of {new}", interval=_LOOK)

    def revision(self) -> str:
        """Return the revision of the StatefulSet that its pods are to have."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{self.fullname}"
        return str(self.cluster.api.get(path)["status"].get("updateRevision", ""))

    def scale(self, replicas: int) -> None:
        """Scale the database's StatefulSet as ``kubectl scale`` does."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{self.fullname}"
        self.cluster.api.merge(path, {"spec": {"replicas": replicas}})

    def write_pod(self) -> str:
        """Return the pod that the write Service sends connections to; empty where there is none."""
        names = self.endpoints(f"{self.fullname}-primary")
        return names[0] if len(names) == 1 else ""

    def endpoints(self, service: str) -> list[str]:
        """Return the names of the pods that a Service sends connections to."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        slices = self.cluster.api.items(f"{path}?labelSelector=kubernetes.io/service-name%3D{service}")
        return sorted(
            endpoint["targetRef"]["name"]
            for each in slices
            for endpoint in each.get("endpoints") or ()
            if endpoint["conditions"].get("ready")
        )

    def service_address(self, service: str) -> str:
        """Return the cluster IP of a Service."""
        return str(self.cluster.api.get(f"/api/v1/namespaces/{self.namespace}/services/{service}")["spec"]["clusterIP"])

    def events(self, pod: str = "") -> list[Mapping[str, Any]]:
        """Return the events of the namespace, or of one pod, oldest first."""
        found = self.cluster.api.items(f"/api/v1/namespaces/{self.namespace}/events")
        mine = [event for event in found if not pod or event["involvedObject"].get("name") == pod]
        return sorted(mine, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")

    def sql(self, pod: str, statement: str) -> list[list[str]]:
        """Run SQL as the administrator in a pod; return the rows, as text."""
        said = self.kubectl("exec", pod, "-c", "mariadb", "--", "mariadb", "-N", "-B", "-e", statement)
        return [line.split("\t") for line in said.splitlines()]

    def logs(self, pod: str, container: str) -> str:
        """Return the last lines of a container's log."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log?container={container}&tailLines=2000"
        return self.cluster.api.text(path)

    def metrics(self, pod: str, port: int = 10104) -> str:
        """Return the metrics page of a pod."""
        scheme = "https:" if self.values.get("tls", {}).get("enabled") else ""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{scheme}{pod}:{port}/proxy/metrics"
        return self.cluster.api.text(path)

    def _pods(self, selector: str) -> list[Pod]:
        quoted = selector.replace("=", "%3D").replace(",", "%2C").replace("!", "%21")
        found = self.cluster.api.items(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={quoted}")
        return sorted(map(_pod, found), key=lambda pod: pod.name)
