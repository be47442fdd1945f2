"""Values that the rooms hand to one another. Frozen, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from galera_exporter.errors import DatabaseReason, RegistryReason

ZERO_UUID: Final = "00000000-0000-0000-0000-000000000000"
EMPTY: Final[Mapping[str, str]] = MappingProxyType({})


class ClusterStatus(StrEnum):
    """``wsrep_cluster_status``: what this node thinks of its component."""

    PRIMARY = "Primary"
    NON_PRIMARY = "non-Primary"
    DISCONNECTED = "Disconnected"
    UNKNOWN = "unknown"


class NodeState(StrEnum):
    """``wsrep_local_state_comment``, in one spelling for all versions."""

    INITIALIZED = "initialized"
    JOINING = "joining"
    RECEIVING = "receiving_state_transfer"
    REQUEST_FAILED = "state_transfer_request_failed"
    TRANSFER_FAILED = "state_transfer_failed"
    JOINED = "joined"
    SYNCED = "synced"
    DONOR = "donor_desynced"
    INCONSISTENT = "inconsistent"
    DESTROYED = "destroyed"
    UNKNOWN = "unknown"


class EvsState(StrEnum):
    """``wsrep_evs_state``: the group-communication state machine (gcomm/src/evs_proto.hpp)."""

    CLOSED = "CLOSED"
    JOINING = "JOINING"
    LEAVING = "LEAVING"
    GATHER = "GATHER"
    INSTALL = "INSTALL"
    OPERATIONAL = "OPERATIONAL"
    UNKNOWN = "unknown"


class PositionSource(StrEnum):
    """Where a position was read."""

    STATUS = "status"
    """``wsrep_last_committed`` of a running server."""
    GRASTATE = "grastate"
    """``grastate.dat`` of a stopped server, or of one that takes an SST."""
    RECOVER = "recover"
    """``mariadbd --wsrep-recover``."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the replication history: the state UUID and the seqno in it."""

    uuid: str = ZERO_UUID
    seqno: int = -1

    @property
    def defined(self) -> bool:
        """Whether both parts say something: not the all-zero UUID, and a seqno that is not negative."""
        return self.uuid != ZERO_UUID and self.seqno >= 0

    def __str__(self) -> str:
        return f"{self.uuid}:{self.seqno}"


@dataclass(frozen=True, slots=True)
class NodeSample:
    r"""One ``SHOW GLOBAL STATUS LIKE 'wsrep\_%'``, parsed.

    Ids and seqnos that the server calls undefined (2^64-1 and all from 2^63
    on) are -1. ``raw`` has each variable under its own name in lower case, as the server
    wrote it: the metrics catalog reads from there.
    """

    raw: Mapping[str, str]
    cluster_status: ClusterStatus
    state: NodeState
    local_state: int
    cluster_size: int
    conf_id: int
    local_index: int
    connected: bool
    ready: bool
    cluster_uuid: str
    local_uuid: str
    last_committed: int
    cached_downto: int
    desync_count: int
    member_uuid: str
    """``wsrep_gcomm_uuid``: this node's id in the current group, and its row in wsrep_cluster_members."""

    @property
    def position(self) -> Position:
        """State UUID of this node's data, and the last committed seqno."""
        return Position(self.local_uuid, self.last_committed)

    @property
    def primary(self) -> bool:
        """Whether this node is part of a Primary component."""
        return self.cluster_status is ClusterStatus.PRIMARY


@dataclass(frozen=True, slots=True)
class Member:
    """A row of ``mysql.wsrep_cluster_members``."""

    uuid: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class NodeVariables:
    """``SHOW GLOBAL VARIABLES``, parsed: settings by the short names of the ``galera_config_*`` metrics.

    ``settings`` holds numbers in base units (bytes, seconds, 0/1); one that
    the server does not have, or that cannot be read, is absent. ``provider``
    has ``wsrep_provider_options`` as key and text, e.g. ``gcs.fc_limit``.
    """

    settings: Mapping[str, float]
    provider: Mapping[str, str]
    node_name: str
    node_address: str
    cluster_name: str
    version: str
    sst_method: str
    segment: int


