"""The sidecar's step, part by part: what ``bootstrap.coordinator`` and the heartbeat do, on the pure core of the product.

A step reads etcd once, asks the core, and does at most one thing; the beat follows. Between any
two parts (``Step``) a crash, a pause or another node may come: so each part is a value that can wait.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from galera_exporter.bootstrap import protocol
from galera_exporter.bootstrap import transactions as txn
from galera_exporter.bootstrap.decisions import Adopt, Confirm, Elect, Join, Keep, Relabel, Resign, Start, Stop, Wait
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.local import LocalState, confirmed, joined, report_of, started, synced, tainted
from galera_exporter.bootstrap.membership import registers
from galera_exporter.bootstrap.state import Activity, Held, LastKnown, Peer, Report, Running, Snapshot, Timers
from galera_exporter.bootstrap.state import Phase as Standing
from galera_exporter.bootstrap.transactions import LIVE, NODES, Drop, Put, Transaction, Unchanged
from galera_exporter.model import Position
from sim import checks, versions
from sim.node import Decision, Node, Phase, Server, Step

if TYPE_CHECKING:
    from sim.world import World

TTL = 10.0
BEAT = 3.0
TAKEOVER = 60.0
GRACE = 30.0
STRANDED = 10.0
FOREVER = float("inf")
SETTLED = TTL + 2.0


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


# Reading ---------------------------------------------------------------------------------------------


def reach(world: World, node: Node) -> bool:
    """Whether etcd answers this node."""
    return world.etcd_up and not node.cut


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
    if not node.disk.label.confirmed and node.sidecar.started is not None:
        node.beat = world.now


def silent(world: World, node: Node) -> bool:
    """Whether its database answered a moment ago and does not now: nothing is renewed meanwhile."""
    answered = node.sidecar.answered
    return node.frozen and node.server is not None and answered is not None and world.now - answered < TTL


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


def timers(world: World, node: Node) -> Timers:
    """Return what has lasted long enough."""
    sidecar, now = node.sidecar, world.now
    since, renewed = sidecar.contact, sidecar.renewed
    sidecar.wake = min(
        sidecar.wake, *[end for end in (renewed + TTL + 1.0, (since or 0.0) + SETTLED) if end > now], FOREVER
    )
    return Timers(
        takeover=sidecar.absent is not None and now - sidecar.absent[1] >= TAKEOVER,
        settled=since is not None and now - since >= SETTLED,
        detached=now - renewed > TTL,
    )


# In the gate -----------------------------------------------------------------------------------------


def gate(world: World, node: Node, snapshot: Snapshot | None) -> None:
    """The database is stopped and asks."""
    sidecar, label, request = node.sidecar, node.disk.label, node.request
    assert request is not None
    sidecar.lonely = None
    known = sidecar.report
    if known is None or known[0] is not label or known[1] is not request:
        made = report_of(label, request, node.name, sidecar.owner, len(world.nodes))
        known = sidecar.report = label, request, versions.as_written_by_old(made) if sidecar.old else made
    me = known[2]
    decision = protocol.decide(me, snapshot, world.peers(node), timers(world, node))
    if isinstance(decision, Wait):
        sidecar.wait = decision.reason
        world.tally[decision.reason] += 1
    if isinstance(decision, Join | Start):
        let_out(world, node, decision, me, snapshot)
    elif snapshot is None:
        return
    elif isinstance(decision, Elect):
        world.serial += 1
        transaction = txn.elect(decision, snapshot, f"token-{world.serial}")
        sidecar.todo = ((elect, (transaction, decision)),)
    elif isinstance(decision, Resign) and snapshot.bootstrap is not None:
        sidecar.todo = ((send, (txn.resign(snapshot.bootstrap, snapshot),)),)
    else:
        publish(node, me, snapshot)


def let_out(world: World, node: Node, decision: Join | Start, me: Report, snapshot: Snapshot | None) -> None:
    """Label the data, bind the decision in etcd, hand it out: in this order."""
    label = node.disk.label
    state = joined(label, decision, me) if isinstance(decision, Join) else started(label, decision)
    fresh = isinstance(decision, Join) and decision.fresh
    position = me.position if me.held is Held.DATA and not fresh else Position()
    out = Decision(
        me.boot_id,
        isinstance(decision, Start),
        position,
        isinstance(decision, Start) and decision.initialize,
        fresh,
        state.epoch,
    )
    bind = () if snapshot is None else ((send, (txn.begin(decision, me, snapshot),)),)
    node.sidecar.todo = in_order(
        (write_label, (state,)), bind, (hand_out, (out, replace(me, activity=Activity.STARTING), decision))
    )


def in_order(label: Step, bind: tuple[Step, ...], hand: Step) -> tuple[Step, ...]:
    """Return the parts of a start: the label is on disk and the decision bound before it is handed out."""
    return (label, *bind, hand)


def publish(node: Node, report: Report, snapshot: Snapshot) -> None:
    """Have the own report in etcd. Never over another owner's."""
    if snapshot.owners.get(node.name) in {None, report.owner} and snapshot.reports.get(node.name) != report:
        node.sidecar.todo += ((send, (txn.publish(report, snapshot),)),)


