"""Whether a wait is right, seen from outside, and what an operator does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap.state import Purpose, Reason
from galera_exporter.bootstrap.transactions import BOOTSTRAP, HOLD, OVERRIDE, Drop
from sim import faults
from sim.checks import Violation
from sim.content import NOWHERE
from sim.node import Phase

if TYPE_CHECKING:
    from sim.node import Node
    from sim.world import World

END = 1 << 60
"""Beyond all seqnos."""


def judge(world: World) -> dict[str, Reason]:
    """Return why each node that does not serve waits; raise a Violation where the reason does not fit."""
    reasons: dict[str, Reason] = {}
    for node in world.nodes:
        if node.sidecar.wait is not None:
            reasons[node.name] = node.sidecar.wait
        elif node.phase is Phase.GATE:
            raise Violation("stuck", f"{node.name} waits without a reason: {standing(world)}")
    fitting = _fitting(world)
    for name, reason in reasons.items():
        if reason not in fitting:
            raise Violation("stuck", f"{name} waits for {reason}, which does not fit: {standing(world)}")
        world.tally[f"ends in {reason}"] += 1
    if not reasons and not _split(world):
        raise Violation("stuck", f"nobody waits: {standing(world)}")
    return reasons


def _fitting(world: World) -> set[Reason]:
    """Return the reasons that the world itself gives, looked at from outside."""
    snapshot, histories, line = world.store.snapshot(), world.histories, world.line
    data = [node for node in world.nodes if node.disk.branch != NOWHERE and node.disk.present and not node.disk.marker]
    given_up = {order.node for order in snapshot.orders if order.purpose is Purpose.DISCARD}
    uuids = {histories.uuid[node.disk.branch] for node in data} | ({histories.uuid[line]} if line != NOWHERE else set())
    beyond = [
        node
        for node in data
        if line != NOWHERE
        and not (histories.uuid[node.disk.branch] == histories.uuid[line] and histories.has(line, END, *node.content()))
    ]
    usable = [node for node in data if node.name not in given_up and node not in beyond and _usable(node)]
    remembered = max((known.position.seqno for known in snapshot.nodes.values()), default=-1)
    given = {
        Reason.HOLD: snapshot.hold is not None,
        Reason.ORDER_REFUSED: bool(snapshot.orders),
        Reason.DATA_LOSS_GUARD: not data,
        Reason.UUID_CONFLICT: len(uuids) > 1,
        # After an order that passed over data, or without a label, the way between two epochs is not known.
        Reason.DIVERGED: bool(beyond) or world.forced or any(node.disk.label.epoch == 0 for node in data),
        Reason.NO_SAFE_CANDIDATE: not usable,
        Reason.REGRESSED: world.lost or world.forced or all(node.disk.seqno < remembered for node in usable),
        Reason.SPLIT_BRAIN: _split(world),
    }
    return {reason for reason, holds in given.items() if holds}


def _split(world: World) -> bool:
    """Whether a component runs that its members take for one of an older epoch than the newest."""
    written = world.store.get(BOOTSTRAP)
    newest = max(node.disk.label.epoch for node in world.nodes)
    if written is not None:
        newest = max(newest, written.epoch.number)
    return any(component.members[0].disk.label.epoch < newest for component in world.components)


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
    if reason is Reason.DATA_LOSS_GUARD:
        faults.order(world, Purpose.INITIAL, 0, lossy=True)
    elif any(node.primary for node in world.nodes):
        faults.order(world, Purpose.DISCARD, int(name[1:]), lossy=False)
    else:
        _begin_with_what_there_is(world)


def _begin_with_what_there_is(world: World) -> None:
    usable = [node for node in world.nodes if _usable(node)]
    if usable:
        faults.order(world, Purpose.FORCE, max(usable, key=lambda node: node.disk.seqno).index, lossy=True)
        return
    world.tally["volume wiped by hand"] += 1
    for node in world.nodes:
        faults.lose_volume(world, node.index)


def standing(world: World) -> str:
    """Return where each node stands, in one line."""
    return "; ".join(
        f"{node.name} {node.phase.name.lower()}"
        f"{' Primary' if node.primary else ''} {node.disk.branch}:{node.disk.seqno} epoch {node.disk.label.epoch}"
        f" {node.sidecar.wait or ''}"
        for node in world.nodes
    )
