"""Rules of the gate that elect: an operator's order, or the best of those that report, if a rule covers it."""

from __future__ import annotations

from galera_exporter.bootstrap.admission import Case
from galera_exporter.bootstrap.choice import (
    Candidate,
    Evidence,
    candidates,
    covering,
    discarded,
    evidence,
    foreign,
    kept_by_abandoned,
    lost_data,
    ordinal_of,
    passed_over,
    standing,
    watermark,
)
from galera_exporter.bootstrap.decisions import Elect, Stop, Wait
from galera_exporter.bootstrap.lineage import Standing, newest_confirmed, origin
from galera_exporter.bootstrap.state import Activity, Epoch, Held, Mode, Order, Phase, Purpose, Reason, Report, Rule
from galera_exporter.bootstrap.words import REFUSED
from galera_exporter.model import ZERO_UUID


def orders(case: Case) -> Elect | Stop | Wait | None:
    """O: an operator's order."""
    found = evidence(case.seen, case.me.expected)
    for order in found.snapshot.orders:
        if order.purpose is Purpose.FORCE:
            return _force(case, found, order)
        if order.purpose is Purpose.INITIAL:
            return _begin_again(case, found, order)
    return None


def _force(case: Case, found: Evidence, order: Order) -> Elect | Stop | Wait:
    starting = nobody_starts(case)
    if starting is not None:
        return starting
    report = found.reports.get(order.node)
    if report is None or not report.usable:
        lacks = "does not report" if report is None else "has no usable data"
        return Wait(Reason.ORDER_REFUSED, (order.node,), f"order {order.token}: {order.node} {lacks}")
    if not order.lossy:
        ahead = _ahead_of(found, report)
        if ahead:
            text = f"order {order.token} would lose data, and does not accept that: because of these nodes"
            return Wait(Reason.ORDER_REFUSED, ahead, text)
    yields = _survivor_yields(case)
    if yields is not None:
        return yields
    if order.node != case.me.node:
        return Wait(Reason.ELECTING, (order.node,))
    return _elect(case, found, Rule.ORDER, order=order)


def _ahead_of(found: Evidence, report: Report) -> tuple[str, ...]:
    """Return the nodes that have, or are remembered to have had, more than this report."""
    ours = next((each.confirmed for each in candidates(found) if each.report is report), None)
    own = -1 if ours is None else ours
    names = {each.report.node for each in candidates(found) if each.confirmed > own}
    high = watermark(found)
    if high is not None and high.position.seqno > own:
        names.add(high.node)
    names |= {each.node for each in foreign(found)}
    names |= {node for node, seqno in kept_by_abandoned(found) if seqno > own and node != report.node}
    if ours is None:
        names.add(report.node)  # its data are not the cluster's
    return tuple(sorted(names))


def _begin_again(case: Case, found: Evidence, order: Order) -> Elect | Wait:
    starting = nobody_starts(case)
    if starting is not None:
        return starting
    usable = tuple(sorted(report.node for report in found.with_data if report.usable))
    if usable:
        return Wait(Reason.ORDER_REFUSED, usable, f"order {order.token}: these nodes have usable data")
    if len(found.with_data) == len(found.reports):
        text = f"order {order.token}: no node is empty: empty the data directory of the one to begin with"
        return Wait(Reason.ORDER_REFUSED, tuple(sorted(found.reports)), text)
    return _initial(case, found, order=order)


def hold(case: Case) -> Wait | None:
    """An operator froze automatic elections."""
    why = case.seen.hold
    return None if why is None else Wait(Reason.HOLD, (), why)


def other_election(case: Case) -> Wait | None:
    """Another node is elected: give it time."""
    bootstrap = case.seen.bootstrap
    if bootstrap is None or bootstrap.phase is not Phase.ELECTED:
        return None
    node = bootstrap.epoch.node
    if node in case.seen.reports:
        return Wait(Reason.BOOTSTRAPPER_STARTING, (node,), REFUSED if case.seen.reports[node].refused else "")
    return None if case.timers.takeover else Wait(Reason.BOOTSTRAPPER_ABSENT, (node,))


def nobody_starts(case: Case) -> Wait | None:
    """Nothing is certain until all report that may run: who was let out of the gate, and who lives without a report."""
    snapshot = case.seen
    nodes = {node for node, report in snapshot.reports.items() if report.activity is Activity.STARTING}
    nodes |= snapshot.owners.keys() - snapshot.reports.keys()
    if nodes:
        return Wait(Reason.NODES_STARTING, tuple(sorted(nodes)))
    return None if case.timers.settled or _never_served(case) else Wait(Reason.SETTLING)


