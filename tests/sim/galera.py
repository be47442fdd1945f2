"""Galera, as it was seen and read: group communication with quorum, replication, state transfer. Without our protocol.

What matters here: a Primary component lives on where more than half of its last view stays; a
clean leave shrinks it. Nodes that lost it become Primary again when all of the last view meet. A
view change uses up a seqno and is recorded before it becomes effective. A commit is acknowledged when
all members have received it; appliers lag. A joiner is taken in by UUID and seqno alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap.state import View
from sim import checks
from sim.content import NOWHERE
from sim.node import Node, Phase, Server

if TYPE_CHECKING:
    from sim.world import World

WAIT_FOR_PRIMARY = 30.0
"""pc.wait_prim_timeout: seconds until a joiner without a Primary component ends itself."""


class Component:
    """A Primary component."""

    __slots__ = ("branch", "conf_id", "confirmed", "members", "seq", "seqno", "uuid")

    def __init__(self, members: list[Node], uuid: str, branch: int, seqno: int) -> None:
        self.members = members
        self.uuid = uuid
        self.branch = branch
        self.seqno = seqno
        self.conf_id = 0
        self.seq = 0
        self.confirmed = False
        """etcd was told that it serves clients."""


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
        regroup(world)
        return
    if disk.branch == NOWHERE or disk.blind:
        world.serial += 1  # without a start position it begins a history of its own
        disk.branch, disk.seqno = world.histories.root(f"uuid-{world.serial}"), 0
    branch = world.histories.grow(disk.branch, disk.seqno)
    server.branch, server.received, server.applied, server.synced = branch, disk.seqno, disk.seqno, True
    component = Component([node], world.histories.uuid[branch], branch, disk.seqno)
    server.component = component
    world.components.append(component)
    install(component)
    disk.clean = False
    world.changes += 1
    checks.components(world)
    regroup(world)


def install(component: Component) -> None:
    """Make a new Primary view: it uses up a seqno."""
    component.seq += 1
    component.conf_id += 1
    component.seqno += 1
    view = View(component.seq, tuple(sorted([m.server.incarnation for m in component.members])))  # type: ignore[union-attr]  # members run
    for member in component.members:
        server = member.server
        assert server is not None
        server.last = view
        server.unrecorded = True
        if server.synced:
            current = server.applied == server.received and server.shown is not None and not member.lag
            server.branch, server.received = component.branch, component.seqno
            if current:
                server.applied = server.received  # the view itself: it is shown at once where nothing came before it
                server.shown = component.uuid, component.conf_id
                member.disk.safe = len(component.members) == 1


def record(node: Node) -> None:
    """Write gvwstate.dat. Before a view carries anything, all members have: they exchange their states in it first."""
    server = node.server
    assert server is not None
    if server.unrecorded:
        server.unrecorded = False
        node.disk.incarnation, node.disk.view = server.incarnation, server.last


def process(node: Node) -> None:
    """Let mariadbd come to the present view, if it has applied all that came before: grastate.dat and status say it."""
    server = node.server
    assert server is not None
    if server.applied >= server.received or server.transfer:
        component = server.component
        server.shown = None if component is None else (component.uuid, component.conf_id)
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


def settle(node: Node) -> None:
    """Let mariadbd do what it does within a second: record its view, apply what it received, flush it."""
    server = node.server
    if server is None or node.phase is not Phase.UP or server.transfer:
        return
    record(node)
    if not node.lag:
        server.applied = server.received
    process(node)
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
    process(node)
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
        _split(world, component, lost=0, left=1)
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
    regroup(world)


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
        _split(world, component, lost=1)
    regroup(world)


def ended(world: World, node: Node) -> None:
    """Take the run away."""
    node.server = None
    node.phase = Phase.OFF
    node.waking = False
    world.changes += 1


def regroup(world: World) -> None:
    """Let group communication find who reaches whom: after each change of processes or network."""
    for component in list(world.components):
        if component in world.components:
            _split(world, component)
    groups: dict[int, list[Node]] = {}
    for node in world.nodes:
        server = node.server
        if (
            server is not None
            and node.phase is Phase.UP
            and not node.frozen
            and not server.inconsistent
            and server.closed is None
        ):
            groups.setdefault(node.group, []).append(node)
    for nodes in groups.values():
        alone = [node for node in nodes if node.server is not None and node.server.component is None]
        if alone:
            primaries = [
                c for c in world.components if not c.members[0].frozen and c.members[0].group == nodes[0].group
            ]
            if len(primaries) == 1:
                _merge(world, primaries[0], alone)
            elif not primaries:
                _again(world, alone)
    checks.components(world)


def _split(world: World, component: Component, lost: int = 0, left: int = 0) -> None:
    """Keep the part of a Primary component that has the quorum; ``lost`` and ``left``: members removed just now."""
    total = len(component.members) + lost
    parts: dict[object, list[Node]] = {}
    for node in component.members:
        server = node.server
        gone = node.frozen or (server is not None and server.inconsistent)
        parts.setdefault(node.name if gone else node.group, []).append(node)
    if len(parts) == 1 and not lost + left:
        return
    world.changes += 1
    keeps = next((part for part in parts.values() if 2 * len(part) > total), [])
    crashed = []
    for node in component.members:
        if node not in keeps:
            server = node.server
            assert server is not None
            server.component = None
            server.synced = False
            process(node)
            if server.transfer == "sst":
                crashed.append(node)
            elif server.transfer:
                server.transfer = ""
    component.members = keeps
    if keeps:
        install(component)
    if not any(m.server is not None and m.server.synced for m in keeps):
        # Nobody is left who could be a donor: the rest are joiners of nothing.
        for node in keeps:
            node.server.component = None  # type: ignore[union-attr]  # members run
        crashed += keeps
        component.members = []
        world.components.remove(component)
    for node in crashed:
        assert node.server is not None
        if node.server.transfer == "sst" and world.serial % 3 == 0:
            node.server.closed, node.server.transfer = world.now, ""
            node.server.branch, node.server.received, node.server.applied = NOWHERE, -1, -1
            # Seen: after a transfer that failed the server may run on, closed to the group.
            world.tally["closed after a failed transfer"] += 1
        else:
            crash(world, node)


def _merge(world: World, component: Component, alone: list[Node]) -> None:
    """Take nodes into a Primary component, by UUID and seqno as Galera does."""
    entered = False
    for node in alone:
        entered = _enter(world, component, node) or entered
    if entered:
        install(component)
        world.changes += 1


def _enter(world: World, component: Component, node: Node) -> bool:
    server = node.server
    assert server is not None
    histories = world.histories
    same = server.branch != NOWHERE and histories.uuid[server.branch] == component.uuid
    behind = component.seqno - server.received
    if (same and behind < 0) or (server.last is not None and (not same or behind > world.gcache)):
        # Galera aborts: its data are beyond the group's, or it would need a full transfer while it runs.
        world.tally["refused by Galera"] += 1
        crash_alone(world, node)
        return False
    if same and behind <= world.gcache:
        if not histories.fits(server.branch, server.received, component.branch, component.seqno):
            server.mixing = True
            world.tally["mixed by IST"] += 1
        server.applied = server.received
        flush(node)
        process(node)
        node.disk.strayed = node.disk.label.epoch != component.members[0].disk.label.epoch
        server.transfer = "ist"
        world.tally["IST"] += 1
    else:
        checks.thrown_away(world, node, component.branch, component.seqno)
        disk = node.disk
        disk.present, disk.transfer, disk.whole, disk.blind = True, True, False, False
        disk.branch, disk.seqno, disk.clean, disk.safe = component.branch, component.seqno, False, False
        server.transfer = "sst"
        world.tally["SST"] += 1
    node.disk.clean = False
    server.component = component
    server.shown = component.uuid, component.conf_id
    component.members.append(node)
    return True


def crash_alone(world: World, node: Node) -> None:
    """End a run that is in no component."""
    settle(node)
    ended(world, node)


def _again(world: World, alone: list[Node]) -> None:
    """Become Primary again, where all of the last Primary view are here in the same runs."""
    seen = [node for node in alone if node.server is not None and node.server.last is not None]
    if not seen:
        return
    latest = max((node.server.last for node in seen), key=lambda view: view.seq)  # type: ignore[union-attr]  # all have one
    here = {node.server.incarnation: node for node in alone if node.server is not None}
    assert latest is not None
    if not here.keys() >= set(latest.members):
        return
    first = max((here[each] for each in latest.members), key=lambda node: (node.server.received, -node.index))  # type: ignore[union-attr]  # they run
    server = first.server
    assert server is not None
    branch = world.histories.grow(server.branch, server.received)
    component = Component([first], world.histories.uuid[branch], branch, server.received)
    component.seq = latest.seq
    component.conf_id = latest.seq  # it goes on from the last view's; only that it differs matters
    component.confirmed = first.disk.label.confirmed
    server.component, server.synced = component, True
    world.components.append(component)
    for node in alone:
        if node is not first:
            _enter(world, component, node)
    for node in component.members:
        other = node.server
        if other is not None and other.transfer == "ist" and other.received == server.received:
            other.transfer, other.synced = "", True
            node.disk.mixed = node.disk.mixed or other.mixing
    install(component)
    world.tally["Primary again"] += 1
    world.changes += 1


def start(world: World, node: Node) -> None:
    """Start mariadbd by the decision that the wrapper took."""
    taken = node.booting
    assert taken is not None
    world.serial += 1
    node.server = Server(taken.boot_id, f"{node.name}.{world.serial}", bootstrap=taken.bootstrap, fresh=taken.fresh)
    node.phase = Phase.STARTING
