"""What a node keeps of the protocol on its own volume, and how that changes. Pure; ``statefile`` stores it.

Every change is on disk before the decision that it belongs to is handed out: a crash at any
point leaves a label that says too little, never too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from galera_exporter.bootstrap.decisions import Join, Start
from galera_exporter.bootstrap.lineage import merge, newest_confirmed
from galera_exporter.bootstrap.state import Activity, Epoch, Held, Report, View, no_epochs
from galera_exporter.model import Position

KEPT: int = 32
"""Epochs that are remembered."""


@dataclass(frozen=True, slots=True)
class LocalState:
    """The label of this node's data."""

    epoch: int = 0
    """The epoch that the data are of; 0: not known."""
    confirmed: bool = False
    """Whether that epoch served clients."""
    tainted: bool = False
    """The data are not whole, or must not be used: until the next Synced."""
    begun: bool = False
    """etcd knows of the last run: no clean end of an earlier one stands there, on which others could count."""
    history: Mapping[int, Epoch] = field(default_factory=no_epochs)


@dataclass(frozen=True, slots=True)
class Request:
    """What the wrapper found when the database was about to start."""

    boot_id: str
    held: Held
    position: Position = field(default_factory=Position)
    safe: bool = False
    dubious: bool = False
    """A state transfer was interrupted, or grastate.dat was marked corrupt."""
    incarnation: str = ""
    view: View | None = None


def report_of(state: LocalState, request: Request, node: str, owner: str, expected: int) -> Report:
    """Return the report of a stopped node that asks for a decision."""
    return Report(
        node=node,
        owner=owner,
        boot_id=request.boot_id,
        activity=Activity.GATE,
        held=request.held,
        position=request.position,
        epoch=state.epoch if request.held is Held.DATA else 0,
        safe=request.safe,
        tainted=request.held is Held.DATA and (state.tainted or request.dubious),
        incarnation=request.incarnation,
        view=request.view,
        expected=expected,
        history=state.history,
    )


def joined(state: LocalState, decision: Join, report: Report) -> LocalState:
    """Label data that are about to join an epoch; what a transfer will replace counts for nothing until Synced."""
    whole = report.usable and not decision.fresh
    history = newest_epochs(merge(decision.history, state.history), decision.epoch)
    return LocalState(decision.epoch, confirmed=True, tainted=not whole, begun=state.begun, history=history)


def started(state: LocalState, decision: Start) -> LocalState:
    """Label data that are about to begin an epoch."""
    history = newest_epochs(merge({decision.epoch.number: decision.epoch}, state.history))
    return LocalState(decision.epoch.number, confirmed=False, tainted=False, begun=state.begun, history=history)


def confirmed(state: LocalState, epoch: Epoch) -> LocalState:
    """Take in that the own epoch serves clients, or that the component was found to be of it."""
    history = newest_epochs(merge({epoch.number: epoch}, state.history), epoch.number)
    return replace(state, epoch=epoch.number, confirmed=True, begun=True, history=history)


def begun(state: LocalState) -> LocalState:
    """Take in that etcd knows of the run that begins now."""
    return state if state.begun else replace(state, begun=True)


def ended(state: LocalState) -> LocalState:
    """Take in that etcd is about to be told of the clean end of the last run."""
    return replace(state, begun=False) if state.begun else state


def synced(state: LocalState) -> LocalState:
    """The data are whole again."""
    return replace(state, tainted=False) if state.tainted else state


def tainted(state: LocalState) -> LocalState:
    """The data must not be used again."""
    return replace(state, tainted=True)


def newest_epochs(history: Mapping[int, Epoch], own: int = 0) -> Mapping[int, Epoch]:
    """Return the epochs that are kept: ``own``, the newest, and those that the newest confirmed one goes back to.

    Elections that nobody confirmed may be many; they must not push out what the data are measured by.
    """
    if len(history) <= KEPT:
        return history
    kept = {own} & history.keys() | set(sorted(history)[-KEPT // 2 :])
    step = history.get(newest_confirmed(history))
    while step is not None and len(kept) < KEPT:
        kept.add(step.number)
        step = history.get(step.parent)
    return {number: history[number] for number in sorted(kept)}
