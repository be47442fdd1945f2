"""What was seen in a run. All moments are seconds after the begin of the faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.faults import Fault


@dataclass(frozen=True, slots=True)
class Component:
    """The Primary component that a node says it is in."""

    uuid: str
    group: str
    """``wsrep_cluster_name``: it names the election."""
    members: frozenset[str]
    """Their SQL addresses."""

    def agrees(self, other: Component) -> bool:
        """Whether the two can be one component, before and after a change of the view."""
        same = (self.uuid, self.group) == (other.uuid, other.group)
        return same and not self.members.isdisjoint(other.members)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one node, at its database and at its readiness."""

    pod: str
    began: float
    ended: float
    status: str
    """``wsrep_cluster_status``; empty: the database did not answer."""
    component: Component | None
    """Where it is Primary."""
    serving: bool
    """``/-/serving`` said yes, after the database was asked."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One request for ``/metrics``, made where the sidecar is."""

    pod: str
    began: float
    took: float
    error: str = ""

    @property
    def ended(self) -> float:
        """When the answer came, or the failure."""
        return self.began + self.took


@dataclass(frozen=True, slots=True)
class Beat:
    """How long a program that has almost nothing to do took for it."""

    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Span:
    """How long something did not run: ``galera-0 sidecar``, ``galera-0 database``, ``etcd-1 process``."""

    what: str
    began: float
    ended: float

    def touches(self, began: float, ended: float) -> bool:
        """Whether it is within this time at all."""
        return self.began <= ended and self.ended >= began

    def covers(self, began: float, ended: float) -> bool:
        """Whether all of this time is within it."""
        return self.began <= began and self.ended >= ended


@dataclass(frozen=True, slots=True)
class Crash:
    """A process ended, and nobody had ended it."""

    what: str
    moment: float
    status: int


@dataclass(frozen=True, slots=True)
class Grant:
    """An election as etcd has it: who may start the cluster anew."""

    epoch: int
    token: str
    node: str
    revision: int
    forgotten: bool = False
    """Etcd lost it to a wipe while it was the newest."""
    primary: bool = False
    """It was confirmed: a Primary component began with it."""


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fired, without a break."""

    alert: str
    severity: str
    pod: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a fault."""

    fault: Fault
    began: float
    ended: float
    effects: tuple[str, ...]
    """How it was seen to have effect; empty: it was not."""
    withheld: str = ""
    """Why it was not done: it would have been a loss that no promise covers."""
    error: str = ""
    """What went wrong in doing it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run ended, after all faults were healed."""

    healed: float
    """When the last fault was healed."""
    served: float | None
    """When all nodes were Synced in one confirmed component; None: not within the bound."""
    bound: float
    """Seconds that it may take."""
    missing: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Acknowledged rows that a node does not have."""
    data: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Checksums of each node's tables."""
    firing: tuple[str, ...] = ()
    """Alerts that fire though all is well."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a node does not serve, in its own words."""
    restarted: tuple[str, ...] = ()
    """Nodes that Galera kept as donors, and that were restarted as the alert's runbook says."""


@dataclass(frozen=True)
class History:
    """All that the checks look at."""

    outcomes: tuple[Outcome, ...]
    samples: tuple[Sample, ...]
    scrapes: tuple[Scrape, ...]
    spans: tuple[Span, ...]
    crashes: tuple[Crash, ...]
    grants: tuple[Grant, ...]
    firings: tuple[Firing, ...]
    acknowledged: tuple[float, ...]
    """When a row was acknowledged, in order."""
    ending: Ending
    beats: tuple[Beat, ...] = ()