def _never_served(case: Case) -> bool:
    """Whether there is nothing that a node could have gone on with since its report: a first start need not wait."""
    snapshot = case.seen
    reported = any(report.held is Held.DATA for report in snapshot.reports.values())
    remembered = any(known.position.defined for known in snapshot.nodes.values())
    return not (reported or remembered or newest_confirmed(snapshot.history))


def elect(case: Case) -> Elect | Stop | Wait:
    """Choose the best, and elect it where it is this node and a rule covers it."""
    snapshot = case.seen
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
    there = f"the best that reports is {best.report.node} at {best.confirmed}"
    high = watermark(found)
    if high is not None and high.position.seqno > best.confirmed:
        text = f"{high.node} was at seqno {high.position.seqno}, {there}"
        return Wait(Reason.REGRESSED, (high.node,), text)
    for node, seqno in kept_by_abandoned(found):
        if seqno > best.confirmed:
            text = f"{node} has the cluster's data up to seqno {seqno}, and data beyond that were given up; {there}"
            return Wait(Reason.REGRESSED, (node,), text)
    return best


def _elect_best(case: Case, found: Evidence, best: Candidate, rule: Rule) -> Elect | Wait:
    if best.report.node != case.me.node:
        return Wait(Reason.ELECTING, (best.report.node,))
    return _elect(case, found, rule)


def _survivor_yields(case: Case) -> Stop | Wait | None:
    """Before an election all that run without a Primary component stop: no two of them can find together meanwhile."""
    if case.me.activity is Activity.SURVIVOR:
        return Stop("a new Primary component is about to be elected")
    running = [n for n, report in case.seen.reports.items() if report.activity is Activity.SURVIVOR]
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
        return Wait(Reason.INITIAL_MEMBERS, (), text)
    if had_data:
        return Wait(Reason.DATA_LOSS_GUARD, tuple(sorted(found.reports)), "every node is empty; the cluster had data")
    return _initial(case, found)


def _initial(case: Case, found: Evidence, order: Order | None = None) -> Elect | Wait:
    if len(found.reports) < found.expected - (1 if found.absent else 0):
        return Wait(Reason.INITIAL_MEMBERS, (), f"{len(found.reports)} of {found.expected} nodes are here")
    empty = [node for node, report in found.reports.items() if report.held is not Held.DATA]
    first = min(empty, key=lambda node: (ordinal_of(node), node))
    if first != case.me.node:
        return Wait(Reason.ELECTING, (first,))
    return _elect(case, found, Rule.INITIAL if order is None else Rule.ORDER, order=order)


def _unheard_of(order: Order | None) -> int:
    """How many epochs those who do not report may know beyond what was heard of, when etcd has lost the newest.

    A number must never stand for two epochs. Without an order all nodes report, so all is known.
    """
    return 0 if order is None else 1000


def _parent(found: Evidence, me: Report) -> int:
    """Return the epoch whose data a node begins with. Without a label, but a part of an adopted one: that."""
    parent = origin(found.snapshot.history, me.epoch, me.position.seqno)
    return parent or (found.cluster if standing(found, me) is Standing.MEMBER else 0)


def _elect(case: Case, found: Evidence, rule: Rule, order: Order | None = None) -> Elect:
    me, snapshot = case.me, found.snapshot
    with_data = me.held is Held.DATA
    bootstrap = snapshot.bootstrap
    numbers = [*snapshot.history, *(report.epoch for report in snapshot.reports.values())]
    newest = max(numbers, default=0)
    epoch = Epoch(
        number=1 + (max(newest, bootstrap.epoch.number) if bootstrap is not None else newest + _unheard_of(order)),
        parent=_parent(found, me) if with_data else 0,
        base=me.position.seqno if with_data else -1,
        uuid=me.position.uuid if with_data else ZERO_UUID,
        node=me.node,
        mode=Mode.RECOVER if with_data else Mode.INITIAL,
        rule=rule,
        lossy=order is not None and (order.lossy or order.purpose is Purpose.INITIAL),
    )
    # All that was read and could change the choice: who reports, who does not, and what is remembered of them.
    uses = ["bootstrap"]
    uses += [f"report/{node}" for node in snapshot.reports.keys() | snapshot.nodes.keys()]
    uses += [f"nodes/{node}" for node in snapshot.nodes]
    if order is not None:
        uses.append(f"override/{order.token}")
    else:
        uses.append("hold")
    return Elect(epoch, tuple(sorted(uses)), "" if order is None else order.token)
