"""The bootstrap protocol: what a node may do next, as pure functions of what is known.

Theory of operation
-------------------
A node whose database is stopped stands in the *gate*. It writes a report of its data under
a lease, reads all keys of the cluster at one revision, hears what the sidecars of the others say,
and calls ``decide``. Where a confirmed Primary component exists, it joins it, if lineage
allows. Where none exists, all nodes come to the same opinion on who is best; only that node
writes an election, in one transaction that holds only while all that it was built on is
unchanged. The elected node starts a new Primary component, and ``supervise`` confirms it
in etcd once it is Synced; until then nobody serves clients from it, and nobody joins it.

A survivor, which runs without a Primary component, reports too. It is stopped only when an
election is certain to follow, so no database runs at the moment of an election that all reported for.

Invariants
----------
I1  At most one lineage: each election is an epoch of its own, made by one transaction.
I2  Joining is safe, bootstrapping is not: without etcd a node may only join.
I3  Nobody is elected while a more advanced node may come back, unless an operator says so (``choice.RULES``).
I4  A decision is for one start: it carries the boot id of the request, and ``begin`` binds it in etcd.
I5  The loss of etcd never stops a database that serves clients.
I6  An unconfirmed bootstrapper serves nobody and ends itself when its election was taken over.
I7  Decisions are pure: no clock, no I/O. Equal evidence gives equal decisions.

``GATE`` and ``RUN`` are the transition table: rules in order, the first that has an answer gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from galera_exporter.bootstrap.choice import (
    Candidate,
    Evidence,
    candidates,
    covering,
    discarded,
    evidence,
    foreign,
    lost_data,
    ordinal_of,
    passed_over,
    watermark,
)
from galera_exporter.bootstrap.lineage import History, Standing, merge, newest_confirmed, origin, place
from galera_exporter.bootstrap.state import (
    NO_EPOCHS,
    Activity,
    Adopt,
    Confirm,
    Elect,
    Epoch,
    GateDecision,
    Held,
    Join,
    Keep,
    Mode,
    Order,
    Peer,
    Phase,
    Purpose,
    Reason,
    Relabel,
    Report,
    Resign,
    Rule,
    RunDecision,
    Running,
    Snapshot,
    Start,
    Stop,
    Timers,
    Wait,
    undefined,
)
from galera_exporter.model import ZERO_UUID, Position


@dataclass(frozen=True, slots=True)
class Case:
    """What the gate's rules look at. ``snapshot`` is None while etcd does not answer."""

    me: Report
    snapshot: Snapshot | None
    peers: tuple[Peer, ...]
    timers: Timers


