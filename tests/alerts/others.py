"""Who speaks beside the sidecars: etcd's own members, and the cluster's observer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from alerts.clock import seconds
from alerts.cluster import Cluster
from alerts.model import TICK
from alerts.series import Key, key

BOUNDS = tuple(0.001 * 2**power for power in range(14))
"""Of etcd's histogram of fsync durations."""


class EtcdMembers:
    """The etcd of a cluster, scraped as ``component="etcd"``; names as etcd 3.4 and 3.5 export them."""

    def __init__(self, cluster: Cluster, size: int, labels: dict[str, str]) -> None:
        self.world = cluster.world
        self._labels = {
            "namespace": "galera",
            "galera_cluster": cluster.name,
            "component": "etcd",
            "job": "galera/etcd",
        }
        self._labels |= labels
        self._up = [True] * size
        self._leader = [True] * size
        self._changes = 0.0
        self._slow = 0.002
        self._count = 0.0
        self._buckets = dict.fromkeys((*map(str, BOUNDS), "+Inf"), 0.0)
        self._share = 0.05
        self._unseen: set[int] = set()
        self._unreachable: set[int] = set()

    def at(self, when: str) -> Self:
        """Let time pass until ``when``."""
        self.world.reach(when)
        return self

    def stops(self, *members: int) -> Self:
        """These members do not answer any more; without a majority the others have no leader."""
        for member in members:
            self._up[member] = False
        return self._elect()

    def starts(self, *members: int) -> Self:
        """These members are back."""
        for member in members:
            self._up[member] = True
        return self._elect()

    def is_restarted(self, each: str = "1m") -> Self:
        """Restart all members one after the other; whoever leads is followed by another."""
        for member in range(len(self._up)):
            self.stops(member)
            self._changes += 1
            self.world.reach(f"{self.world.now + seconds(each)}s")
            self.starts(member)
            self.world.reach(f"{self.world.now + seconds(each)}s")
        return self

    def loses_leader(self, *members: int) -> Self:
        """These members are up and follow nobody."""
        for member in members:
            self._leader[member] = False
        return self

    def hides(self, member: int) -> Self:
        """This member is well, and Prometheus cannot scrape it."""
        self._unseen.add(member)
        return self

    def isolates(self, member: int) -> Self:
        """The others cannot send to this member; Prometheus can scrape it."""
        self._unreachable.add(member)
        return self

    def changes_leader(self, times: int) -> Self:
        """The leader changes."""
        self._changes += times
        return self

    def writes_slowly(self, duration: float) -> Self:
        """Each fsync of the log takes so many seconds."""
        self._slow = duration
        return self

    def fills(self, share: float) -> Self:
        """The data base takes this share of its quota."""
        self._share = share
        return self

    def tick(self) -> None:
        """Let one scrape interval pass."""
        self._count += TICK
        for bound in self._buckets:
            self._buckets[bound] += TICK if self._slow <= float(bound) else 0

    def page(self, _wanted: frozenset[str]) -> Iterator[tuple[Key, float]]:
        """Yield what Prometheus records at one scrape."""
        for index, up in enumerate(self._up):
            labels = {**self._labels, "pod": f"etcd-{index}", "instance": f"10.0.1.{index}:2379"}
            yield key("up", labels), float(up and index not in self._unseen)
            if not up or index in self._unseen:
                continue
            yield key("etcd_server_has_leader", labels), float(self._leader[index])
            yield key("etcd_server_leader_changes_seen_total", labels), self._changes
            for bound, value in self._buckets.items():
                yield key("etcd_disk_wal_fsync_duration_seconds_bucket", {**labels, "le": bound}), value
            yield key("etcd_server_quota_backend_bytes", labels), 2e9
            yield key("etcd_mvcc_db_total_size_in_bytes", labels), 2e9 * self._share
            for other in range(len(self._up)):
                if other != index:
                    name = "etcd_network_peer_sent_failures_total"
                    fails = not self._up[other] or other in self._unreachable
                    yield key(name, {**labels, "To": f"{other:x}"}), float(self.world.now if fails else 0)

    def _elect(self) -> Self:
        majority = 2 * sum(self._up) > len(self._up)
        self._leader = [majority] * len(self._up)
        return self


class Observer:
    """The observer of a cluster: who carries the primary label, and what Kubernetes holds for ready."""

    def __init__(self, cluster: Cluster, labels: dict[str, str]) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.alive = True
        self.exists = True
        self.works = True
        self._labels = labels
        self.labelled = cluster.nodes[0].name
        self.changes = 0

    def at(self, when: str) -> Self:
        """Let time pass until ``when``."""
        self.world.reach(when)
        return self

    def dies(self) -> Self:
        """Its process is gone; its pod is not."""
        self.alive = False
        return self

    def goes(self) -> Self:
        """Its pod is gone, and its target with it."""
        self.exists = False
        return self

    def labels(self, name: str) -> Self:
        """Give the primary label to this pod; to none where the name is empty."""
        self.labelled = name
        self.changes += 1
        return self

    def tick(self) -> None:
        """Nothing of it counts time."""

    def page(self, _wanted: frozenset[str]) -> Iterator[tuple[Key, float]]:
        """Yield what Prometheus records at one scrape."""
        labels = {
            "namespace": "galera",
            "galera_cluster": self.cluster.name,
            "pod": f"{self.cluster.name}-observer-0",
            "job": "galera/observer",
            "component": "observer",
            "container": "observer",
            "instance": "10.0.2.1:10105",
            **self._labels,
        }
        if not self.exists:
            return
        yield key("up", labels), float(self.alive)
        if not self.alive:
            return
        pods = [node for node in self.cluster.nodes if node.target and not node.arbitrator]
        yield key("galera_observer_up", labels), float(self.works)
        yield key("galera_observer_primary_changes_total", labels), float(self.changes)
        yield key("galera_kube_replicas", labels), float(len(self.cluster.nodes))
        yield key("galera_kube_registered_pods", labels), float(len(pods))
        for node in pods:
            ready = node.ready if node.ready_pod is None else node.ready_pod
            yield key("galera_observer_primary", {**labels, "pod": node.name}), float(node.name == self.labelled)
            yield key("galera_kube_pod_ready", {**labels, "pod": node.name}), float(ready)


class KubeStateMetrics:
    """What kube-state-metrics has of a cluster: the readiness of its pods, its StatefulSet, its namespace."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.alive = True
        self.statefulset = cluster.name
        self.others: set[str] = set()
        """Pods beside those of the nodes; all of them are ready."""

    def dies(self) -> None:
        """It is gone, as is all that it told."""
        self.alive = False

    def uninstalled(self) -> None:
        """The StatefulSet is gone; the namespace is not."""
        self.statefulset = ""

    def tick(self) -> None:
        """Nothing of it counts time."""

    def page(self, _wanted: frozenset[str]) -> Iterator[tuple[Key, float]]:
        """Yield what Prometheus records at one scrape."""
        if not self.alive:
            return
        labels = {"namespace": "galera", "job": "kube-state-metrics"}
        yield key("kube_namespace_created", labels), 1.0
        if self.statefulset:
            yield key("kube_statefulset_created", {**labels, "statefulset": self.statefulset}), 1.0
        pods = dict.fromkeys(self.others, True)
        for node in self.cluster.nodes:
            if node.target and not node.arbitrator:
                pods[node.name] = node.ready if node.ready_pod is None else node.ready_pod
        for pod, ready in pods.items():
            for condition, holds in (("true", ready), ("false", not ready), ("unknown", False)):
                yield key("kube_pod_status_ready", {**labels, "pod": pod, "condition": condition}), float(holds)
