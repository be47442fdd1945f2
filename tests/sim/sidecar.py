"""The sidecar's step, part by part: what ``bootstrap.coordinator`` and the heartbeat do, on the product's pure core.

A step reads etcd once, asks the core, and does at most one thing; the beat follows. Between any
two parts (``Step``) a crash, a pause or another node may come: so each part is a value that can wait.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Stop
from galera_exporter.bootstrap.local import ended as past
from galera_exporter.bootstrap.membership import registers
from galera_exporter.bootstrap.state import LastKnown, Peer, Snapshot
from galera_exporter.bootstrap.transactions import LIVE, NODES, Drop, Put, Transaction, Unchanged
from galera_exporter.model import Position
from sim import versions
from sim.node import Node, Phase

if TYPE_CHECKING:
    from sim.world import World

from sim.desk import (
    BEAT,
    FOREVER,
    TTL,
    begun,
    publish,
    reach,
    renew,
    said_final,
    send,
    served,
    silent,
    watch_elected,
    watch_own,
    write_label,
)
from sim.gate import gate
from sim.watch import order_stop, supervise


def tick(world: World, node: Node) -> bool:
    """Do a whole step, or the rest of one that was begun; return whether anything was done."""
    sidecar = node.sidecar
    if not sidecar.alive or sidecar.frozen:
        return False
    if not sidecar.hung:
        if sidecar.quiet == (world.changes, world.store.revision) and world.now < sidecar.wake:
            return False
        plan(world, node)
    if not sidecar.todo:
        sidecar.hung = False
        sidecar.quiet = world.changes, world.store.revision
        return False
    while sidecar.todo:
        part(world, node)
    sidecar.hung = False
    return True


def part(world: World, node: Node) -> None:
    """Do the next part; what follows one that failed is left to the next step."""
    sidecar = node.sidecar
    (function, arguments), sidecar.todo = sidecar.todo[0], sidecar.todo[1:]
    if not function(world, node, *arguments):
        sidecar.todo = ()


def half(world: World, node: Node) -> bool:
    """Do one part of a step, and hang there."""
    sidecar = node.sidecar
    if not sidecar.alive or sidecar.frozen:
        return False
    if not sidecar.hung:
        plan(world, node)
        sidecar.hung = bool(sidecar.todo)
    elif sidecar.todo:
        part(world, node)
        sidecar.hung = bool(sidecar.todo)
    return True


def plan(world: World, node: Node) -> None:
    """Read, decide, and note what is to be done."""
    sidecar = node.sidecar
    snapshot = None
    if not reach(world, node):
        sidecar.contact = None
    else:
        if sidecar.contact is None:
            sidecar.contact = world.now
        if not silent(world, node):
            watch_own(node, world.store.snapshot())
            renew(world, node)
        snapshot = world.store.snapshot()
        if sidecar.old:
            snapshot = versions.as_read_by_old(snapshot)
    show(world, node)
    sidecar.wait = sidecar.running = None
    sidecar.wake = FOREVER
    watch_elected(world, node, snapshot)
    server = node.server
    if node.phase is Phase.GATE:
        asked = node.request
        assert asked is not None
        if asked.boot_id in {sidecar.boot_id, "" if node.decision is None else node.decision.boot_id}:
            between(world, node, snapshot)
        else:
            gate(world, node, snapshot)
    elif server is not None and node.phase is Phase.UP and not node.frozen and server.transfer != "sst":
        supervise(world, node, server, snapshot)
    else:
        between(world, node, snapshot)
    if snapshot is not None and not node.frozen:
        beat(world, node, snapshot)


def show(world: World, node: Node) -> None:
    """Refresh what this sidecar tells the others."""
    server, label = node.server, node.disk.label
    sidecar = node.sidecar
    if server is None or node.phase is not Phase.UP or node.frozen or server.transfer == "sst":
        if sidecar.page is not None:
            sidecar.page = None
            world.changes += 1
        return
    primary = server.shown is not None
    sure = label.confirmed and not label.tainted
    page = sidecar.page
    if (
        page is None
        or page.primary != primary
        or page.confirmed != sure
        or page.epoch != label.epoch
        or page.history is not label.history
    ):
        sidecar.page = Peer(node.name, primary, sure, label.epoch, label.history)
        world.changes += 1


def between(world: World, node: Node, snapshot: Snapshot | None) -> None:
    """The database does not answer: it was let out, or has ended."""
    sidecar = node.sidecar
    if node.phase is Phase.OFF:
        ended(node, snapshot)
        return
    boot_id = (
        node.server.boot_id if node.server is not None else node.request.boot_id if node.request is not None else ""
    )
    begun(node, boot_id)
    if sidecar.answered is not None and world.now - sidecar.answered < TTL:
        sidecar.wake = min(sidecar.wake, sidecar.answered + TTL)  # only slow, perhaps: its keys end with their lease
    elif snapshot is not None and sidecar.started is not None:
        if sidecar.overtaken:
            order_stop(world, node, Stop("its election was taken over"))
        else:
            publish(node, sidecar.started, snapshot)


def ended(node: Node, snapshot: Snapshot | None) -> None:
    """Say that the run ended cleanly, and where."""
    sidecar, label = node.sidecar, node.disk.label
    if node.clean_exit is None or snapshot is None:
        return
    boot_id, position = node.clean_exit
    if sidecar.boot_id != boot_id or not sidecar.incarnation or not label.confirmed or label.tainted:
        return
    if position.defined:
        known = LastKnown(node.name, position, label.epoch, sidecar.incarnation)
        if sidecar.old:
            known = versions.known_to_old(known)
        sidecar.todo = (write_label, (past(label),)), (send, (txn.final(known, snapshot),)), (said_final, ())


def beat(world: World, node: Node, snapshot: Snapshot) -> None:
    """Write the own live key and what goes with it; not while the database gives no sign of life."""
    sidecar, name = node.sidecar, node.name
    server = node.server
    if server is None or node.phase is not Phase.UP or node.frozen or server.transfer == "sst":
        return
    if world.now < sidecar.next_beat:
        sidecar.wake = min(sidecar.wake, sidecar.next_beat)
        return
    if snapshot.owners.get(name) not in {None, sidecar.owner}:
        return
    changes = beside(world, node, snapshot)
    if changes:
        guard = Unchanged(LIVE + name, snapshot.revisions.get(LIVE + name, 0))
        sidecar.todo += ((send, (Transaction((guard,), tuple(changes)),)),)


def beside(world: World, node: Node, snapshot: Snapshot) -> list[Put | Drop]:
    """Return what the beat writes. What would change nothing but a revision is left out, for the simulation's speed."""
    sidecar, name, running, holds = node.sidecar, node.name, node.sidecar.running, world.store.holds
    sidecar.next_beat = world.now + BEAT
    changes: list[Put | Drop] = [Put(LIVE + name, sidecar.owner, leased=True)]
    durable, sidecar.record = sidecar.record, None
    if running is not None:
        changes += txn.beat(running, snapshot)
        if registers(running, snapshot):
            served(world, node)
            known = LastKnown(name, running.position, running.epoch, sidecar.incarnation)
            sidecar.record = versions.known_to_old(known) if sidecar.old else known
            if durable is not None and durable.epoch == running.epoch:
                changes.append(Put(NODES + name, durable))
            elif name not in snapshot.nodes:
                changes.append(Put(NODES + name, replace(sidecar.record, position=Position())))
            if durable != sidecar.record:
                sidecar.wake = min(sidecar.wake, sidecar.next_beat)
    lease = sidecar.lease
    return [c for c in changes if isinstance(c, Drop) or not holds(c.key, c.value, lease if c.leased else 0)]
