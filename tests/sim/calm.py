"""After the faults: with all healed, every schedule converges, at last by what an operator does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim import faults, runbook, sidecar, wrapper
from sim.checks import Violation
from sim.runbook import standing

if TYPE_CHECKING:
    from sim.world import World

PATIENCE = 150.0
"""Seconds without anything happening after which the world counts as stuck: all timers of the protocol are shorter."""
LONGEST = 3000.0


def calm(world: World) -> None:
    """Heal everything and let the protocol work; an operator resolves what it waits for. Else it is a Violation."""
    heal(world)
    if settle(world):
        return
    for _ in range(3 * len(world.nodes)):
        reasons = runbook.judge(world)
        runbook.operate(world, reasons)
        if settle(world):
            world.tally["resolved by an operator"] += 1
            return
    raise Violation("stuck", f"orders do not help: {standing(world)}")


def heal(world: World) -> None:
    """End all faults but those to the data."""
    if not world.etcd_up:
        faults.etcd_down(world)
    for node in world.nodes:
        faults.resume(world, node.index)
        node.lag = node.away = False
        node.sidecar.lost_reply = False
    faults.heal(world)


def settle(world: World) -> bool:
    """Let all work until the cluster is whole; return False when nothing happens any more."""
    end, quiet = world.now + LONGEST, world.now
    while world.now < end:
        worked = False
        for node in world.nodes:
            worked = faults.boot(world, node.index) or worked
            worked = sidecar.tick(world, node) or worked
            while wrapper.run(world, node):
                worked = True
            worked = sidecar.tick(world, node) or worked
        if whole(world):
            return True
        world.elapse(2.0 if worked else 12.0)
        if worked:
            quiet = world.now
        elif world.now - quiet > PATIENCE:
            return False
    raise Violation("restless", f"no rest after {LONGEST:.0f} s: {standing(world)}")


def whole(world: World) -> bool:
    """Whether all nodes serve as one confirmed component; then look at their data."""
    if len(world.components) != 1:
        return False
    component = world.components[0]
    if len(component.members) != len(world.nodes) or not component.confirmed:
        return False
    for node in world.nodes:
        server, label = node.server, node.disk.label
        if server is None or not server.synced or server.applied < server.received or server.unrecorded:
            return False
        if not label.confirmed or label.tainted or label.epoch != world.nodes[0].disk.label.epoch or node.disk.marker:
            return False
        if world.store.folders["primary/"].get(node.name) is None or node.order:
            return False
    mixed = [node.name for node in world.nodes if node.disk.mixed or not node.disk.whole]
    if mixed and not world.split:
        raise Violation("diverged", f"{', '.join(mixed)} serve with other rows")
    return True
