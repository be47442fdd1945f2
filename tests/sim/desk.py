"""What the parts of a sidecar's step work with: etcd under a lease, the timers, and the writes, each a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Elect, Join, Start
from galera_exporter.bootstrap.local import LocalState
from galera_exporter.bootstrap.membership import same_election
from galera_exporter.bootstrap.state import Activity, Held, Report, Snapshot, Timers
from galera_exporter.bootstrap.state import Phase as Standing
from galera_exporter.bootstrap.transactions import Put, Transaction
from sim import checks
from sim.node import Decision, Node

if TYPE_CHECKING:
    from sim.world import World

TTL = 10.0
BEAT = 3.0
TAKEOVER = 60.0
GRACE = 30.0
STRANDED = 10.0
FOREVER = float("inf")
SETTLED = TTL + 2.0


def reach(world: World, node: Node) -> bool:
    """Whether etcd answers this node."""
    return world.etcd_up and not node.cut


def renew(world: World, node: Node) -> None:
    """Keep the lease, or take a new one."""
    sidecar, ends = node.sidecar, world.store.ends
    if sidecar.lease not in ends:
        sidecar.lease = world.store.grant()
    ends[sidecar.lease] = world.now + TTL
    sidecar.renewed = world.now
    extend(world, node)


def extend(world: World, node: Node) -> None:
    """Tell the wrapper that the lease of an unconfirmed bootstrap was renewed."""
    if not node.disk.label.confirmed and node.sidecar.started is not None and not node.sidecar.overtaken:
        node.beat = world.now


def silent(world: World, node: Node) -> bool:
    """Whether its database answered a moment ago and does not now: nothing is renewed meanwhile."""
    answered = node.sidecar.answered
    return node.frozen and node.server is not None and answered is not None and world.now - answered < TTL


def watch_elected(world: World, node: Node, snapshot: Snapshot | None) -> None:
    """Note since when the elected node has shown no key."""
    sidecar = node.sidecar
    bootstrap = None if snapshot is None else snapshot.bootstrap
    if (
        snapshot is None
        or bootstrap is None
        or bootstrap.phase is not Standing.ELECTED
        or bootstrap.epoch.node in snapshot.owners
    ):
        sidecar.absent = None
        return
    if sidecar.absent is None or sidecar.absent[0] != bootstrap.epoch.number:
        sidecar.absent = bootstrap.epoch.number, world.now
    sidecar.wake = min(sidecar.wake, sidecar.absent[1] + TAKEOVER)


def watch_own(node: Node, snapshot: Snapshot | None) -> None:
    """Note whether the election that it was let out for is past."""
    label = node.disk.label
    if snapshot is None:
        return
    bootstrap, own = snapshot.bootstrap, label.history.get(label.epoch)
    node.sidecar.overtaken = (
        not label.confirmed
        and label.epoch > 0
        and (
            bootstrap is None
            or own is None
            or bootstrap.phase is Standing.VOID
            or not same_election(own, bootstrap.epoch)
        )
    )


def timers(world: World, node: Node) -> Timers:
    """Return what has lasted long enough."""
    sidecar, now = node.sidecar, world.now
    since, renewed = sidecar.contact, sidecar.renewed
    sidecar.wake = min(
        sidecar.wake, *[end for end in (renewed + 2 * TTL + 1.0, (since or 0.0) + SETTLED) if end > now], FOREVER
    )
    return Timers(
        takeover=sidecar.absent is not None and now - sidecar.absent[1] >= TAKEOVER,
        settled=since is not None and now - since >= SETTLED,
        detached=node.disk.label.begun and now - renewed > 2 * TTL,
    )


def begun(node: Node, boot_id: str) -> None:
    """Begin anew with what is known of a start; after a restart of the sidecar that is little."""
    sidecar, label = node.sidecar, node.disk.label
    if sidecar.boot_id != boot_id:
        sidecar.boot_id = boot_id
        sidecar.stopping, sidecar.incarnation = False, ""
        sidecar.started = Report(
            node=node.name,
            owner=sidecar.owner,
            boot_id=boot_id,
            activity=Activity.STARTING,
            held=Held.DATA,
            epoch=label.epoch,
            tainted=label.tainted,
            expected=0,
            history=label.history,
        )


def publish(node: Node, report: Report, snapshot: Snapshot) -> None:
    """Have the own report in etcd. Never over another owner's."""
    if snapshot.owners.get(node.name) in {None, report.owner} and snapshot.reports.get(node.name) != report:
        node.sidecar.todo += ((send, (txn.publish(report, snapshot),)),)


