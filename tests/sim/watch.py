"""A database that answers is confirmed, adopted, checked or stopped: what ``bootstrap.watch`` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from galera_exporter.bootstrap import protocol
from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Adopt, Confirm, Keep, Relabel, Stop, Wait
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.local import confirmed, synced, tainted
from galera_exporter.bootstrap.state import Activity, Held, Report, Running, Snapshot
from galera_exporter.model import Position
from sim import checks
from sim.node import Node, Server, Step

if TYPE_CHECKING:
    from sim.world import World

from sim.desk import GRACE, STRANDED, begun, confirm, publish, tell_confirmed, timers, write_label, write_order


def supervise(world: World, node: Node, server: Server, snapshot: Snapshot | None) -> None:
    """The database answers."""
    sidecar, label = node.sidecar, node.disk.label
    begun(node, server.boot_id)
    primary = server.shown is not None
    sidecar.answered = world.now
    sidecar.incarnation = server.incarnation
    running = sidecar.running = describe(world, node, server)
    decision = protocol.supervise(running, snapshot)
    carry_out(world, node, decision, running, snapshot)
    if (
        label.tainted
        and isinstance(decision, Keep)
        and running.synced
        and not sidecar.stopping
        and snapshot is not None
        and label.epoch == newest_confirmed(snapshot.history)
    ):
        sidecar.todo += ((write_label, (synced(label),)),)
    if isinstance(decision, Stop):
        return
    if not primary:
        lonely(world, node, running, snapshot)
        return
    sidecar.lonely = None
    if snapshot is not None and sidecar.started is not None and not (running.confirmed and primary):
        publish(node, sidecar.started, snapshot)


def describe(world: World, node: Node, server: Server) -> Running:
    """Return what the database says, with the label of its data."""
    label, shown = node.disk.label, server.shown
    current = server.component
    uuid = world.histories.uuid[server.branch] if server.branch >= 0 else ""
    position = Position(uuid, server.applied) if uuid else Position()
    return Running(
        node=node.name,
        epoch=label.epoch,
        confirmed=label.confirmed or label.epoch == 0,
        primary=shown is not None,
        synced=server.synced and current is not None and shown == (current.uuid, current.conf_id),
        position=position,
        component=shown or (uuid, -1),
        inconsistent=server.inconsistent,
        group=server.group,
        stranded=stranded(world, node, server),
        history=label.history,
    )


def stranded(world: World, node: Node, server: Server) -> bool:
    """Whether Galera has been closed for long enough."""
    if server.closed is None:
        return False
    node.sidecar.wake = min(node.sidecar.wake, server.closed + STRANDED)
    return world.now - server.closed >= STRANDED


def carry_out(world: World, node: Node, decision: Any, running: Running, snapshot: Snapshot | None) -> None:
    """Note what a decision about a running database takes."""
    sidecar, label = node.sidecar, node.disk.label
    if isinstance(decision, Stop):
        order_stop(world, node, decision)
    elif snapshot is None:
        return
    elif isinstance(decision, Confirm):
        transaction = txn.confirm(decision, snapshot, running.position.uuid, running.component)
        epoch = replace(decision.epoch, uuid=running.position.uuid, confirmed=True)
        sidecar.todo = ((confirm, (transaction,)), (write_label, (confirmed(label, epoch),)), (tell_confirmed, ()))
    elif isinstance(decision, Adopt):
        world.serial += 1
        transaction = txn.adopt(decision, snapshot, label, str(world.serial))
        sidecar.todo = (
            (confirm, (transaction,)),
            (write_label, (confirmed(label, decision.epoch),)),
            (tell_confirmed, ()),
        )
        world.tally["adopted"] += 1
    elif isinstance(decision, Relabel):
        state = confirmed(label, snapshot.history[decision.epoch])
        sidecar.todo = ((write_label, (state,)), (tell_confirmed, ()))
        world.tally["relabelled"] += 1


def order_stop(world: World, node: Node, decision: Stop) -> None:
    """Taint the label if need be, then write the order."""
    sidecar = node.sidecar
    steps: list[Step] = []
    if decision.taint:
        steps.append((write_label, (tainted(node.disk.label),)))
    if not sidecar.stopping:
        checks.stopped(world, node, decision)
        steps.append((write_order, (sidecar.boot_id,)))
    sidecar.todo = tuple(steps)


def lonely(world: World, node: Node, running: Running, snapshot: Snapshot | None) -> None:
    """It was Primary and is not: after a while it offers itself for an election."""
    sidecar, label = node.sidecar, node.disk.label
    if sidecar.lonely is None:
        sidecar.lonely = world.now
    if snapshot is None or world.now - sidecar.lonely < GRACE:
        sidecar.wake = min(sidecar.wake, sidecar.lonely + GRACE)
        if snapshot is not None and sidecar.started is not None and node.name in snapshot.reports:
            publish(node, sidecar.started, snapshot)
        return
    report = Report(
        node=node.name,
        owner=sidecar.owner,
        boot_id=sidecar.boot_id,
        activity=Activity.SURVIVOR,
        held=Held.DATA,
        position=running.position,
        epoch=running.epoch,
        tainted=label.tainted,
        incarnation=sidecar.incarnation,
        expected=len(world.nodes),
        history=label.history,
    )
    decision = protocol.decide(report, snapshot, world.peers(node), timers(world, node))
    if isinstance(decision, Wait):
        sidecar.wait = decision.reason
        world.tally[decision.reason] += 1
    if isinstance(decision, Stop):
        order_stop(world, node, decision)
    else:
        publish(node, report, snapshot)
