"""Galera, as it was seen and read: group communication with quorum, replication, state transfer. Without our protocol.

What matters here: a Primary component lives on where more than half of its last view stays; a
clean leave shrinks it. Nodes that lost it become Primary again when all of the last view meet. A
view change uses up a seqno and is recorded before it becomes effective. A commit is acknowledged when
all members have received it; appliers lag. A joiner is taken in by UUID and seqno alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim import checks, group
from sim.content import NOWHERE
from sim.group import Component
from sim.node import Node, Phase, Server

if TYPE_CHECKING:
    from sim.world import World

WAIT_FOR_PRIMARY = 30.0
"""pc.wait_prim_timeout: seconds until a joiner without a Primary component ends itself."""


def begin(world: World, node: Node) -> None:
    """Let mariadbd join the group, or make one: ``--wsrep-new-cluster``."""
    server = node.server
    assert server is not None
    node.phase = Phase.UP
    disk = node.disk
    if not server.bootstrap:
        server.deadline = world.now + WAIT_FOR_PRIMARY
        if not server.fresh and disk.present and not disk.blind:
            server.branch, server.received, server.applied = disk.branch, disk.seqno, disk.seqno
        group.regroup(world)
        return
    if disk.branch == NOWHERE or disk.blind:
        world.serial += 1  # without a start position it begins a history of its own
        disk.branch, disk.seqno = world.histories.root(f"uuid-{world.serial}"), 0
    branch = world.histories.grow(disk.branch, disk.seqno)
    server.branch, server.received, server.applied, server.synced = branch, disk.seqno, disk.seqno, True
    component = Component([node], server.group, world.histories.uuid[branch], branch, disk.seqno)
    server.component = component
    world.components.append(component)
    group.install(component)
    disk.clean = False
    world.changes += 1
    checks.components(world)
    group.regroup(world)


def record(node: Node) -> None:
    """Write gvwstate.dat. Before a view carries anything, all members have: they exchange their states in it first."""
    server = node.server
    assert server is not None
    if server.unrecorded:
        server.unrecorded = False
        node.disk.incarnation, node.disk.view = server.incarnation, server.last


def process(world: World, node: Node) -> None:
    """Let mariadbd come to the present view, if it has applied all that came before: grastate.dat and status say it."""
    server = node.server
    assert server is not None
    if server.applied >= server.received or server.transfer:
        component = server.component
        shown = None if component is None else (component.uuid, component.conf_id)
        if shown != server.shown:
            server.shown = shown
            world.changes += 1
        if component is not None and not server.transfer:
            node.disk.safe = len(component.members) == 1


def commit(world: World, node: Node) -> bool:
    """Commit a transaction that a client sent to ``node``; it is told when all members have received it."""
    server = node.server
    label = node.disk.label
    ready = label.confirmed and not label.tainted  # else no client is sent to it
    if server is None or node.frozen or server.component is None or not server.synced or not ready:
        return False
    component = server.component
    component.seqno += 1
    for member in component.members:
        record(member)
        other = member.server
        if other is not None and other.synced:
            other.received = component.seqno
    server.applied = component.seqno
    if world.durable:
        flush(node)
    world.histories.acknowledge(component.branch, component.seqno)
    return True


def flush(node: Node) -> None:
    """Have on the disk what was applied."""
    server = node.server
    if server is not None and server.applied > node.disk.seqno and not server.transfer:
        node.disk.branch, node.disk.seqno = server.branch, server.applied


def settle(world: World, node: Node) -> None:
    """Let mariadbd do what it does within a second: record its view, apply what it received, flush it."""
    server = node.server
    if server is None or node.phase is not Phase.UP or server.transfer:
        return
    record(node)
    if not node.lag:
        server.applied = server.received
    process(world, node)
    flush(node)


def transferred(world: World, node: Node) -> bool:
    """End a state transfer, if there is a donor; return whether it ended."""
    server = node.server
    if server is None or not server.transfer or server.component is None:
        return False
    component = server.component
    donor = next((m for m in component.members if m is not node and m.server is not None and m.server.synced), None)
    if donor is None:
        return False
    for member in component.members:
        record(member)
    disk = node.disk
    if server.transfer == "sst":
        disk.present, disk.transfer, disk.whole, disk.corrupt = True, False, True, False
        disk.mixed = donor.disk.mixed
        disk.seqno = -1
    disk.mixed = disk.mixed or server.mixing
    server.transfer = ""
    server.synced = True
    server.branch, server.received, server.applied = component.branch, component.seqno, component.seqno
    flush(node)
    process(world, node)
    world.changes += 1
    return True


def leave(world: World, node: Node) -> None:
    """Stop mariadbd in order: it applies all that it received, and says in grastate.dat where it is."""
    server = node.server
    assert server is not None
    component = server.component
    if node.phase is Phase.UP and not server.transfer and server.branch != NOWHERE and not server.inconsistent:
        record(node)
        server.applied = server.received
        flush(node)
        node.disk.clean = True
        node.disk.safe = component is not None and component.members == [node]
    if component is not None:
        component.members.remove(node)
        group.split(world, component, lost=0, left=1)
    ended(world, node)


def leave_together(world: World) -> None:
    """Stop all at once: each sees the others go in the same view as itself, and nobody is the last."""
    for component in list(world.components):
        for node in component.members:
            assert node.server is not None
            if not node.frozen and node.server.synced:
                record(node)
                node.server.applied = node.server.received
                flush(node)
                node.disk.clean, node.disk.safe = True, False
    for node in world.nodes:
        if node.server is not None and not node.frozen:
            if node.server.component is not None:
                node.server.component.members.remove(node)
                if not node.server.component.members:
                    world.components.remove(node.server.component)
            ended(world, node)
    group.regroup(world)


def crash(world: World, node: Node) -> None:
    """End mariadbd at once: what was not flushed is lost, what a full transfer replaced is lost."""
    server = node.server
    if server is None:
        return
    component = server.component
    if server.transfer == "sst" and world.serial % 2:
        node.disk.present = False  # killed before the first file was moved into place
        node.disk.branch, node.disk.seqno = NOWHERE, -1
    ended(world, node)
    if component is not None:
        component.members.remove(node)
        group.split(world, component, lost=1)
    group.regroup(world)


def ended(world: World, node: Node) -> None:
    """Take the run away."""
    node.server = None
    node.phase = Phase.OFF
    node.waking = False
    world.changes += 1


def crash_alone(world: World, node: Node) -> None:
    """End a run that is in no component."""
    settle(world, node)
    ended(world, node)


def start(world: World, node: Node) -> None:
    """Start mariadbd by the decision that the wrapper took."""
    taken = node.booting
    assert taken is not None
    world.serial += 1
    node.server = Server(
        taken.boot_id, f"{node.name}.{world.serial}", taken.group, bootstrap=taken.bootstrap, fresh=taken.fresh
    )
    node.phase = Phase.STARTING