def send(world: World, node: Node, transaction: Transaction) -> bool:
    """Do a transaction; False: it failed, or nobody knows."""
    sidecar = node.sidecar
    if not reach(world, node):
        sidecar.contact = None
        return False
    lease = 0
    if any(isinstance(change, Put) and change.leased for change in transaction.changes):
        renew(world, node)
        lease = sidecar.lease
    done = world.store.execute(transaction, lease)
    if sidecar.lost_reply:
        sidecar.lost_reply = False
        world.tally["reply lost"] += done
        return False
    return done


def elect(world: World, node: Node, transaction: Transaction, decision: Elect) -> bool:
    """Write the election."""
    epoch = decision.epoch
    before = world.store.get(txn.BOOTSTRAP)
    order = world.store.get(txn.OVERRIDE + decision.order) if decision.order else None
    done = send(world, node, transaction)
    now = world.store.get(txn.BOOTSTRAP)
    if now is not before and now is transaction.changes[0].value:  # type: ignore[union-attr]  # it is a Put
        world.tally[f"rule {epoch.rule}"] += 1
        world.changes += 1
        checks.elected(world, node, order, decision.uses)
    return done


def confirm(world: World, node: Node, transaction: Transaction) -> bool:
    """Tell etcd that this component serves; from here on it counts as confirmed, whatever the reply."""
    before = world.store.get(txn.BOOTSTRAP)
    done = send(world, node, transaction)
    now = world.store.get(txn.BOOTSTRAP)
    if now is not before and now is not None and now.phase is Standing.PRIMARY:
        checks.confirmed(node, now.epoch, before)
        served(world, node)
    return done


def begin(world: World, node: Node, transaction: Transaction, decision: Join | Start) -> bool:
    """Bind a decision in etcd."""
    done = send(world, node, transaction)
    if done and isinstance(decision, Start):
        checks.bound(node, decision.epoch, world.store.get(txn.BOOTSTRAP))
    return done


def served(world: World, node: Node) -> None:
    """From here on clients may be sent to the component of this node."""
    component = None if node.server is None else node.server.component
    if component is not None and not component.confirmed:
        component.confirmed = True
        world.line = component.branch
        checks.components(world)


def write_label(world: World, node: Node, state: LocalState) -> bool:
    """Store the label on the node's disk."""
    if state is not node.disk.label:
        node.disk.label = state
        world.changes += 1
    return True


def hand_out(world: World, node: Node, out: Decision, report: Report, decision: Join | Start) -> bool:
    """Write the decision for the wrapper."""
    sidecar = node.sidecar
    world.changes += 1
    sidecar.boot_id, sidecar.started = out.boot_id, report
    sidecar.stopping, sidecar.incarnation, sidecar.answered = False, "", None
    node.decision = out
    node.clean_exit = None
    world.tally["fresh join" if out.fresh else "join" if isinstance(decision, Join) else "start"] += 1
    return True


def tell_confirmed(world: World, node: Node) -> bool:
    """Write confirmed=1 into the lease file."""
    node.asked = node.sidecar.boot_id
    world.changes += 1
    return True


def write_order(world: World, node: Node, boot_id: str) -> bool:
    """Write the order to stop."""
    node.order = boot_id
    node.sidecar.stopping = True
    world.changes += 1
    world.tally["stop ordered"] += 1
    return True


def said_final(_world: World, node: Node) -> bool:
    """The clean end is known to etcd."""
    node.clean_exit = None
    return True
