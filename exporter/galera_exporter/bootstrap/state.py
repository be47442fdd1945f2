"""Values of the bootstrap protocol: what was seen. Frozen, without I/O; what is decided is in ``decisions``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from galera_exporter.model import ZERO_UUID, Position

NO_EPOCHS: Final[Mapping[int, Epoch]] = MappingProxyType({})

Component = tuple[str, int]
"""State UUID and conf id of a Primary view: equal for all of its members."""


def no_epochs() -> Mapping[int, Epoch]:
    """Return NO_EPOCHS: before Python 3.12 dataclasses take a mapping proxy for a mutable default."""
    return NO_EPOCHS


class Held(StrEnum):
    """What a data directory holds."""

    EMPTY = "empty"
    INCOMPLETE = "incomplete"
    """An initialization that did not end: nothing a client ever saw."""
    DATA = "data"


class Activity(StrEnum):
    """What the node of a report does."""

    GATE = "gate"
    """Its database is stopped and asks for a decision."""
    STARTING = "starting"
    """It was given a decision: its database may run, and is not part of a confirmed Primary component yet."""
    SURVIVOR = "survivor"
    """Its database runs and has been without a Primary component for a while."""


class Phase(StrEnum):
    """Where the newest election stands."""

    ELECTED = "elected"
    PRIMARY = "primary"
    VOID = "void"
    """The elected node gave up: its data are no longer those it was elected for."""


class Mode(StrEnum):
    """How an epoch begins."""

    INITIAL = "initial"
    """With an empty database and a new state UUID."""
    RECOVER = "recover"
    """With the data of the elected node."""
    ADOPTED = "adopted"
    """With a Primary component that ran before this registry knew of it."""


class Rule(StrEnum):
    """Why a node may be elected; ``choice`` has the conditions."""

    INITIAL = "initial"
    ALL = "A"
    LAST = "L"
    FINAL = "F"
    TAKEOVER = "T"
    ORDER = "O"
    ADOPTED = "adopted"


class Reason(StrEnum):
    """Why a node waits. Each has a section in docs/operations.md."""

    ETCD_UNAVAILABLE = "etcd_unavailable"
    UNREADABLE_RECORD = "unreadable_record"
    DUPLICATE_IDENTITY = "duplicate_identity"
    SPLIT_BRAIN = "split_brain"
    PRIMARY_STARTING = "primary_starting"
    PRIMARY_UNREACHABLE = "primary_unreachable"
    JOIN_TURN = "join_turn"
    REPORTING = "reporting"
    SETTLING = "settling"
    ELECTING = "electing"
    BOOTSTRAPPER_STARTING = "bootstrapper_starting"
    BOOTSTRAPPER_ABSENT = "bootstrapper_absent"
    NODES_STARTING = "nodes_starting"
    SURVIVORS_STOPPING = "survivors_stopping"
    HOLD = "hold"
    ORDER_REFUSED = "order_refused"
    INITIAL_MEMBERS = "initial_members"
    DATA_LOSS_GUARD = "data_loss_guard"
    UUID_CONFLICT = "uuid_conflict"
    DIVERGED = "diverged"
    NO_SAFE_CANDIDATE = "no_safe_candidate"
    REGRESSED = "regressed"
    MISSING = "missing"


class Purpose(StrEnum):
    """What an operator's order is for."""

    FORCE = "force"
    """Bootstrap from the named node."""
    INITIAL = "initial"
    """All data are lost: begin again with an empty cluster."""
    DISCARD = "discard"
    """Throw the named node's data away; it takes a full state transfer."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One election: the history of the data forks here, or goes on."""

    number: int
    parent: int
    """Epoch of the data that it began with; 0: none."""
    base: int
    """Seqno of the data that it began with; -1: none."""
    uuid: str
    """State UUID; all zero until an initial epoch is confirmed."""
    node: str
    mode: Mode
    rule: Rule
    lossy: bool = False
    """An operator accepted that data beyond ``base`` is lost."""
    confirmed: bool = False
    """Its node became Primary and Synced, and said so in etcd: from then on clients were served."""
    group: str = ""
    """``wsrep_cluster_name`` of its runs, unique for each election; that of an adopted one is what it was."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The key ``bootstrap``: the newest election, the only fencing record."""

    phase: Phase
    epoch: Epoch
    token: str
    """Unique for each write by an election: who finds its own token there has won, whatever the reply was."""


@dataclass(frozen=True, slots=True)
class View:
    """A Primary view as Galera recorded it before it became effective (gvwstate.dat)."""

    seq: int
    """Grows from view to view."""
    members: tuple[str, ...]
    """Incarnations: the UUIDs that mariadbd's runs have in the group, one for each run."""


