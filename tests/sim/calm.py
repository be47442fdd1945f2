"""After the faults: with all healed, every schedule converges, or each node that does not waits for a reason that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap.state import Purpose, Reason
from galera_exporter.bootstrap.transactions import BOOTSTRAP, HOLD, OVERRIDE, Drop
from sim import faults, sidecar, wrapper
from sim.checks import Violation
from sim.content import NOWHERE
from sim.node import Phase

if TYPE_CHECKING:
    from sim.node import Node
    from sim.world import World

PATIENCE = 150.0
"""Seconds without anything happening after which the world counts as stuck: all timers of the protocol are shorter."""
LONGEST = 3000.0
END = 1 << 60
"""Beyond all seqnos."""


def calm(world: World) -> None:
    """Heal everything and let the protocol work; an operator resolves what it waits for. Raise a Violation if that fails."""
    heal(world)
    if settle(world):
        return
    for _ in range(3 * len(world.nodes)):
        reasons = judge(world)
        operate(world, reasons)
        if settle(world):
            world.tally["resolved by an operator"] += 1
            return
    raise Violation("stuck", f"orders do not help: {_standing(world)}")


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
    raise Violation("restless", f"no rest after {LONGEST:.0f} s: {_standing(world)}")


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


def judge(world: World) -> dict[str, Reason]:
    """Return why each node that does not serve waits; raise a Violation where the reason does not fit."""
    reasons: dict[str, Reason] = {}
    for node in world.nodes:
        if node.sidecar.wait is not None:
            reasons[node.name] = node.sidecar.wait
        elif node.phase is Phase.GATE:
            raise Violation("stuck", f"{node.name} waits without a reason: {_standing(world)}")
    fitting = _fitting(world)
    for name, reason in reasons.items():
        if reason not in fitting:
            raise Violation("stuck", f"{name} waits for {reason}, which does not fit: {_standing(world)}")
        world.tally[f"ends in {reason}"] += 1
    if not reasons and not _split(world):
        raise Violation("stuck", f"nobody waits: {_standing(world)}")
    return reasons


def _fitting(world: World) -> set[Reason]:
    snapshot = world.store.snapshot()
    fitting: set[Reason] = set()
    if snapshot.hold is not None:
        fitting.add(Reason.HOLD)
    if snapshot.orders:
        fitting |= {Reason.ORDER_REFUSED}
    data = [node for node in world.nodes if node.disk.branch != NOWHERE and node.disk.present and not node.disk.marker]
    if not data:
        return {*fitting, Reason.DATA_LOSS_GUARD}
    histories = world.histories
    uuids = {histories.uuid[node.disk.branch] for node in data}
    if world.line != NOWHERE:
        uuids.add(histories.uuid[world.line])
        if not all(histories.has(world.line, END, *node.content()) for node in data):
            fitting.add(Reason.DIVERGED)
    if any(node.disk.strayed for node in data):
        fitting.add(Reason.DIVERGED)
    if len(uuids) > 1:
        fitting.add(Reason.UUID_CONFLICT)
    given_up = {order.node for order in snapshot.orders if order.purpose is Purpose.DISCARD}
    usable = [node for node in data if node.name not in given_up and _usable(node)]
    usable = [node for node in usable if world.line == NOWHERE or histories.has(world.line, END, *node.content())]
    if not usable:
        fitting.add(Reason.NO_SAFE_CANDIDATE)
    remembered = max((known.position.seqno for known in snapshot.nodes.values()), default=-1)
    if world.lost or all(node.disk.seqno < remembered for node in usable):
        fitting.add(Reason.REGRESSED)
    if _split(world):
        fitting.add(Reason.SPLIT_BRAIN)
    return fitting


def _split(world: World) -> bool:
    """Whether an order passed over a component that serves on."""
    newest = world.store.get(BOOTSTRAP)
    return world.forced and any(
        component.confirmed and newest is not None and component.members[0].disk.label.epoch < newest.epoch.number
        for component in world.components
    )


def _usable(node: Node) -> bool:
    disk = node.disk
    return disk.present and not (disk.marker or disk.label.tainted or disk.transfer or disk.corrupt or disk.blind)


def operate(world: World, reasons: dict[str, Reason]) -> None:
    """Do what the runbook says for one of the reasons."""
    snapshot = world.store.snapshot()
    for order in snapshot.orders:
        if order.purpose is not Purpose.DISCARD or not set(reasons.values()) & {Reason.DIVERGED, Reason.UUID_CONFLICT}:
            world.store.write((Drop(OVERRIDE + order.token),), 0)
    if snapshot.hold is not None:
        world.store.write((Drop(HOLD),), 0)
        return
    if Reason.ORDER_REFUSED in reasons.values():
        return
    if _split(world):
        oldest = min(world.components, key=lambda each: each.members[0].disk.label.epoch)
        for node in list(oldest.members):
            faults.stop(world, node.index)
        return
    name, reason = next(iter(reasons.items()))
    index = int(name[1:])
    if reason is Reason.DATA_LOSS_GUARD:
        faults.order(world, Purpose.INITIAL, 0, lossy=True)
    elif any(node.primary for node in world.nodes):
        faults.order(world, Purpose.DISCARD, index, lossy=False)
    else:
        usable = [node for node in world.nodes if _usable(node)]
        if usable:
            faults.order(world, Purpose.FORCE, max(usable, key=lambda n: n.disk.seqno).index, lossy=True)
        else:
            world.tally["volume wiped by hand"] += 1
            for node in world.nodes:
                faults.lose_volume(world, node.index)


def _standing(world: World) -> str:
    return "; ".join(
        f"{node.name} {node.phase.name.lower()}"
        f"{' Primary' if node.primary else ''} {node.disk.branch}:{node.disk.seqno} epoch {node.disk.label.epoch}"
        f" {node.sidecar.wait or ''}"
        for node in world.nodes
    )
