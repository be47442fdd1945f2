"""Whether a node may get clients: the answer to a readiness probe. Pure."""

from __future__ import annotations

from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.model import NodeSample, NodeState

_SERVING = frozenset({NodeState.SYNCED, NodeState.DONOR})
"""A donor serves too, unless wsrep_sst_donor_rejects_queries makes wsrep_ready OFF."""


def why_not(sample: NodeSample | None, bootstrap: BootstrapReading | None) -> str:
    """Return why clients must not be sent to this node; empty: they may.

    Etcd has no part in it once the node's epoch is confirmed: its loss takes no node out of
    service. A node that takes no part in the bootstrap has nothing to confirm.
    """
    if sample is None:
        wait = None if bootstrap is None else bootstrap.wait
        return "the database does not answer" + (f"; it waits: {wait.reason}" if wait else "")
    if not sample.primary:
        return f"its component is {sample.cluster_status}"
    if sample.state not in _SERVING or not sample.ready:
        return f"it is {sample.state}, wsrep_ready is {'ON' if sample.ready else 'OFF'}"
    if bootstrap is not None and bootstrap.phase is not NodePhase.CONFIRMED:
        return f"its bootstrap phase is {bootstrap.phase}: its epoch is not confirmed"
    return ""
