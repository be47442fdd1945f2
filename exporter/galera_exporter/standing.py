"""How each node stands: its own database's word, or its key's, and in words what is wrong with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from galera_exporter.bootstrap.reading import BootstrapReading, NodePhase
from galera_exporter.bootstrap.words import WORDS
from galera_exporter.model import ZERO_UUID, ClusterStatus, DatabaseReading, NodeState, NodeView

SERVING: Final = frozenset({NodeState.SYNCED, NodeState.DONOR})
_TRANSFER: Final = frozenset({NodeState.JOINING, NodeState.RECEIVING})
_STATE_WORDS: Final = {
    NodeState.INITIALIZED: "has no state yet",
    NodeState.JOINING: "is joining",
    NodeState.RECEIVING: "is receiving a state transfer",
    NodeState.REQUEST_FAILED: "got no donor for its state transfer",
    NodeState.TRANSFER_FAILED: "failed its state transfer",
    NodeState.JOINED: "is catching up",
    NodeState.SYNCED: "is Synced but not ready",
    NodeState.DONOR: "is a donor and not ready",
    NodeState.INCONSISTENT: "is inconsistent with the cluster",
    NodeState.DESTROYED: "has left the cluster",
    NodeState.UNKNOWN: "is in an unknown state",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One node as it counts here: what is known of it, newest source first."""

    name: str
    live: bool
    """Whether what follows is of now: a key that changes, or a database that just answered."""
    fresh: bool
    """Whether it is so new that it may be held against another node's."""
    status: ClusterStatus
    state: NodeState
    ready: bool
    size: int
    uuid: str
    members: tuple[str, ...]
    trouble: str
    """Why it does not count as live, or what it does instead of serving, in words."""

    @property
    def primary(self) -> bool:
        """Whether it is part of a Primary component."""
        return self.live and self.status is ClusterStatus.PRIMARY

    @property
    def serves(self) -> bool:
        """Whether SQL clients get reads and writes there."""
        return self.primary and self.ready and self.state in SERVING

    def words(self) -> str:
        """Say what is wrong with a node that does not serve."""
        if self.trouble:
            return f"{self.name} {self.trouble}"
        if self.status is ClusterStatus.PRIMARY or self.state in _TRANSFER:
            return f"{self.name} {_STATE_WORDS[self.state]}"
        if self.status is ClusterStatus.UNKNOWN:
            return f"{self.name} does not know its cluster status"
        return f"{self.name} is {self.status}"


def plight(reading: BootstrapReading | None) -> str:
    """Say what a node does in the bootstrap protocol instead of serving; empty where there is nothing to say."""
    if reading is None:
        return ""
    wait = reading.wait
    nodes = f" ({', '.join(reading.waiting_for)})" if reading.waiting_for else ""
    why = f"{WORDS[wait.reason].title}{nodes}" if wait is not None else ""
    match reading.phase:
        case NodePhase.GATE:
            return f"waits to start: {why}" if why else "is about to start"
        case NodePhase.STARTING:
            return "is starting, to join the Primary component"
        case NodePhase.BOOTSTRAPPING:
            return "is starting a new Primary component, which is not confirmed yet"
        case NodePhase.SURVIVOR:
            return f"is non-Primary and waits: {why}" if why else "is non-Primary and offers itself for an election"
        case _:
            return ""


def own_standing(
    database: DatabaseReading | None, view: NodeView | None, name: str, bootstrap: BootstrapReading | None = None
) -> Standing | None:
    """Return this node by its own database, which is newer than its key, and by its part in the bootstrap."""
    if database is None:
        return None
    doing = plight(bootstrap)
    record = view.record if view else None
    sample = database.sample if database.up else None
    if sample is None:
        transfers = view is not None and view.present and record is not None and record.state in _TRANSFER
        state = record.state if record and transfers else NodeState.UNKNOWN
        return Standing(
            name=name,
            live=transfers,  # a joiner in SST answers no SQL, and its sidecar knows
            fresh=False,
            status=ClusterStatus.UNKNOWN,
            state=state,
            ready=False,
            size=0,
            uuid=ZERO_UUID,
            members=(),
            trouble="" if transfers else doing or f"has no usable MariaDB ({database.reason.replace('_', ' ')})",
        )
    members = tuple(sorted(each.name for each in database.members or ()))
    return Standing(
        name=name,
        live=True,
        fresh=True,
        status=sample.cluster_status,
        state=sample.state,
        ready=sample.ready and not doing,
        size=sample.cluster_size,
        uuid=sample.local_uuid,
        members=members or (record.members if record else ()),
        trouble=doing,
    )


def standing_of(view: NodeView, *, reports: bool = False) -> Standing:
    """Return another node by its key; ``reports``: its sidecar takes part in the bootstrap protocol."""
    record = view.record
    stale = record is not None and view.age is not None and view.age > record.ttl
    if not view.present and reports:
        trouble = "is down (its sidecar reports)"
    elif not view.present and view.in_view:
        trouble = f"is silent ({gone(view)}) though MariaDB still counts it: look at its sidecar"
    elif not view.present:
        trouble = f"is gone ({gone(view)})"
    elif record is None:
        trouble = "has a key that cannot be read"
    elif not stale:
        trouble = ""
    else:
        trouble = f"is silent (key unchanged for {duration(view.age or 0)}{'' if view.leased else ', without a lease'})"
    return Standing(
        name=view.node,
        live=view.present and record is not None and not stale,
        fresh=view.age is not None and record is not None and view.age <= record.ttl / 2,
        status=record.status if record else ClusterStatus.UNKNOWN,
        state=record.state if record else NodeState.UNKNOWN,
        ready=bool(record and record.ready),
        size=record.size if record else 0,
        uuid=record.position.uuid if record else ZERO_UUID,
        members=record.members if record else (),
        trouble=trouble,
    )


def duration(seconds: float) -> str:
    """Say a duration in its largest fitting unit: 42 s, 5 min, 3 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def gone(view: NodeView) -> str:
    """Say since when the key of a node that is not present is away."""
    if view.age is None:
        return "no live key"
    ttl = view.record.ttl if view.record else 0
    if ttl and view.age >= ttl:
        return f"key expired {duration(view.age - ttl)} ago"
    return f"key removed, last change {duration(view.age)} ago"
