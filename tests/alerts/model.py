"""Nodes of a cluster and the views that join them: what Galera, Kubernetes and a database's files would say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import NAMESPACE_DNS, uuid5

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import Action
from galera_exporter.model import ZERO_UUID, NodeState

TICK = 15
"""Seconds between two scrapes: the default of the chart's PodMonitor."""


def uuid_of(text: str) -> str:
    """Return the UUID that stands for a text."""
    return str(uuid5(NAMESPACE_DNS, text))


class Database(Enum):
    """What mariadbd does."""

    RUNNING = auto()
    HUNG = auto()
    """It answers no SQL; the group keeps it."""
    STARTING = auto()
    """It answers no SQL yet: recovery, or the first part of an incremental transfer."""
    TRANSFER = auto()
    """It receives a full state transfer (SST), and answers no SQL."""
    STOPPED = auto()


@dataclass
class View:
    """A component. ``votes`` are those of the last Primary view, of which the next one needs more than half."""

    members: list[Node]
    primary: bool
    conf_id: int
    uuid: str
    votes: int = 0

    def __post_init__(self) -> None:
        if self.primary:
            self.votes = sum(member.weight for member in self.members)

    def without(self, gone: Iterable[Node], *, in_order: bool) -> View:
        """Return the view of those who stay; nodes that leave ``in_order`` take their votes with them."""
        gone = list(gone)
        stay = [member for member in self.members if member not in gone]
        needed = self.votes - sum(member.weight for member in gone) if in_order else self.votes
        quorum = self.primary and 2 * sum(member.weight for member in stay) > needed
        return View(stay, quorum, self.conf_id + 1, self.uuid, self.votes)

    def enter(self) -> View:
        """Make it the view of its members."""
        for member in self.members:
            if member.view is None or member.view.primary != self.primary:
                member.state = NodeState.SYNCED if self.primary else NodeState.INITIALIZED
            member.view = self
        return self


@dataclass(eq=False)
class Node:
    """One node: its pod, its sidecar, its database, and its part of the group."""

    name: str
    weight: int = 1
    arbitrator: bool = False
    """garbd: a member without data, without a pod of the set, without a sidecar."""
    expected: int | None = None
    """--expected-size; None: not given."""

    target: bool = True
    """Whether the pod exists, so that Prometheus scrapes it."""
    address: int = 10
    """Last part of the pod's IP: a pod that is made anew has another one."""
    sidecar: bool = True
    born: float = 0
    """When the sidecar started."""
    database: Database = Database.RUNNING
    view: View | None = None
    """None: disconnected."""
    state: NodeState = NodeState.SYNCED
    ready_pod: bool | None = None
    """Whether Kubernetes takes the pod for ready; None: as the node is."""

    uuid: str = ZERO_UUID
    """State UUID of its data."""
    seqno: int = -1
    cached_downto: int = 1
    gcache: int = 1_000_000
    """Write sets that the gcache holds."""
    stopped_at: int = -1
    """seqno in grastate.dat."""
    safe: bool = False
    marker: float | None = None
    """When the marker of a state transfer was made, if it is there."""

    desynced: bool = False
    """wsrep_desync=ON by hand."""
    donor: bool = False
    """It gives a state transfer, or FLUSH TABLES WITH READ LOCK holds it."""
    queue: float = 0
    """Write sets in its receive queue."""
    latency: float = 0.001
    """Seconds, mean, of group communication."""
    options: dict[str, str] = field(default_factory=dict)
    """Variables and provider options that differ from the defaults."""
    speed: float = 1
    """How fast it commits, as a multiple of what the cluster writes."""
    says: dict[str, str] = field(default_factory=dict)
    """Status variables that say something else than they would."""
    failing: set[str] = field(default_factory=set)
    """Collectors that fail."""
    counts: dict[str, float] = field(default_factory=dict)
    """Counters of the server by variable, beyond those of a real one that has just started; a start ends them."""

    last_primary: float = 0
    """When it was part of a Primary component last."""
    epoch: int = 1
    decisions: Counter[Action] = field(default_factory=Counter)
    """What its sidecar has carried out since it started."""
    wait: Wait | None = None
    largest: int = 0
    """The largest Primary size that this sidecar has seen."""

    @property
    def running(self) -> bool:
        """Whether its mariadbd is a member of the group as far as the others can tell."""
        return self.arbitrator or self.database in {Database.RUNNING, Database.HUNG}

    @property
    def primary(self) -> bool:
        """Whether it is part of a Primary component."""
        return self.view is not None and self.view.primary

    @property
    def speaks(self) -> bool:
        """Whether its database answers SQL."""
        return self.database is Database.RUNNING and not self.arbitrator

    @property
    def ready(self) -> bool:
        """wsrep_ready."""
        return self.speaks and self.primary and self.state in {NodeState.SYNCED, NodeState.DONOR}

    @property
    def shown(self) -> NodeState:
        """wsrep_local_state_comment."""
        synced = self.primary and self.state is NodeState.SYNCED
        return NodeState.DONOR if synced and (self.desynced or self.donor) else self.state

    @property
    def scraped(self) -> bool:
        """Whether a scrape of it succeeds."""
        return self.target and self.sidecar and not self.arbitrator

    def leave(self, *, in_order: bool) -> None:
        """The database is gone; of those who leave at once, and without a word, see ``Cluster.kills``."""
        self.stopped_at = self.seqno if in_order else -1
        self.database = Database.STOPPED
        self.view = None
        self.state = NodeState.UNKNOWN
        self.desynced = self.donor = False
        self.queue = 0
        self.counts.clear()
