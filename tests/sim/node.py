"""One host of the simulated world: its disk, the wrapper's files, one run of mariadbd, and the sidecar."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from galera_exporter.bootstrap.local import Request
from galera_exporter.bootstrap.state import Peer, Reason, Report, View
from galera_exporter.model import Position
from sim.content import NOWHERE
from sim.disk import Disk

if TYPE_CHECKING:
    from sim.group import Component

Step = tuple[Callable[..., bool], tuple[Any, ...]]
"""A part of a sidecar's step that others may run in between with: function and arguments."""


class Phase(Enum):
    """What the database's container does."""

    OFF = 0
    GATE = 1
    """Its request is written; it waits for a decision."""
    INITIALIZING = 2
    STARTING = 3
    """mariadbd was started, and is in no group yet."""
    UP = 4
    """mariadbd is in the group, with or without a Primary component."""


class Decision(NamedTuple):
    """The file ``decision``."""

    boot_id: str
    bootstrap: bool
    position: Position
    initialize: bool
    fresh: bool
    epoch: int
    group: str


class Server:
    """One run of mariadbd, from its start."""

    __slots__ = (
        "applied",
        "boot_id",
        "bootstrap",
        "branch",
        "closed",
        "component",
        "deadline",
        "fresh",
        "group",
        "incarnation",
        "inconsistent",
        "last",
        "mixing",
        "received",
        "shown",
        "synced",
        "transfer",
        "unrecorded",
    )

    def __init__(self, boot_id: str, incarnation: str, group: str, *, bootstrap: bool, fresh: bool) -> None:
        self.boot_id = boot_id
        self.group = group
        """wsrep_cluster_name: it meets only runs of the same."""
        self.incarnation = incarnation
        self.bootstrap = bootstrap
        self.fresh = fresh
        """It was started without a position: it takes a full state transfer."""
        self.component: Component | None = None
        """The Primary component that it is in."""
        self.last: View | None = None
        """The last Primary view of this run."""
        self.shown: tuple[str, int] | None = None
        """The Primary view that wsrep_cluster_status speaks of: it changes in order, after all that came before."""
        self.unrecorded = False
        """That view is not in gvwstate.dat yet: the run still does what the one before it allowed."""
        self.branch = NOWHERE
        self.received = -1
        self.applied = -1
        self.synced = False
        self.mixing = False
        """The IST that it takes is of a history that its data are no part of."""
        self.transfer = ""
        self.deadline = 0.0
        """When it gives up if it has not seen a Primary component by then."""
        self.inconsistent = False
        self.closed: float | None = None
        """Since when Galera has given up, while mariadbd runs on: a state transfer failed."""


class Sidecar:
    """The sidecar: what it has in memory. A restart loses all of it."""

    __slots__ = (
        "absent",
        "alive",
        "answered",
        "boot_id",
        "contact",
        "frozen",
        "hung",
        "incarnation",
        "lease",
        "lonely",
        "lost_reply",
        "next_beat",
        "old",
        "overtaken",
        "owner",
        "page",
        "quiet",
        "record",
        "renewed",
        "report",
        "running",
        "started",
        "stopping",
        "todo",
        "wait",
        "wake",
    )

    def __init__(self, owner: str, now: float = 0.0, *, old: bool = False) -> None:
        self.owner = owner
        self.old = old
        """It is of an earlier version, which does not know some fields."""
        self.alive = True
        self.frozen = False
        self.hung = False
        """It is between two parts of a step: nothing is renewed meanwhile."""
        self.todo: tuple[Step, ...] = ()
        self.lost_reply = False
        """The answer to its next transaction is lost."""
        self.lease = 0
        self.renewed = now
        """When it renewed its lease last; another of its name may have, just before it began."""
        self.contact: float | None = None
        """Since when etcd has answered without a break."""
        self.next_beat = 0.0
        self.record: Any = None
        """Position, epoch and incarnation of the last beat."""
        self.page: Peer | None = None
        """What it says to the others; None: its database does not answer."""
        self.running: Any = None
        """What the database said in this step."""
        self.report: tuple[Any, Any, Report] | None = None
        """The report of the label and the request that stand before it."""
        self.boot_id = ""
        """The start that the rest is about."""
        self.started: Report | None = None
        self.answered: float | None = None
        """When the database answered last."""
        self.stopping = False
        self.incarnation = ""
        self.overtaken = False
        """It was let out to begin an epoch whose election is no longer its own."""
        self.lonely: float | None = None
        self.absent: tuple[int, float] | None = None
        self.wait: Reason | None = None
        self.quiet: tuple[int, int] = (-1, -1)
        self.wake = 0.0


class Node:
    """A host: all of the above, and its place in the network."""

    __slots__ = (
        "asked",
        "awaits",
        "away",
        "beat",
        "booting",
        "clean_exit",
        "confirmed",
        "cut",
        "decision",
        "disk",
        "frozen",
        "group",
        "index",
        "lag",
        "name",
        "order",
        "phase",
        "request",
        "saved",
        "server",
        "sidecar",
        "taken",
        "waking",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.name = f"n{index}"
        self.disk = Disk()
        self.saved: Disk | None = None
        """An earlier copy of the volume."""
        self.phase = Phase.OFF
        self.request: Request | None = None
        self.decision: Decision | None = None
        self.booting: Decision | None = None
        """The decision that the wrapper took."""
        self.order = ""
        """Boot id of the order to stop."""
        self.confirmed = False
        """The wrapper has seen confirmed=1 in the lease file."""
        self.asked = ""
        """Boot id of which the sidecar wrote confirmed=1."""
        self.beat = 0.0
        """When the wrapper last saw the lease file change."""
        self.awaits: tuple[float, float] | None = None
        """Since when it waits for the lease to be renewed before it starts, and when it was renewed last then."""
        self.clean_exit: tuple[str, Position] | None = None
        """Boot id and position of the last run, where it ended cleanly."""
        self.taken = 0.0
        """When it took its decision."""
        self.server: Server | None = None
        self.frozen = False
        """Wrapper and mariadbd get no time."""
        self.waking = False
        """They have it again, and the wrapper has not looked at its lease yet."""
        self.away = False
        """Nobody starts it again."""
        self.lag = False
        """Its applier is held up."""
        self.group = 0
        """Nodes of the same group reach each other."""
        self.cut = False
        """It does not reach etcd."""
        self.sidecar = Sidecar(f"pod-{index}-0")

    @property
    def primary(self) -> bool:
        """Whether its database is part of a Primary component."""
        return self.server is not None and self.server.component is not None

    def content(self) -> tuple[int, int]:
        """Return the data that it has or will have: a run applies what it received."""
        server = self.server
        if server is not None and server.branch != NOWHERE and not server.transfer:
            return server.branch, server.received
        return self.disk.branch, self.disk.seqno
