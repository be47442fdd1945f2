"""What the bootstrap part shows to people: one value for the metrics, the status page and the verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from galera_exporter.bootstrap.decisions import (
    Adopt,
    Confirm,
    Elect,
    GateDecision,
    Join,
    Keep,
    Relabel,
    Resign,
    RunDecision,
    Start,
    Stop,
    Wait,
)
from galera_exporter.model import Position


class NodePhase(StrEnum):
    """Where this node stands in the protocol."""

    IDLE = "idle"
    """The database is stopped and asks for nothing: the wrapper prepares the start, or does not run."""
    GATE = "gate"
    """The database is stopped and its wrapper waits for a decision."""
    STARTING = "starting"
    """It was let out of the gate as a joiner, and is not part of the Primary component yet: it may take a transfer."""
    BOOTSTRAPPING = "bootstrapping"
    """It was let out as the first of a new Primary component, not confirmed in etcd yet: nobody is served from it."""
    CONFIRMED = "confirmed"
    """It is part of a Primary component whose epoch is confirmed."""
    NON_PRIMARY = "non_primary"
    """The database runs without a Primary component, and gives it time to come back by itself."""
    SURVIVOR = "survivor"
    """The same, for longer than the grace: it reports, and an election may stop it."""


class Action(StrEnum):
    """A decision, as it is counted."""

    JOIN = "join"
    JOIN_FRESH = "join_fresh"
    """By a full state transfer: its own data must not be used."""
    START = "start"
    ELECT = "elect"
    RESIGN = "resign"
    STOP = "stop"
    STOP_INCONSISTENT = "stop_inconsistent"
    """Galera found that its data differ from the others'."""
    CONFIRM = "confirm"
    ADOPT = "adopt"
    RELABEL = "relabel"


_ACTIONS: Final[Mapping[type[GateDecision | RunDecision], Action]] = {
    Start: Action.START,
    Elect: Action.ELECT,
    Resign: Action.RESIGN,
    Stop: Action.STOP,
    Confirm: Action.CONFIRM,
    Adopt: Action.ADOPT,
    Relabel: Action.RELABEL,
}


def action_of(decision: GateDecision | RunDecision) -> Action | None:
    """Return under which name a decision is counted; None for those that do nothing."""
    if isinstance(decision, Wait | Keep):
        return None
    if isinstance(decision, Join):
        return Action.JOIN_FRESH if decision.fresh else Action.JOIN
    if isinstance(decision, Stop) and decision.taint:
        return Action.STOP_INCONSISTENT
    return _ACTIONS[type(decision)]


@dataclass(frozen=True, slots=True)
class BootstrapReading:
    """The bootstrap part as its loop last left it."""

    phase: NodePhase
    since: float
    """When ``phase`` and the reason to wait became what they are; seconds of the monotonic clock."""
    epoch: int = 0
    """The epoch that this node's data are of; 0: not known."""
    position: Position = field(default_factory=Position)
    """Of this node's data: what the request said, or the running server."""
    boot_id: str = ""
    """Of the start that asks, or that was decided last; empty: none yet."""
    wait: Wait | None = None
    """Why nothing is done yet; None: nothing is waited for."""
    decisions: Mapping[Action, int] = field(default_factory=dict)
    """How often each was carried out by this process."""

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The nodes that the wait is for, or that are in its way; of nodes that are to come, no name is known."""
        return () if self.wait is None else self.wait.nodes
