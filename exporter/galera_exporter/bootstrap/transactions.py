"""What an action of the protocol is in etcd: one transaction, as values.

Keys are those below the cluster's prefix; values are those of ``state``. ``records`` turns
them into bytes for etcd; the simulation's store takes them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from galera_exporter.bootstrap.decisions import Adopt, Confirm, Elect, Join, Start
from galera_exporter.bootstrap.lineage import History
from galera_exporter.bootstrap.local import LocalState, newest_epochs
from galera_exporter.bootstrap.membership import registers
from galera_exporter.bootstrap.state import (
    Activity,
    Bootstrap,
    Component,
    Epoch,
    LastKnown,
    Order,
    Phase,
    Report,
    Running,
    Snapshot,
    Turn,
    group_name,
)
from galera_exporter.model import Position

LIVE: Final = "live/"
PRIMARY: Final = "primary/"
REPORT: Final = "report/"
NODES: Final = "nodes/"
HISTORY: Final = "history/"
OVERRIDE: Final = "override/"
USED: Final = "override-used/"
BOOTSTRAP: Final = "bootstrap"
HOLD: Final = "hold"
TURN: Final = "join/turn"

Value = Bootstrap | Epoch | Report | LastKnown | Component | Turn | Order | str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Holds while the last write of ``key`` is that of ``revision``; 0: while the key does not exist."""

    key: str
    revision: int


@dataclass(frozen=True, slots=True)
class NoneBelow:
    """Holds while no key starts with ``folder``."""

    folder: str