@dataclass(frozen=True, slots=True)
class CollectorRun:
    """How one collector fared: its success, and its duration in seconds."""

    success: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class DatabaseReading:
    """All that one flight of the sampler brought home.

    ``taken`` is the monotonic clock at its start. ``sample`` is None unless the status
    statement answered in time; then ``reason`` is OK or NOT_GALERA. Variables and members
    are None where they could not be read, or were never read.
    """

    taken: float
    reason: DatabaseReason
    detail: str = ""
    sample: NodeSample | None = None
    variables: NodeVariables | None = None
    members: tuple[Member, ...] | None = None
    runs: Mapping[str, CollectorRun] = field(default_factory=dict)
    """By collector: status, variables, members."""

    @property
    def up(self) -> bool:
        """Whether SQL answered and wsrep is on."""
        return self.reason is DatabaseReason.OK


@dataclass(frozen=True, slots=True)
class DatadirFacts:
    """What the files of the data directory say, with or without a running server."""

    present: bool
    """Whether the directory has a data dictionary (``mysql/``)."""
    grastate: Position | None
    """None when there is no readable grastate.dat."""
    safe_to_bootstrap: bool | None
    sst_in_progress: bool
    sst_start: float | None
    """Wall clock, seconds since the epoch: modification time of the SST marker."""
    sst_received_bytes: int | None
    gcache_page_files: int
    gcache_page_bytes: int
    gra_log_files: int
    gvwstate_present: bool
    sst_changed: float | None = None
    """Wall clock, seconds since the epoch: newest change of the transfer's marker and files."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What a node writes of itself under ``live/<node>``; also kept, without a lease, under ``nodes/<node>``."""

    node: str
    owner: str
    """Who holds the key: pod UID, or host and address. Tells a restarted sidecar from a second claimant."""
    address: str
    """``host:port`` where SQL clients reach this node."""
    status: ClusterStatus
    state: NodeState
    position: Position
    source: PositionSource
    conf_id: int
    size: int
    ready: bool
    member_uuid: str
    members: tuple[str, ...]
    """Names of the members of its view, sorted; empty where it may not read them."""
    expected: int
    ttl: int
    version: str
    """Of the sidecar."""
    epoch: int = 0
    """The election that its data are of (bootstrap protocol); 0: not known, or the node takes no part."""
    confirmed: bool = False
    """Whether its component is the one that etcd has confirmed."""
    final: bool = False
    """Only under ``nodes/<node>``: its last run ended cleanly at ``position``, and no other began since."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node as the registry shows it to this sidecar."""

    node: str
    present: bool
    """Whether its ``live`` key exists."""
    record: NodeRecord | None
    """What it wrote last; None where that was never readable."""
    age: float | None
    """Seconds since this process saw the key change (monotonic clock); None where it never saw one."""
    leased: bool
    expirations: int
    """How often this process saw the key vanish."""
    in_view: bool | None = None
    """Whether the node is in this sidecar's own Galera view; None where that is not known."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The registry of one cluster, as last read."""

    nodes: tuple[NodeView, ...] = ()
    """Sorted by name. Nodes whose key went more than an hour ago are left out."""
    revision: int = -1
    foreign: int = 0
    """Keys below our prefix that no version of this program wrote, or that it cannot read."""
    missing: int | None = None
    """Members of the own Galera view without a live key; None where the view is not known."""
    orphans: int | None = None
    """Live keys of nodes that the own Galera view does not have."""
    contradicting: tuple[str, ...] = ()
    """Nodes that are Primary and have named different components for so long that it is no view change."""
    reporting: tuple[str, ...] = ()
    """Nodes whose database does not serve, and whose sidecar takes part in the bootstrap protocol."""


@dataclass(frozen=True, slots=True)
class RegistryReading:
    """The registry as the sidecar's loop last left it."""

    up: bool
    """A linearizable read succeeded within the budget."""
    view: ClusterView
    reason: RegistryReason | None = None
    detail: str = ""
    last_success: float | None = None
    """Wall clock, seconds since the epoch."""
    request_seconds: float | None = None
    """Duration of the last read of the prefix."""
    registered: bool = False
    """Whether the own key exists and is ours."""
    heartbeat_last_success: float | None = None
