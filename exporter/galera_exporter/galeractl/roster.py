"""The nodes of a cluster as its registry shows them to a command that looks once.

The sidecar knows the age of a key because it was there when the key changed. A command that has just
begun takes it from the lease: a node starts its lease anew each time it writes its key, so the key is as
old as the part of the lease that has run (whole seconds; etcd tells no better).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from galera_exporter.errors import RegistryError, RegistryReason
from galera_exporter.galeractl.exits import UsageError
from galera_exporter.model import ClusterStatus, ClusterView, NodeView
from galera_exporter.registry.etcd import Etcd
from galera_exporter.registry.keyvalue import Range
from galera_exporter.registry.records import Kind, classify
from galera_exporter.registry.view import Tracker
from galera_exporter.settings import EtcdSettings

NO_ENDPOINTS = "no etcd is given: set --etcd.endpoints or $GALERA_EXPORTER_ETCD_ENDPOINTS, e.g. http://etcd-0:2379,http://etcd-1:2379"


def connect(settings: EtcdSettings) -> Etcd:
    """Return a client; UsageError where no endpoint is set."""
    if not settings.endpoints:
        raise UsageError(NO_ENDPOINTS)
    return Etcd(settings)


class Roster:
    """Reads the nodes, once or again and again; methods raise RegistryError."""

    def __init__(self, settings: EtcdSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._etcd = connect(settings)
        self._prefix = settings.prefix
        self._clock = clock
        self._tracker = Tracker(settings.prefix)

    def close(self) -> None:
        """Close the connections to etcd."""
        self._etcd.close()

    def read(self) -> ClusterView:
        """Return all nodes; a node that went before the first read has no age, one that went since has."""
        found = self._etcd.range(self._prefix)
        now = self._clock()
        self._tracker.observe(found, now)
        view = self._tracker.view_at(now)
        ages = self._ages(found)
        members = agreed_members(view.nodes)
        nodes = tuple(
            replace(
                node,
                age=ages.get(node.node) if node.present else node.age,
                in_view=None if members is None else node.node in members,
            )
            for node in view.nodes
        )
        live = {node.node for node in nodes if node.present}
        return replace(
            view,
            nodes=nodes,
            missing=None if members is None else len(members - live),
            orphans=None if members is None else len(live - members),
        )

    def _ages(self, found: Range) -> dict[str, float]:
        ages = {}
        for pair in found.pairs:
            kind, node = classify(self._prefix, pair.key)
            if kind is not Kind.LIVE or not pair.lease:
                continue
            try:
                granted, remaining = self._etcd.time_to_live(pair.lease)
            except RegistryError as error:
                if error.reason is not RegistryReason.LEASE_EXPIRED:
                    raise
                continue  # it went while we read: the next look shows it gone
            ages[node] = float(max(0, granted - remaining))
        return ages


def agreed_members(nodes: Iterable[NodeView]) -> frozenset[str] | None:
    """Return the names in the Galera view that most live Primary nodes report.

    None where no node reports one, or where Galera's names are not those of the registry
    (``wsrep_node_name`` differs from ``--node-name``): then nothing can be said.
    """
    views = Counter(
        node.record.members
        for node in nodes
        if node.present
        and node.record is not None
        and node.record.status is ClusterStatus.PRIMARY
        and node.node in node.record.members
    )
    return frozenset(views.most_common(1)[0][0]) if views else None
