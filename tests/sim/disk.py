"""The volume of a node: what the wrapper finds there, and what no program sees."""

from __future__ import annotations

from typing import Any

from galera_exporter.bootstrap.local import LocalState, Request
from galera_exporter.bootstrap.state import Held, View
from galera_exporter.model import Position
from sim.content import NOWHERE, Histories


class Disk:
    """The volume: data directory and the sidecar's state. ``mixed`` and ``whole`` are what no program sees."""

    __slots__ = (
        "blind",
        "branch",
        "clean",
        "complete",
        "corrupt",
        "incarnation",
        "label",
        "marker",
        "mixed",
        "present",
        "safe",
        "seqno",
        "transfer",
        "view",
        "whole",
    )

    def __init__(self) -> None:
        self.present = False
        """mysql/ or ibdata1 is there."""
        self.marker = False
        """init-incomplete is there."""
        self.complete = False
        """It says that the initialization has ended: a cluster may have been made of it."""
        self.branch = NOWHERE
        self.seqno = -1
        """What InnoDB has durably."""
        self.clean = False
        """grastate.dat has the seqno: a clean stop."""
        self.safe = False
        """safe_to_bootstrap of grastate.dat."""
        self.corrupt = False
        """grastate.dat has a zero UUID."""
        self.transfer = False
        """The marks of a state transfer that did not end are there."""
        self.blind = False
        """The recovery gives no position."""
        self.whole = True
        self.mixed = False
        """Rows of two branches: Galera let it join by IST although its data were no prefix."""
        self.label = LocalState()
        self.incarnation = ""
        self.view: View | None = None
        """The copy of gvwstate.dat, with the incarnation of the run that wrote it."""

    def copy(self) -> Disk:
        """Return a copy: all that it has is frozen."""
        return copied(self)

    @property
    def held(self) -> Held:
        """What the wrapper finds."""
        if self.marker:
            return Held.INCOMPLETE
        return Held.DATA if self.present else Held.EMPTY

    def request(self, boot_id: str, histories: Histories) -> Request:
        """Return what the wrapper's request says."""
        held = self.held
        known = held is Held.DATA and self.branch != NOWHERE and not self.blind
        position = Position(histories.uuid[self.branch], self.seqno) if known else Position()
        return Request(
            boot_id=boot_id,
            held=held,
            position=position,
            safe=self.safe and self.clean and position.defined,
            dubious=self.transfer or (self.corrupt and held is Held.DATA),
            incarnation=self.incarnation,
            view=self.view,
        )


def copied(thing: Any) -> Any:
    """Return a copy with the same values in all slots."""
    other = object.__new__(type(thing))
    for name in thing.__slots__:
        setattr(other, name, getattr(thing, name))
    return other
