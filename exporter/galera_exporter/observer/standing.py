"""Whether a pod may be the write pod: what Kubernetes says of it, and what its node says in the registry. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from galera_exporter.bootstrap.state import Snapshot
from galera_exporter.bootstrap.transactions import BOOTSTRAP
from galera_exporter.model import ClusterStatus, ClusterView, NodeRecord, NodeState
from galera_exporter.observer.pods import EXCLUDED, LABEL, Pod
from galera_exporter.registry.view import FRESH


class Fitness(IntEnum):
    """How fit a pod is; a greater one wins."""

    UNFIT = 0
    UNKNOWN = 1
    """Kubernetes calls it Ready, and the registry has no word of it: good enough to stay, not to be chosen."""
    DONOR = 2
    """It serves, and lags while it feeds another node: where nobody is Synced."""
    SYNCED = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """A pod's fitness, and in words what keeps it from being the best."""

    fitness: Fitness
    words: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry says now of the nodes."""

    nodes: Mapping[str, NodeRecord]
    """What each node writes of itself, where it wrote within the last seconds, under a lease."""
    confirmed: frozenset[str] | None = None
    """Nodes of the Primary component that is confirmed; None: no election was ever written, nothing is confirmed."""

    reporting: frozenset[str] = frozenset()
    """Nodes that take part in the bootstrap instead of serving: who reports is not Primary."""

    @property
    def primary(self) -> bool | None:
        """Whether a Primary component exists; None where no node says anything about it."""
        told = {record.status for record in self.nodes.values()} - {ClusterStatus.UNKNOWN}
        return ClusterStatus.PRIMARY in told if told or self.reporting else None


_SERVING: Final = {NodeState.SYNCED: Fitness.SYNCED, NodeState.DONOR: Fitness.DONOR}


def registered(view: ClusterView, snapshot: Snapshot) -> Registered:
    """Return what one read of the registry says; both are made from it."""
    nodes = {
        each.node: each.record
        for each in view.nodes
        if each.present and each.leased and each.record is not None
        if each.age is not None and each.age <= max(FRESH, each.record.ttl)
    }
    elected = BOOTSTRAP in snapshot.revisions or snapshot.primary
    return Registered(nodes, frozenset(snapshot.primary) if elected else None, frozenset(snapshot.reports))


def standing(pod: Pod, registry: Registered | None) -> Standing:
    """Return how ``pod`` stands; ``registry`` is None while etcd cannot be read.

    Ready is the readiness probe's word, which is the node's own: Primary, Synced and confirmed.
    What the node writes in etcd may be newer, or older, by some seconds: both must agree.
    """
    record = None if registry is None else registry.nodes.get(pod.name)
    unfit = _for_kubernetes(pod) or _for_its_node(record, pod.name, registry)
    if unfit:
        return Standing(Fitness.UNFIT, unfit)
    if record is None:
        words = "etcd cannot be read" if registry is None else "has no live key in etcd"
        return Standing(Fitness.UNKNOWN, words)
    return Standing(_SERVING[record.state], "is a donor" if record.state is NodeState.DONOR else "")


def _for_kubernetes(pod: Pod) -> str:
    """Say why Kubernetes has it as unfit; empty: it has not."""
    if pod.ordinal < 0:
        return "is not a pod of the StatefulSet"
    if pod.terminating:
        return "is being deleted"
    if not pod.ready:
        return "is not Ready"
    return f"is set aside by its label {LABEL}={EXCLUDED}" if pod.excluded else ""


def _for_its_node(record: NodeRecord | None, name: str, registry: Registered | None) -> str:
    """Say why the registry has it as unfit; empty: it has not, or has no word of it."""
    if registry is None:
        return ""
    if name in registry.reporting:
        return "takes part in the bootstrap, and does not serve"
    if record is None:
        return "has no live key in etcd, and no node is Primary" if registry.primary is False else ""
    unconfirmed = registry.confirmed is not None and name not in registry.confirmed
    return _by_its_own_word(record) or ("is not a confirmed member of the Primary component" if unconfirmed else "")


def _by_its_own_word(record: NodeRecord) -> str:
    if record.status is not ClusterStatus.PRIMARY:
        return "is not known to be Primary" if record.status is ClusterStatus.UNKNOWN else f"is {record.status}"
    if record.state not in _SERVING or not record.ready:
        return f"is {record.state.replace('_', ' ')}{'' if record.ready else ', and wsrep_ready is OFF'}"
    return ""