@dataclass(frozen=True, slots=True)
class Put:
    """Write a key; ``leased``: it ends with the node's lease."""

    key: str
    value: Value
    leased: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a key."""

    key: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """All of ``changes``, if all of ``guards`` hold."""

    guards: tuple[Unchanged | NoneBelow, ...]
    changes: tuple[Put | Drop, ...]


def publish(report: Report, snapshot: Snapshot) -> Transaction:
    """Write the own report; who reports is not Primary, and who is stopped does not live."""
    key = REPORT + report.node
    past = [PRIMARY] if report.activity is Activity.SURVIVOR else [PRIMARY, LIVE]
    changes: list[Put | Drop] = [Put(key, report, leased=True)]
    changes += [Drop(folder + report.node) for folder in past if folder + report.node in snapshot.revisions]
    if report.activity is Activity.GATE and snapshot.joining == report.node:
        changes.append(Drop(TURN))
    return Transaction((unchanged(snapshot, key),), tuple(changes))


def elect(decision: Elect, snapshot: Snapshot, token: str, cluster: str) -> Transaction:
    """Write an election: only while nobody is Primary, and all that it was built on is as it was."""
    epoch = replace(decision.epoch, group=group_name(cluster, decision.epoch.number, token))
    guards: list[Unchanged | NoneBelow] = [NoneBelow(PRIMARY)]
    guards += [unchanged(snapshot, key) for key in decision.uses]
    changes: list[Put | Drop] = [Put(BOOTSTRAP, Bootstrap(Phase.ELECTED, epoch, token))]
    changes += _history(snapshot, {**snapshot.history, epoch.number: epoch})
    changes += _used(snapshot, decision.order)
    return Transaction(tuple(guards), tuple(changes))


def begin(decision: Start | Join, report: Report, snapshot: Snapshot) -> Transaction:
    """Let a node out of the gate: it may run from now on, and its last clean stop is past."""
    key, last = REPORT + report.node, NODES + report.node
    guards: list[Unchanged | NoneBelow] = [unchanged(snapshot, key), unchanged(snapshot, last)]
    if isinstance(decision, Start):
        guards.append(unchanged(snapshot, BOOTSTRAP))
    elif decision.order:
        guards.append(unchanged(snapshot, OVERRIDE + decision.order))
    changes: list[Put | Drop] = [Put(key, replace(report, activity=Activity.STARTING), leased=True)]
    # Of a node that never ran it is remembered that there is one: so it can be named when it is missing.
    known = snapshot.nodes.get(report.node) or LastKnown(report.node, Position(), 0, "")
    changes.append(Put(last, replace(known, final=False)))
    if isinstance(decision, Join):
        guards.append(unchanged(snapshot, TURN))
        changes.append(Put(TURN, Turn(report.node), leased=True))
        changes += _used(snapshot, decision.order)
    return Transaction(tuple(guards), tuple(changes))


def confirm(decision: Confirm, snapshot: Snapshot, uuid: str, component: Component) -> Transaction:
    """Say that the elected node is Primary and Synced: only while the election is still its own."""
    bootstrap = snapshot.bootstrap
    epoch = replace(decision.epoch, uuid=uuid, confirmed=True)
    token = "" if bootstrap is None else bootstrap.token
    changes = (
        Put(BOOTSTRAP, Bootstrap(Phase.PRIMARY, epoch, token)),
        Put(f"{HISTORY}{epoch.number}", epoch),
        Put(PRIMARY + epoch.node, component, leased=True),
        Drop(REPORT + epoch.node),
    )
    return Transaction((unchanged(snapshot, BOOTSTRAP),), changes)


def beat(running: Running, snapshot: Snapshot) -> tuple[Put | Drop, ...]:
    """Return what a running node writes at each beat beside what it knows of itself: whether it is a member."""
    node = running.node
    if not registers(running, snapshot):
        return (Drop(PRIMARY + node),) if PRIMARY + node in snapshot.revisions else ()
    changes: list[Put | Drop] = [Put(PRIMARY + node, running.component, leased=True)]
    if REPORT + node in snapshot.revisions:
        changes.append(Drop(REPORT + node))
    if running.synced and snapshot.joining == node:
        changes.append(Drop(TURN))
    return tuple(changes)


def resign(bootstrap: Bootstrap, snapshot: Snapshot) -> Transaction:
    """Give the own election back."""
    void = replace(bootstrap, phase=Phase.VOID)
    return Transaction((unchanged(snapshot, BOOTSTRAP),), (Put(BOOTSTRAP, void),))


def adopt(decision: Adopt, snapshot: Snapshot, state: LocalState, token: str) -> Transaction:
    """Write the epoch of a running Primary component, and what its node knows of the past."""
    epoch = decision.epoch
    changes: list[Put | Drop] = [
        Put(BOOTSTRAP, Bootstrap(Phase.PRIMARY, epoch, token)),
        Put(PRIMARY + decision.node, decision.component, leased=True),
    ]
    changes += _history(snapshot, {**snapshot.history, **state.history, epoch.number: epoch})
    return Transaction((unchanged(snapshot, BOOTSTRAP),), tuple(changes))


def final(known: LastKnown, snapshot: Snapshot) -> Transaction:
    """Say that a run ended cleanly, and where."""
    key = NODES + known.node
    return Transaction((unchanged(snapshot, key),), (Put(key, replace(known, final=True)),))


def unchanged(snapshot: Snapshot, key: str) -> Unchanged:
    """Return the guard that a key is as the snapshot has it."""
    return Unchanged(key, snapshot.revisions.get(key, 0))


def _history(snapshot: Snapshot, epochs: History) -> list[Put | Drop]:
    """Write the epochs that etcd does not have, and drop those beyond what is kept."""
    kept = newest_epochs(epochs)
    changes: list[Put | Drop] = []
    for number, epoch in kept.items():
        key = f"{HISTORY}{number}"
        if key not in snapshot.revisions or epoch != snapshot.history.get(number):
            changes.append(Put(key, epoch))
    names = {f"{HISTORY}{number}" for number in kept}
    old = sorted(key for key in snapshot.revisions if key.startswith(HISTORY) and key not in names)
    return [*changes, *[Drop(key) for key in old]]


def _used(snapshot: Snapshot, token: str) -> list[Put | Drop]:
    order = next((each for each in snapshot.orders if each.token == token), None)
    return [] if order is None else [Drop(OVERRIDE + token), Put(USED + token, order)]
