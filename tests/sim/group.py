"""Galera's group communication: who reaches whom, which part is Primary, and whom it takes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap.state import View
from sim import checks, galera
from sim.content import NOWHERE
from sim.node import Node, Phase

if TYPE_CHECKING:
    from sim.world import World


class Component:
    """A Primary component."""

    __slots__ = ("branch", "conf_id", "confirmed", "group", "members", "seq", "seqno", "uuid")

    def __init__(self, members: list[Node], group: str, uuid: str, branch: int, seqno: int) -> None:
        self.members = members
        self.group = group
        self.uuid = uuid
        self.branch = branch
        self.seqno = seqno
        self.conf_id = 0
        self.seq = 0
        self.confirmed = False
        """etcd was told that it serves clients."""


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


def regroup(world: World) -> None:
    """Let group communication find who reaches whom: after each change of processes or network."""
    for component in list(world.components):
        if component in world.components:
            split(world, component)
    groups: dict[tuple[int, str], list[Node]] = {}
    for node in world.nodes:
        server = node.server
        if (
            server is not None
            and node.phase is Phase.UP
            and not node.frozen
            and not server.inconsistent
            and server.closed is None
        ):
            groups.setdefault((node.group, server.group), []).append(node)
    for (place, group), nodes in groups.items():
        alone = [node for node in nodes if node.server is not None and node.server.component is None]
        if alone:
            primaries = [
                c
                for c in world.components
                if c.group == group and not c.members[0].frozen and c.members[0].group == place
            ]
            if len(primaries) == 1:
                _merge(world, primaries[0], alone)
            elif not primaries:
                _again(world, alone)
    checks.components(world)


def split(world: World, component: Component, lost: int = 0, left: int = 0) -> None:
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
    crashed = _drop(world, component, keeps)
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
        _fail(world, node)


def _drop(world: World, component: Component, keeps: list[Node]) -> list[Node]:
    """Leave the members that are not kept without a component; return those whose transfer has no donor now."""
    failed = []
    for node in component.members:
        server = node.server
        assert server is not None
        if node not in keeps:
            server.component, server.synced = None, False
            galera.process(world, node)
            if server.transfer == "sst":
                failed.append(node)
            else:
                server.transfer = ""
    return failed


def _fail(world: World, node: Node) -> None:
    """End a joiner whose donor has gone. Seen: after a failed SST the server may run on, closed to the group."""
    server = node.server
    assert server is not None
    if server.transfer == "sst" and world.serial % 3 == 0:
        server.closed, server.transfer = world.now, ""
        server.branch, server.received, server.applied = NOWHERE, -1, -1
        world.tally["closed after a failed transfer"] += 1
    else:
        galera.crash(world, node)


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
        galera.crash_alone(world, node)
        return False
    if same and behind <= world.gcache:
        if not histories.fits(server.branch, server.received, component.branch, component.seqno):
            server.mixing = True
            world.tally["mixed by IST"] += 1
        server.applied = server.received
        galera.flush(node)
        galera.process(world, node)
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
    component = Component([first], server.group, world.histories.uuid[branch], branch, server.received)
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
