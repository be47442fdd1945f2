"""What must never happen, looked at whenever it could: a ``Violation`` ends the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap.decisions import Stop
from galera_exporter.bootstrap.state import Bootstrap, Epoch, Order, Phase, Purpose, Rule
from galera_exporter.bootstrap.transactions import BOOTSTRAP, HOLD
from sim.content import NOWHERE

if TYPE_CHECKING:
    from sim.group import Component
    from sim.node import Decision, Node
    from sim.world import World


class Violation(AssertionError):  # noqa: N818  # it is the finding, not an error of the simulation
    """An invariant does not hold. ``kind`` is its name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def elected(world: World, node: Node, order: Order | None, uses: tuple[str, ...]) -> None:
    """At an election: nobody else is Primary, and nobody has an acknowledged commit that the elected node lacks.

    ``uses``: what it was built on.
    """
    if order is not None:
        if order.token in world.used:
            raise Violation("order twice", f"order {order.token} elected {node.name} once more")
        world.used |= {order.token}
    elif world.store.get(HOLD) is not None:
        raise Violation("held", f"{node.name} was elected although elections were frozen")
    if order is not None:
        world.forced = True
        _ordered(world, node, lossy=order.lossy or order.purpose is Purpose.INITIAL)
        return
    _no_other_primary(world, node, "election")
    _not_regressed(world, node)
    _no_conflict(world, node, uses)
    _nothing_lost(world, node, world.nodes, "election")


def _ordered(world: World, node: Node, *, lossy: bool) -> None:
    branch, seqno = node.content()
    if not lossy:
        reporting = world.store.snapshot().reports
        _nothing_lost(world, node, [n for n in world.nodes if n.name in reporting], "order that is not lossy")
    else:
        node.disk.mixed = False  # whatever it has is what the operator wants
    world.histories.pass_over(branch, seqno, for_good=lossy)


def bound(node: Node, epoch: Epoch, newest: Bootstrap | None) -> None:
    """When a start was bound in etcd: the election is still its own."""
    if newest is None or newest.phase is not Phase.ELECTED or newest.epoch.number != epoch.number:
        raise Violation("unbound", f"{node.name} starts epoch {epoch.number}, which is not elected any more")


def confirmed(node: Node, epoch: Epoch, before: Bootstrap | None) -> None:
    """When an epoch was confirmed: it did not overwrite another election, but one made while it served already."""
    component = None if node.server is None else node.server.component
    serves = component is not None and component.confirmed and before is not None and before.phase is Phase.ELECTED
    if before is not None and before.epoch.number > epoch.number and not serves:
        raise Violation("unbound", f"{node.name} confirmed epoch {epoch.number} over {before.epoch.number}")


def bootstrap(world: World, node: Node) -> None:
    """At the start of a bootstrap, the same. One whose election was taken over meanwhile serves nobody, and ends."""
    newest = world.store.get(BOOTSTRAP)
    taken = node.booting
    if newest is None or taken is None or newest.phase is not Phase.ELECTED or newest.epoch.number != taken.epoch:
        world.tally["start after its election was taken over"] += 1
        return
    if newest.epoch.rule is not Rule.ORDER:
        _no_other_primary(world, node, "start")
    if not newest.epoch.lossy and newest.epoch.rule is not Rule.ORDER:
        _nothing_lost(world, node, world.nodes, "start")


def _not_regressed(world: World, node: Node) -> None:
    """Without an order nobody goes on with less than what etcd remembers of the same history."""
    branch, seqno = node.content()
    if world.forced or branch == NOWHERE:
        return
    uuid = world.histories.uuid[branch]
    known = max(
        (each.position.seqno for each in world.store.folders["nodes/"].values() if each.position.uuid == uuid),
        default=-1,
    )
    if known > seqno:
        raise Violation("regressed", f"{node.name} was elected at {seqno}; etcd remembers {known}")