@dataclass(frozen=True, slots=True)
class Report:
    """The key ``report/<node>``: what a node that does not serve knows of itself."""

    node: str
    owner: str
    boot_id: str
    """Of the start that asks; empty for a survivor."""
    activity: Activity
    held: Held
    position: Position = field(default_factory=Position)
    epoch: int = 0
    """The epoch that its data are of; 0: not known."""
    safe: bool = False
    """A clean stop, as the last member of a Primary component (grastate.dat)."""
    tainted: bool = False
    """Its data are not whole: a state transfer was interrupted, or the node was inconsistent."""
    incarnation: str = ""
    """Of its last run."""
    view: View | None = None
    """Its last Primary view."""
    expected: int = 0
    """How many nodes it thinks the cluster has."""
    history: Mapping[int, Epoch] = field(default_factory=no_epochs)
    """The epochs it knows, for an etcd that lost them."""
    refused: bool = False
    """Its database answers, and does not let the sidecar in. For people: nothing is decided by it."""

    @property
    def usable(self) -> bool:
        """Whether its data could be bootstrapped from, as far as the node itself can tell."""
        return self.held is Held.DATA and not self.tainted and self.position.defined


@dataclass(frozen=True, slots=True)
class LastKnown:
    """The key ``nodes/<node>``: what the cluster remembers of a node."""

    node: str
    position: Position
    """On its disk for certain: sampled a beat ago, or where ``final``, at its clean stop."""
    epoch: int
    incarnation: str
    final: bool = False
    """Its run ``incarnation`` ended cleanly at ``position``, and no other began since."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The key ``join/turn``: who joins now. One at a time: each change of the view disturbs the transfers under way."""

    node: str


@dataclass(frozen=True, slots=True)
class Order:
    """The key ``override/<token>``: an operator's order, used once."""

    token: str
    purpose: Purpose
    node: str = ""
    lossy: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All keys of the protocol at one revision of etcd. ``history`` has what the reports know too."""

    bootstrap: Bootstrap | None = None
    history: Mapping[int, Epoch] = field(default_factory=no_epochs)
    reports: Mapping[str, Report] = field(default_factory=dict)
    nodes: Mapping[str, LastKnown] = field(default_factory=dict)
    primary: Mapping[str, Component] = field(default_factory=dict)
    """Nodes whose key says: Primary, in the newest confirmed epoch; with their view."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Who holds the leased keys of a node."""
    joining: str | None = None
    """Whose turn it is to join."""
    hold: str | None = None
    """Why automatic elections are frozen."""
    orders: tuple[Order, ...] = ()
    """By token."""
    revisions: Mapping[str, int] = field(default_factory=dict)
    """Of the last write, by key below the prefix."""
    unreadable: tuple[str, ...] = ()
    """Keys of the protocol whose value this version cannot read."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What the sidecar of another node said of it, just now."""

    node: str
    primary: bool
    confirmed: bool
    epoch: int
    history: Mapping[int, Epoch] = field(default_factory=no_epochs)


@dataclass(frozen=True, slots=True)
class Timers:
    """What has lasted long enough, by this node's own monotonic clock."""

    takeover: bool = False
    """The elected node has shown no key for the takeover time."""
    settled: bool = True
    """etcd has answered without a break for longer than a lease lives: no report is older than that."""
    detached: bool = True
    """Nothing in etcd says that this node is stopped: its lease is past, and no clean end of it stands."""


@dataclass(frozen=True, slots=True)
class Running:
    """This node's database, while it answers."""

    node: str
    epoch: int
    """Label of its data."""
    confirmed: bool
    primary: bool
    synced: bool
    position: Position
    component: Component
    inconsistent: bool = False
    """Galera found that its data differ from the others'."""
    group: str = ""
    """Its ``wsrep_cluster_name``; empty: not known."""
    stranded: bool = False
    """Galera has closed its connection for a while: it does not try again by itself."""
    forgotten: bool = False
    """It is still joining, though for a while it has had all that the members have."""
    history: Mapping[int, Epoch] = field(default_factory=no_epochs)


def group_name(cluster: str, epoch: int, token: str) -> str:
    """Return the name that the group of an election has in Galera.

    Galera refuses whoever has another one: no process of an older election, asleep or forgotten,
    can meet those of a newer one. At most 32 characters, as MariaDB takes.
    """
    end = f"-{epoch}-{token[:8]}"
    return cluster[: 32 - len(end)] + end


def undefined(uuid: str) -> bool:
    """Whether a state UUID says nothing."""
    return uuid in {"", ZERO_UUID}