def decide(me: Report, snapshot: Snapshot | None, peers: tuple[Peer, ...], timers: Timers) -> GateDecision | Stop:
    """Return what a node without a Primary component does next; ``Stop`` only for a survivor."""
    case = Case(me, snapshot, peers, timers)
    for rule in GATE:
        decision = rule(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule of the gate always answers")


def supervise(running: Running, snapshot: Snapshot | None) -> RunDecision:
    """Return what is to be done about a database that answers."""
    for rule in RUN:
        decision = rule(running, snapshot)
        if decision is not None:
            return decision
    return Keep()


# The gate, in order ------------------------------------------------------------------------------


def identity(case: Case) -> Wait | None:
    """Another pod holds this node's keys: the old one may still run (a forced deletion on a dead host)."""
    owner = None if case.snapshot is None else case.snapshot.owners.get(case.me.node)
    if owner in {None, case.me.owner}:
        return None
    return Wait(Reason.DUPLICATE_IDENTITY, (case.me.node,), f"the keys of {case.me.node} are held by {owner}")


def join(case: Case) -> Join | Stop | Wait | None:
    """A confirmed Primary component answers: join it. Works without etcd."""
    seen = [peer for peer in case.peers if peer.primary and peer.confirmed]
    if not seen:
        return None
    epochs = {peer.epoch for peer in seen}
    history: History = case.snapshot.history if case.snapshot is not None else NO_EPOCHS
    for peer in seen:
        history = merge(history, peer.history)
    if len(epochs) > 1 or max(epochs) < newest_confirmed(history):
        return Wait(Reason.SPLIT_BRAIN, tuple(sorted(peer.node for peer in seen)), "Primary in different epochs")
    if case.me.activity is Activity.SURVIVOR:
        return _rejoin(case.me, max(epochs))
    decision = _join(case, max(epochs), history)
    turn = None if case.snapshot is None else case.snapshot.joining
    if isinstance(decision, Join) and turn not in {None, case.me.node}:
        return Wait(Reason.JOIN_TURN, (str(turn),))
    return decision


def _rejoin(me: Report, cluster: int) -> Stop | Wait:
    if me.epoch == cluster:
        return Wait(Reason.PRIMARY_UNREACHABLE, (), "Galera joins a component of the same epoch by itself")
    return Stop(f"the cluster was bootstrapped anew (epoch {cluster}): join it through the gate")


def _join(case: Case, cluster: int, history: History) -> Join | Wait:
    me = case.me
    if me.held is Held.EMPTY:
        return Join(cluster, history)
    if me.held is Held.INCOMPLETE or me.tainted:
        return Join(cluster, history, fresh=True)
    standing = _standing(me, cluster, history)
    if standing is Standing.FOREIGN:
        orders = case.snapshot.orders if case.snapshot is not None else ()
        order = next((o for o in orders if o.purpose is Purpose.DISCARD and o.node == me.node), None)
        if order is None:
            text = f"{me.position} of epoch {me.epoch} is not part of the cluster's history"
            return Wait(Reason.DIVERGED, (me.node,), text)
        return Join(cluster, history, fresh=True, order=order.token)
    return Join(cluster, history, fresh=standing is Standing.ABANDONED)


def _standing(me: Report, cluster: int, history: History) -> Standing:
    if me.position.defined:
        return place(history, cluster, me.epoch, me.position)
    # A member whose position was lost takes a transfer; of data that never were in a cluster nobody knows the worth.
    return Standing.ABANDONED if me.epoch else Standing.FOREIGN


def etcd_needed(case: Case) -> Wait | None:
    """Without etcd nobody bootstraps."""
    return Wait(Reason.ETCD_UNAVAILABLE) if case.snapshot is None else None


def readable(case: Case) -> Wait | None:
    """What was written by a newer version, or by somebody else, is not guessed at."""
    unreadable = _snapshot(case).unreadable
    return Wait(Reason.UNREADABLE_RECORD, (), ", ".join(unreadable)) if unreadable else None


def primary_exists(case: Case) -> Wait | None:
    """Somebody is Primary, though no confirmed one answers us."""
    starting = tuple(sorted(peer.node for peer in case.peers if peer.primary))
    registered = tuple(sorted(_snapshot(case).primary.keys() - {case.me.node}))
    if starting:
        return Wait(Reason.PRIMARY_STARTING, starting)
    if registered:
        return Wait(Reason.PRIMARY_UNREACHABLE, registered)
    if case.me.node in _snapshot(case).primary:
        return Wait(Reason.REPORTING, (case.me.node,), "the key of the own last run has not ended yet")
    return None


def reported(case: Case) -> Wait | None:
    """The own report is in etcd as it is: an election builds on it."""
    return None if _snapshot(case).reports.get(case.me.node) == case.me else Wait(Reason.REPORTING, (case.me.node,))


def own_election(case: Case) -> Start | Resign | None:
    """This node is elected: start, if its data are still those."""
    bootstrap = _snapshot(case).bootstrap
    if bootstrap is None or bootstrap.phase is not Phase.ELECTED or bootstrap.epoch.node != case.me.node:
        return None
    epoch = bootstrap.epoch
    if epoch.mode is Mode.INITIAL and case.me.held is not Held.DATA:
        return Start(epoch, initialize=True)
    return Start(epoch, initialize=False) if _still_elected(case.me, epoch) else Resign()


def _still_elected(me: Report, epoch: Epoch) -> bool:
    if not me.usable:
        return False
    if me.epoch == epoch.number:
        return True  # it had begun already
    # Not beyond its base: then it has joined others since, and what it was elected for is long past.
    return epoch.mode is Mode.RECOVER and me.position == Position(epoch.uuid, epoch.base)


def orders(case: Case) -> Elect | Stop | Wait | None:
    """O: an operator's order."""
    found = evidence(_snapshot(case), case.me.expected)
    for order in found.snapshot.orders:
        if order.purpose is Purpose.FORCE:
            return _force(case, found, order)
        if order.purpose is Purpose.INITIAL:
            return _begin_again(case, found, order)
    return None


def _force(case: Case, found: Evidence, order: Order) -> Elect | Stop | Wait:
    report = found.reports.get(order.node)
    if report is None:
        return Wait(Reason.ORDER_REFUSED, (order.node,), f"order {order.token}: {order.node} does not report")
    if not report.usable:
        return Wait(Reason.ORDER_REFUSED, (order.node,), f"order {order.token}: {order.node} has no usable data")
    if not order.lossy:
        ahead = _ahead_of(found, report)
        if ahead:
            return Wait(Reason.ORDER_REFUSED, ahead, f"order {order.token} would lose what these nodes have")
    if order.node != case.me.node:
        return _survivor_yields(case) or Wait(Reason.ELECTING, (order.node,))
    if case.me.activity is Activity.SURVIVOR:
        return Stop(f"order {order.token}: this node is to bootstrap the cluster")
    return _elect(case, found, Rule.ORDER, order=order)


def _ahead_of(found: Evidence, report: Report) -> tuple[str, ...]:
    """Return the nodes that have, or are remembered to have had, more than this report."""
    own = next((each.confirmed for each in candidates(found) if each.report is report), -1)
    names = {each.report.node for each in candidates(found) if each.confirmed > own}
    high = watermark(found)
    if high is not None and high.position.seqno > own:
        names.add(high.node)
    names |= {each.node for each in foreign(found)}
    return tuple(sorted(names))


def _begin_again(case: Case, found: Evidence, order: Order) -> Elect | Wait:
    if found.with_data:
        nodes = tuple(sorted(report.node for report in found.with_data))
        return Wait(Reason.ORDER_REFUSED, nodes, f"order {order.token}: these nodes have data")
    return _initial(case, found, order=order)


def hold(case: Case) -> Wait | None:
    """An operator froze automatic elections."""
    why = _snapshot(case).hold
    return None if why is None else Wait(Reason.HOLD, (), why)


def other_election(case: Case) -> Wait | None:
    """Another node is elected: give it time."""
    bootstrap = _snapshot(case).bootstrap
    if bootstrap is None or bootstrap.phase is not Phase.ELECTED:
        return None
    node = bootstrap.epoch.node
    if node in _snapshot(case).reports:
        return Wait(Reason.BOOTSTRAPPER_STARTING, (node,))
    return None if case.timers.takeover else Wait(Reason.BOOTSTRAPPER_ABSENT, (node,))


def nobody_starts(case: Case) -> Wait | None:
    """A node that was let out of the gate may run: nothing is certain until it reports."""
    nodes = sorted(n for n, report in _snapshot(case).reports.items() if report.activity is Activity.STARTING)
    return Wait(Reason.NODES_STARTING, tuple(nodes)) if nodes else None


def elect(case: Case) -> Elect | Stop | Wait:
    """Choose the best, and elect it where it is this node and a rule covers it."""
    snapshot = _snapshot(case)
    absent = passed_over(snapshot.bootstrap, takeover=case.timers.takeover, me=case.me.node)
    found = evidence(snapshot, case.me.expected, absent)
    if not found.with_data:
        return _without_data(case, found)
    best = _best(found)
    if isinstance(best, Wait):
        return best
    rule = covering(found, best)
    if rule is None:
        return _missing(found)
    return _survivor_yields(case) or _elect_best(case, found, best, rule)


def _best(found: Evidence) -> Candidate | Wait:
    uuids = {
        report.position.uuid for report in found.with_data if report.usable and report.node not in discarded(found)
    }
    strange = tuple(sorted(report.node for report in foreign(found)))
    if len(uuids) > 1 and (strange or found.cluster == 0):
        nodes = strange or tuple(sorted(report.node for report in found.with_data))
        return Wait(Reason.UUID_CONFLICT, nodes, "these nodes have data of another cluster")
    if strange:
        return Wait(Reason.DIVERGED, strange, "the data of these nodes are not part of the cluster's history")
    best = max(candidates(found), key=lambda each: each.rank, default=None)
    if best is None:
        return Wait(Reason.NO_SAFE_CANDIDATE, tuple(sorted(report.node for report in found.with_data)))
    high = watermark(found)
    if high is not None and high.position.seqno > best.confirmed:
        there = f"the best that reports is {best.report.node} at {best.confirmed}"
        text = f"{high.node} was at seqno {high.position.seqno}, {there}"
        return Wait(Reason.REGRESSED, (high.node,), text)
    return best


def _elect_best(case: Case, found: Evidence, best: Candidate, rule: Rule) -> Elect | Wait:
    if best.report.node != case.me.node:
        return Wait(Reason.ELECTING, (best.report.node,))
    return _elect(case, found, rule)


def _survivor_yields(case: Case) -> Stop | Wait | None:
    """Before an election all that run without a Primary component stop: no two of them can find together meanwhile."""
    if case.me.activity is Activity.SURVIVOR:
        return Stop("a new Primary component is about to be elected")
    running = [n for n, report in _snapshot(case).reports.items() if report.activity is Activity.SURVIVOR]
    return Wait(Reason.SURVIVORS_STOPPING, tuple(sorted(running))) if running else None


def _missing(found: Evidence) -> Wait:
    known = set(found.snapshot.nodes)
    missing = {n for n in known if n not in found.reports or lost_data(found, found.reports[n])}
    count = found.expected - len(found.reports)
    return Wait(Reason.MISSING, tuple(sorted(missing)), f"{count} of {found.expected} nodes have not reported")


def _without_data(case: Case, found: Evidence) -> Elect | Wait:
    had_data = found.cluster > 0 or watermark(found) is not None
    if len(found.reports) < found.expected - (1 if found.absent else 0):
        if had_data:
            return _missing(found)
        text = f"{len(found.reports)} of {found.expected} nodes are here, all empty"
        return Wait(Reason.INITIAL_MEMBERS, tuple(sorted(found.reports)), text)
    if had_data:
        return Wait(Reason.DATA_LOSS_GUARD, tuple(sorted(found.reports)), "every node is empty; the cluster had data")
    return _initial(case, found)


def _initial(case: Case, found: Evidence, order: Order | None = None) -> Elect | Wait:
    if len(found.reports) < found.expected - (1 if found.absent else 0):
        return Wait(Reason.INITIAL_MEMBERS, tuple(sorted(found.reports)))
    first = min(found.reports, key=lambda node: (ordinal_of(node), node))
    if first != case.me.node:
        return Wait(Reason.ELECTING, (first,))
    return _elect(case, found, Rule.INITIAL if order is None else Rule.ORDER, order=order)


def _elect(case: Case, found: Evidence, rule: Rule, order: Order | None = None) -> Elect:
    me, snapshot = case.me, found.snapshot
    with_data = me.held is Held.DATA
    bootstrap = snapshot.bootstrap
    numbers = [*snapshot.history, *(report.epoch for report in snapshot.reports.values())]
    newest = max(numbers, default=0)
    epoch = Epoch(
        number=max(newest, 0 if bootstrap is None else bootstrap.epoch.number) + 1,
        parent=origin(snapshot.history, me.epoch, me.position.seqno) if with_data else 0,
        base=me.position.seqno if with_data else -1,
        uuid=me.position.uuid if with_data else ZERO_UUID,
        node=me.node,
        mode=Mode.RECOVER if with_data else Mode.INITIAL,
        rule=rule,
        lossy=order is not None and (order.lossy or order.purpose is Purpose.INITIAL),
    )
    # All that was read and could change the choice: who reports, and what is remembered of who does not.
    uses = ["bootstrap"]
    uses += [f"report/{node}" for node in snapshot.reports]
    uses += [f"nodes/{node}" for node in snapshot.nodes]
    if order is not None:
        uses.append(f"override/{order.token}")
    else:
        uses.append("hold")
    return Elect(epoch, tuple(sorted(uses)), "" if order is None else order.token)


GATE: Final[tuple[Callable[[Case], GateDecision | Stop | None], ...]] = (
    identity,
    join,
    etcd_needed,
    readable,
    primary_exists,
    reported,
    own_election,
    orders,
    hold,
    other_election,
    nobody_starts,
    elect,
)


# While the database answers, in order ------------------------------------------------------------


def without_primary(running: Running, _snapshot: Snapshot | None) -> Keep | None:
    """Nothing to tell of a database without a Primary component; after a while ``decide`` is asked for it."""
    return None if running.primary else Keep()


def own_confirmation(running: Running, snapshot: Snapshot | None) -> Confirm | Keep | Relabel | Stop | None:
    """An elected node is confirmed once it is Synced; it ends when the election is no longer its own."""
    if running.confirmed:
        return None
    if snapshot is None:
        return Keep()  # the wrapper ends it when its lease has gone stale
    bootstrap = snapshot.bootstrap
    epoch = snapshot.history.get(running.epoch)
    if epoch is None or bootstrap is None or bootstrap.epoch.number != running.epoch or epoch.node != running.node:
        return Stop(f"the election of epoch {running.epoch} was taken over")
    if bootstrap.phase is Phase.ELECTED:
        return Confirm(epoch) if running.synced and not undefined(running.position.uuid) else Keep()
    if bootstrap.phase is Phase.PRIMARY:
        return Relabel(running.epoch)  # confirmed already; the reply was lost
    return Stop(f"the election of epoch {running.epoch} was given up")


def inconsistent(running: Running, _snapshot: Snapshot | None) -> Stop | None:
    """Galera expelled this node for its data: they must not be used again."""
    return Stop("its data differ from the others'", taint=True) if running.inconsistent else None


def stranded(running: Running, _snapshot: Snapshot | None) -> Stop | None:
    """Galera gave up, as after a state transfer that failed: the server runs on and never joins again by itself."""
    return Stop("Galera has closed its connection to the group and does not come back") if running.stranded else None


def unknown_to_etcd(running: Running, snapshot: Snapshot | None) -> Adopt | Keep | None:
    """A Primary component runs that etcd does not know: etcd was wiped, or this is the first sidecar here."""
    if snapshot is None or not running.synced or undefined(running.position.uuid):
        return Keep()
    newest = newest_confirmed(snapshot.history)
    if running.epoch:
        known = running.history.get(running.epoch)
        lost = snapshot.bootstrap is None or running.epoch > newest
        return Adopt(replace(known, confirmed=True)) if lost and known is not None else None
    if newest and snapshot.primary:
        return None
    bootstrap = snapshot.bootstrap
    number = 1 + max([*snapshot.history, 0 if bootstrap is None else bootstrap.epoch.number])
    same = newest and snapshot.history[newest].uuid == running.position.uuid
    uuid, seqno = running.position.uuid, running.position.seqno
    parent = newest if same else 0
    return Adopt(Epoch(number, parent, seqno, uuid, running.node, Mode.ADOPTED, Rule.ADOPTED, confirmed=True))


def newer_epoch(running: Running, snapshot: Snapshot | None) -> Relabel | Stop | None:
    """The component is of a newer epoch than the label: Galera let this node in by itself; now lineage is checked."""
    if snapshot is None:
        return None
    newest = newest_confirmed(snapshot.history)
    if running.epoch == newest or running.component not in snapshot.primary.values():
        return None
    if running.epoch == 0 or not running.before.defined:
        return Relabel(newest)
    if place(snapshot.history, newest, running.epoch, running.before) is Standing.MEMBER:
        return Relabel(newest)
    text = f"{running.before} of epoch {running.epoch} is not part of epoch {newest}, which Galera let it join"
    return Stop(text, taint=True)


RUN: Final[tuple[Callable[[Running, Snapshot | None], RunDecision | None], ...]] = (
    inconsistent,
    stranded,
    without_primary,
    own_confirmation,
    unknown_to_etcd,
    newer_epoch,
)


def registers(running: Running, snapshot: Snapshot) -> bool:
    """Whether this node may hold the key ``primary/<node>``: a member of the confirmed Primary component."""
    return running.primary and running.confirmed and running.epoch == newest_confirmed(snapshot.history) > 0


def _snapshot(case: Case) -> Snapshot:
    if case.snapshot is None:
        raise AssertionError("rules behind etcd_needed have a snapshot")
    return case.snapshot