# While the database answers --------------------------------------------------------------------------


def supervise(world: World, node: Node, server: Server, snapshot: Snapshot | None) -> None:
    """The database answers."""
    sidecar, label = node.sidecar, node.disk.label
    begun(node, server.boot_id)
    primary = server.shown is not None
    sidecar.answered = world.now
    sidecar.incarnation = server.incarnation
    running = sidecar.running = describe(world, node, server, snapshot)
    decision = protocol.supervise(running, snapshot)
    carry_out(world, node, decision, running, snapshot)
    if (
        label.tainted
        and isinstance(decision, Keep)
        and running.synced
        and not sidecar.stopping
        and snapshot is not None
        and label.epoch == newest_confirmed(snapshot.history)
    ):
        sidecar.todo += ((write_label, (synced(label),)),)
    if isinstance(decision, Stop):
        return
    if not primary:
        lonely(world, node, running, snapshot)
        return
    sidecar.lonely = None
    if snapshot is not None and sidecar.started is not None and not (running.confirmed and primary):
        publish(node, sidecar.started, snapshot)


def describe(world: World, node: Node, server: Server, snapshot: Snapshot | None) -> Running:
    """Return what the database says, with the label of its data."""
    sidecar, label, shown = node.sidecar, node.disk.label, server.shown
    current = server.component
    uuid = world.histories.uuid[server.branch] if server.branch >= 0 else ""
    position = Position(uuid, server.applied) if uuid else Position()
    newest = 0 if snapshot is None else newest_confirmed(snapshot.history)
    if position.defined and shown is None:
        sidecar.before = position
    elif newest <= label.epoch:
        sidecar.before = None  # more may have come since, before it lost this component
    return Running(
        node=node.name,
        epoch=label.epoch,
        confirmed=label.confirmed or label.epoch == 0,
        primary=shown is not None,
        synced=server.synced and current is not None and shown == (current.uuid, current.conf_id),
        position=position,
        component=shown or (uuid, -1),
        before=position if sidecar.before is None else sidecar.before,
        inconsistent=server.inconsistent,
        stranded=stranded(world, node, server),
        history=label.history,
    )


def stranded(world: World, node: Node, server: Server) -> bool:
    """Whether Galera has been closed for long enough."""
    if server.closed is None:
        return False
    node.sidecar.wake = min(node.sidecar.wake, server.closed + STRANDED)
    return world.now - server.closed >= STRANDED