def _no_conflict(world: World, node: Node, uses: tuple[str, ...]) -> None:
    """Without an order nobody goes on where another that has reported has whole data of another cluster."""
    branch = node.content()[0]
    snapshot = world.store.snapshot()
    given_up = {order.node for order in snapshot.orders if order.purpose is Purpose.DISCARD}
    for report in snapshot.reports.values():
        strange = branch != NOWHERE and report.position.uuid != world.histories.uuid[branch] and report.epoch == 0
        if report.usable and strange and report.node not in given_up and f"report/{report.node}" in uses:
            raise Violation("conflict", f"{node.name} was elected beside {report.node}, which is of another cluster")


def _no_other_primary(world: World, node: Node, when: str) -> None:
    for component in world.components:
        if node in component.members:
            continue
        if world.forced and component.members[0].disk.label.epoch < node.disk.label.epoch:
            world.split = True  # an order passed over it, and nobody's sidecar sees it
            continue
        asleep = all(member.frozen or member.waking for member in component.members)
        if component.confirmed or not (asleep or _taken_over(world, component)):
            kind = "two clusters" if component.confirmed else "two bootstraps"
            names = ", ".join(member.name for member in component.members)
            raise Violation(kind, f"{when} of {node.name} while {names} is Primary")


def _taken_over(world: World, component: Component) -> bool:
    """Whether a component is of an election that is past: it must never be confirmed, and that is checked."""
    newest = world.store.get(BOOTSTRAP)
    return newest is None or any(m.disk.label.epoch < newest.epoch.number - 1 for m in component.members)


def _nothing_lost(world: World, node: Node, others: list[Node], when: str) -> None:
    histories = world.histories
    branch, seqno = node.content()
    if (not node.disk.whole or node.disk.mixed) and not world.split:
        raise Violation("bad data", f"{when} of {node.name}, whose data are not whole")
    for other in others:
        if other is node or not _valued(world, other):
            continue
        there, last = histories.served(*other.content(), histories.acknowledged)
        if there != NOWHERE and not histories.has(branch, seqno, there, last):
            text = f"{when} of {node.name} at {branch}:{seqno}; {other.name} has the acknowledged {there}:{last}"
            raise Violation("lost commit", text)


def _valued(world: World, node: Node) -> bool:
    """Whether a node's data count: they are whole, as far as the node can know, and no operator gives them up."""
    disk = node.disk
    if world.split or not disk.whole or disk.mixed or disk.blind or disk.label.tainted:
        return False
    orders = world.store.folders["override/"].values()
    return not any(order.purpose is Purpose.DISCARD and order.node == node.name for order in orders)


def components(world: World) -> None:
    """At any time: at most one confirmed Primary component, but where an operator's order passed over one."""
    if len(world.components) > 1:
        confirmed = [component for component in world.components if component.confirmed]
        if len(confirmed) > 1:
            if world.forced:
                world.split = True
                return
            names = " and ".join(",".join(member.name for member in each.members) for each in confirmed)
            raise Violation("two clusters", f"two confirmed Primary components: {names}")


def thrown_away(world: World, node: Node, branch: int = NOWHERE, seqno: int = -1) -> None:
    """Before data are replaced by those at ``seqno`` of ``branch``, or by none: nothing acknowledged goes with them."""
    disk, histories = node.disk, world.histories
    if not _valued(world, node):
        return
    there, last = histories.served(disk.branch, disk.seqno, histories.kept)
    if there != NOWHERE and (branch == NOWHERE or not histories.has(branch, seqno, there, last)):
        raise Violation(
            "thrown away", f"{node.name} has the acknowledged {there}:{last}, which {branch}:{seqno} has not"
        )


def stopped(world: World, node: Node, decision: Stop) -> None:
    """At an order to stop: never a database that serves, but one with wrong data."""
    server = node.server
    label = node.disk.label
    shown = server is not None and server.shown is not None and server.component is not None
    serves = shown and server.component.confirmed and label.confirmed and not label.tainted
    if serves and not decision.taint and not world.forced:
        raise Violation("stopped", f"{node.name} serves clients and was stopped: {decision.text}")
    if decision.taint and not node.disk.mixed and node.disk.whole:
        world.tally["tainted in vain"] += 1


def used_once(node: Node, taken: Decision) -> None:
    """When the wrapper acts on a decision: it is for this start, and was not acted on before."""
    if node.request is None or taken.boot_id != node.request.boot_id:
        raise Violation("used twice", f"{node.name} starts by a decision for another start")
