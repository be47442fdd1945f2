"""A stopped database asks for a decision: what ``bootstrap.gate`` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from galera_exporter.bootstrap import protocol
from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Elect, Join, Resign, Start, Wait
from galera_exporter.bootstrap.local import begun, joined, report_of, started
from galera_exporter.bootstrap.state import Activity, Held, Report, Snapshot
from galera_exporter.model import Position
from sim import versions
from sim.node import Decision, Node, Step

if TYPE_CHECKING:
    from sim.world import World

from sim.desk import begin, elect, hand_out, publish, send, timers, write_label


def gate(world: World, node: Node, snapshot: Snapshot | None) -> None:
    """The database is stopped and asks."""
    sidecar, label, request = node.sidecar, node.disk.label, node.request
    assert request is not None
    sidecar.lonely = None
    known = sidecar.report
    if known is None or known[0] is not label or known[1] is not request:
        made = report_of(label, request, node.name, sidecar.owner, len(world.nodes))
        known = sidecar.report = label, request, versions.as_written_by_old(made) if sidecar.old else made
    me = known[2]
    decision = protocol.decide(me, snapshot, world.peers(node), timers(world, node))
    if isinstance(decision, Wait):
        sidecar.wait = decision.reason
        world.tally[decision.reason] += 1
    if isinstance(decision, Join | Start):
        let_out(node, decision, me, snapshot)
    elif snapshot is None:
        return
    elif isinstance(decision, Elect):
        world.serial += 1
        transaction = txn.elect(decision, snapshot, str(world.serial), "galera")
        sidecar.todo = ((elect, (transaction, decision)),)
    elif isinstance(decision, Resign) and snapshot.bootstrap is not None:
        sidecar.todo = ((send, (txn.resign(snapshot.bootstrap, snapshot),)),)
    else:
        publish(node, me, snapshot)


def let_out(node: Node, decision: Join | Start, me: Report, snapshot: Snapshot | None) -> None:
    """Label the data, bind the decision in etcd, hand it out: in this order."""
    label = node.disk.label
    state = joined(label, decision, me) if isinstance(decision, Join) else started(label, decision)
    fresh = isinstance(decision, Join) and decision.fresh
    position = me.position if me.held is Held.DATA and not fresh else Position()
    out = Decision(
        me.boot_id,
        isinstance(decision, Start),
        position,
        isinstance(decision, Start) and decision.initialize,
        fresh,
        state.epoch,
        decision.group,
    )
    bind: tuple[Step, ...] = ()
    if snapshot is not None:
        bind = (begin, (txn.begin(decision, me, snapshot), decision)), (write_label, (begun(state),))
    node.sidecar.todo = in_order(
        (write_label, (state,)), bind, (hand_out, (out, replace(me, activity=Activity.STARTING), decision))
    )


def in_order(label: Step, bind: tuple[Step, ...], hand: Step) -> tuple[Step, ...]:
    """Return the parts of a start: the label is on disk and the decision bound before it is handed out."""
    return (label, *bind, hand)
