"""The database's container: the wrapper's side of the handoff, as charts/galera/files/galera-start.sh does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sim import checks, galera, group
from sim.content import NOWHERE
from sim.node import Decision, Node, Phase

if TYPE_CHECKING:
    from sim.world import World

LEASE = 40.0
"""Seconds without a sign of the sidecar after which an unconfirmed bootstrap ends."""


PROMPT = 3.0
"""Seconds from the decision within which a bootstrap starts without a further look at its lease."""
AWAITED = 10.0
"""Seconds that it waits for that."""


def prepare(world: World, node: Node) -> None:
    """Begin a start: look at the data directory and ask."""
    world.serial += 1
    world.changes += 1
    node.phase = Phase.GATE
    disk = node.disk
    if disk.marker and disk.complete and disk.branch != NOWHERE:
        disk.marker = False  # it has a position: a cluster was made of it
    node.request = node.disk.request(f"boot-{world.serial}", world.histories)
    node.decision = node.booting = None
    node.order = node.asked = ""


def run(world: World, node: Node) -> bool:
    """Do the next thing that wrapper or mariadbd have to do; return whether there was one."""
    if node.frozen:
        return False
    if node.waking and overdue(world, node):
        return True
    act = _NEXT.get(node.phase)
    return act is not None and act(world, node)


def _initialize(world: World, node: Node) -> bool:
    if node.awaits is None and world.now - node.taken >= PROMPT:
        node.awaits = world.now, node.beat  # it took long: etcd must still know of it
    if node.awaits is not None and node.beat == node.awaits[1]:
        if world.now - node.awaits[0] < AWAITED:
            return False
        node.phase = Phase.OFF
        world.changes += 1
        return True
    node.disk.present = node.disk.whole = node.disk.complete = True
    _launch(world, node)
    return True


def _begin(world: World, node: Node) -> bool:
    galera.begin(world, node)
    return True


def _supervise(world: World, node: Node) -> bool:
    server = node.server
    assert server is not None
    if node.asked == server.boot_id and not node.confirmed:
        node.confirmed = True
        node.disk.marker = False
        return True
    if node.order:
        mine = node.order == server.boot_id
        node.order = ""
        if mine:
            stop(world, node)
            prepare(world, node)
        return True
    if galera.transferred(world, node):
        return True
    pending = not server.transfer and (server.unrecorded or (server.applied < server.received and not node.lag))
    galera.settle(world, node)
    return pending


def take(node: Node) -> Decision | None:
    """Take the decision file away before anything is done with it; one of another start is ignored."""
    taken, node.decision = node.decision, None
    return taken if taken is not None and node.request is not None and taken.boot_id == node.request.boot_id else None


def _take_decision(world: World, node: Node) -> bool:
    if node.decision is None:
        return False
    world.changes += 1
    taken = take(node)
    if taken is None:
        return True
    checks.used_once(node, taken)
    node.booting = taken
    node.confirmed = not taken.bootstrap
    node.beat = node.taken = world.now
    node.awaits = None
    disk = node.disk
    if taken.bootstrap:
        checks.bootstrap(world, node)
        if taken.initialize:
            checks.thrown_away(world, node)
            wipe(node)
            node.disk.marker = True
            node.phase = Phase.INITIALIZING
            world.changes += 1
            return True
        disk.clean, disk.safe = False, True
    elif disk.marker:
        checks.thrown_away(world, node)
        wipe(node)
    elif disk.present and taken.fresh:
        disk.corrupt, disk.clean = True, False
    _launch(world, node)
    return True


_NEXT: Final[dict[Phase, Callable[[World, Node], bool]]] = {
    Phase.GATE: _take_decision,
    Phase.INITIALIZING: _initialize,
    Phase.STARTING: _begin,
    Phase.UP: _supervise,
}


def _launch(world: World, node: Node) -> None:
    node.disk.transfer = False
    galera.start(world, node)
    world.changes += 1


def wipe(node: Node) -> None:
    """Empty the data directory; the label and the view are kept elsewhere."""
    disk = node.disk
    empty = type(disk)()
    empty.label, empty.incarnation, empty.view = disk.label, disk.incarnation, disk.view
    node.disk = empty


def overdue(world: World, node: Node) -> bool:
    """End an unconfirmed bootstrap whose sidecar has given no sign for too long, and forget a decision slept upon."""
    woke, node.waking = node.waking, False
    if woke and node.phase is Phase.GATE and node.decision is not None:
        prepare(world, node)  # it may have been decided long ago
        return True
    if node.server is None or node.confirmed or world.now - node.beat < LEASE:
        return False
    if node.asked == node.server.boot_id:
        node.confirmed = True
        node.disk.marker = False
        return False
    world.tally["ended by the wrapper's lease"] += 1
    galera.crash(world, node)  # at once: nobody was served from it
    return True


def stop(world: World, node: Node) -> None:
    """End mariadbd in order; it says where."""
    server = node.server
    assert server is not None
    galera.leave(world, node)
    if node.disk.clean:
        node.clean_exit = server.boot_id, node.disk.request("", world.histories).position
    group.regroup(world)


def stop_together(world: World) -> None:
    """Stop all that run, in order and at the same moment."""
    runs = {node: node.server.boot_id for node in world.nodes if node.server is not None and not node.frozen}
    galera.leave_together(world)
    for node, boot_id in runs.items():
        if node.disk.clean:
            node.clean_exit = boot_id, node.disk.request("", world.histories).position
