"""What the protocol decides. Frozen values, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from galera_exporter.bootstrap.state import Component, Epoch, Reason


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing yet."""

    reason: Reason
    nodes: tuple[str, ...] = ()
    """Whom it waits for, or who is in the way."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """Start the database as a joiner of the Primary component of ``epoch``."""

    epoch: int
    history: Mapping[int, Epoch]
    fresh: bool = False
    """Its data must not be used: a full state transfer replaces them."""
    order: str = ""
    """Token of the order to discard that this uses up."""

    @property
    def group(self) -> str:
        """The group's name in Galera."""
        return self.history[self.epoch].group


@dataclass(frozen=True, slots=True)
class Elect:
    """Write this election, if nothing that it builds on has changed."""

    epoch: Epoch
    uses: tuple[str, ...]
    """Keys that must be as they were seen."""
    order: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Start the database as the first of a new Primary component."""

    epoch: Epoch
    initialize: bool

    @property
    def group(self) -> str:
        """The group's name in Galera."""
        return self.epoch.group


@dataclass(frozen=True, slots=True)
class Resign:
    """Give the own election back."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the running database in order; it then asks for a decision."""

    text: str
    taint: bool = False
    """Its data are not to be trusted."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Tell etcd that the elected node is Primary and Synced."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Adopt:
    """Write the epoch of a Primary component that etcd does not know (any more)."""

    epoch: Epoch
    node: str
    component: Component


@dataclass(frozen=True, slots=True)
class Relabel:
    """The run was found to be of this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Keep:
    """All is as it should be."""


GateDecision = Wait | Join | Elect | Start | Resign
RunDecision = Keep | Confirm | Adopt | Relabel | Stop | Wait