def carry_out(world: World, node: Node, decision: Any, running: Running, snapshot: Snapshot | None) -> None:
    """Note what a decision about a running database takes."""
    sidecar, label = node.sidecar, node.disk.label
    if isinstance(decision, Stop):
        order_stop(world, node, decision)
    elif snapshot is None:
        return
    elif isinstance(decision, Confirm):
        transaction = txn.confirm(decision, snapshot, running.position.uuid, running.component)
        epoch = replace(decision.epoch, uuid=running.position.uuid, confirmed=True)
        sidecar.todo = ((confirm, (transaction,)), (write_label, (confirmed(label, epoch),)), (tell_confirmed, ()))
    elif isinstance(decision, Adopt):
        world.serial += 1
        transaction = txn.adopt(decision, snapshot, label, f"token-{world.serial}")
        sidecar.todo = (
            (confirm, (transaction,)),
            (write_label, (confirmed(label, decision.epoch),)),
            (tell_confirmed, ()),
        )
        world.tally["adopted"] += 1
    elif isinstance(decision, Relabel):
        state = confirmed(label, snapshot.history[decision.epoch])
        sidecar.todo = ((write_label, (state,)), (tell_confirmed, ()))
        world.tally["relabelled"] += 1


def order_stop(world: World, node: Node, decision: Stop) -> None:
    """Taint the label if need be, then write the order."""
    sidecar = node.sidecar
    steps: list[Step] = []
    if decision.taint:
        steps.append((write_label, (tainted(node.disk.label),)))
    if not sidecar.stopping:
        checks.stopped(world, node, decision)
        steps.append((write_order, (sidecar.boot_id,)))
    sidecar.todo = tuple(steps)


def lonely(world: World, node: Node, running: Running, snapshot: Snapshot | None) -> None:
    """It was Primary and is not: after a while it offers itself for an election."""
    sidecar, label = node.sidecar, node.disk.label
    if sidecar.lonely is None:
        sidecar.lonely = world.now
    if snapshot is None or world.now - sidecar.lonely < GRACE:
        sidecar.wake = min(sidecar.wake, sidecar.lonely + GRACE)
        if snapshot is not None and sidecar.started is not None and node.name in snapshot.reports:
            publish(node, sidecar.started, snapshot)
        return
    report = Report(
        node=node.name,
        owner=sidecar.owner,
        boot_id=sidecar.boot_id,
        activity=Activity.SURVIVOR,
        held=Held.DATA,
        position=running.position,
        epoch=running.epoch,
        tainted=label.tainted,
        incarnation=sidecar.incarnation,
        expected=len(world.nodes),
        history=label.history,
    )
    decision = protocol.decide(report, snapshot, world.peers(node), timers(world, node))
    if isinstance(decision, Wait):
        sidecar.wait = decision.reason
        world.tally[decision.reason] += 1
    if isinstance(decision, Stop):
        order_stop(world, node, decision)
    else:
        publish(node, report, snapshot)


# Between the gate and the first answer, after the end, and the beat --------------------------------------


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
        publish(node, sidecar.started, snapshot)


def begun(node: Node, boot_id: str) -> None:
    """Begin anew with what is known of a start; after a restart of the sidecar that is little."""
    sidecar, label = node.sidecar, node.disk.label
    if sidecar.boot_id != boot_id:
        sidecar.boot_id = boot_id
        sidecar.before, sidecar.stopping, sidecar.incarnation = None, False, ""
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
        sidecar.todo = ((send, (txn.final(known, snapshot),)), (said_final, ()))


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


# Parts -----------------------------------------------------------------------------------------------


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
    done = send(world, node, transaction)
    now = world.store.get(txn.BOOTSTRAP)
    if now is not before and now is not None and now.epoch is epoch:
        world.tally[f"rule {epoch.rule}"] += 1
        world.changes += 1
        checks.elected(world, node, epoch, decision.order)
    return done


def confirm(world: World, node: Node, transaction: Transaction) -> bool:
    """Tell etcd that this component serves; from here on it counts as confirmed, whatever the reply."""
    before = world.store.revision
    done = send(world, node, transaction)
    bootstrap = world.store.get(txn.BOOTSTRAP)
    wrote = world.store.revision != before and bootstrap is not None and bootstrap.phase is Standing.PRIMARY
    if wrote:
        served(world, node)
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
        node.disk.strayed = False
        world.changes += 1
    return True


def hand_out(world: World, node: Node, out: Decision, report: Report, decision: Join | Start) -> bool:
    """Write the decision for the wrapper."""
    sidecar = node.sidecar
    world.changes += 1
    sidecar.boot_id, sidecar.started, sidecar.before = out.boot_id, report, out.position
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
