"""Planted bugs: the protocol with one thing wrong, which the simulation must find.

Each row names what is wrong, what is replaced, what is violated, and a seed that shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from galera_exporter.bootstrap import (
    admission,
    choice,
    election,
    lineage,
    local,
    membership,
    protocol,
    state,
    transactions,
)
from galera_exporter.bootstrap.decisions import Join, Start
from galera_exporter.bootstrap.lineage import Standing
from galera_exporter.bootstrap.state import Held, Report, Rule
from galera_exporter.bootstrap.transactions import NoneBelow, Transaction
from sim import desk, wrapper
from sim.disk import Disk

Change = tuple[Any, str, Any]
"""Object, attribute, new value."""


@dataclass(frozen=True)
class Mutation:
    """A planted bug."""

    name: str
    changes: Callable[[], list[Change]]
    violated: str
    """Kinds of violation that may show it."""
    seed: int = 0
    """A schedule that shows it."""


def everywhere(original: Any, changed: Any) -> list[Change]:
    """Replace a function in all modules that have it, and in the protocol's tables."""
    changes: list[Change] = [
        (module, name, changed)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith(("galera_exporter.bootstrap", "sim."))
        and module.__name__ != __name__
        for name, value in list(vars(module).items())
        if value is original
    ]
    for table in ("GATE", "RUN"):
        rules = getattr(protocol, table)
        if original in rules:
            changes.append((protocol, table, tuple(changed if rule is original else rule for rule in rules)))
    if any(row.holds is original for row in choice.RULES):
        rows = tuple(replace(row, holds=changed) if row.holds is original else row for row in choice.RULES)
        changes.append((choice, "RULES", rows))
    return changes


@contextmanager
def planted(mutation: Mutation) -> Iterator[None]:
    """Have the bug in the protocol, for as long as this lasts."""
    undo: list[Change] = []
    try:
        for thing, name, value in mutation.changes():
            undo.append((thing, name, vars(thing)[name]))
            setattr(thing, name, value)
        yield
    finally:
        for thing, name, value in reversed(undo):
            setattr(thing, name, value)


def instead(original: Any, changed: Any) -> Callable[[], list[Change]]:
    """Return what replaces one function by another."""
    return lambda: everywhere(original, changed)


def off(rule: Any) -> Callable[[], list[Change]]:
    """Return what makes a rule never answer."""
    return instead(rule, lambda *_: None)


def unguarded(made: Any, which: Callable[[Any], bool] = lambda _: True) -> Callable[[], list[Change]]:
    """Return what takes guards out of a transaction."""

    def without(*arguments: Any) -> Transaction:
        transaction: Transaction = made(*arguments)
        return replace(transaction, guards=tuple(guard for guard in transaction.guards if not which(guard)))

    return instead(made, without)


def of_key(*starts: str) -> Callable[[Any], bool]:
    """Return what says whether a guard is of such a key."""
    return lambda guard: not isinstance(guard, NoneBelow) and guard.key.startswith(starts)


def final_without_view(found: Any, best: Any) -> bool:
    finals = {known.node for known in choice.absent_finals(found, best)}
    reporting = {node for node, report in found.reports.items() if not choice.lost_data(found, report)}
    return found.cluster > 0 and len(reporting | finals) >= found.expected


def final_with_own_view_only(found: Any, best: Any) -> bool:
    if not final_without_view(found, best) or best.report.view is None:
        return False
    accounted = {report.incarnation for report in found.reports.values()}
    accounted |= {known.incarnation for known in choice.absent_finals(found, best)}
    return accounted.issuperset(best.report.view.members)


def finals_or_not(found: Any, best: Any) -> Iterator[Any]:
    for node, known in found.snapshot.nodes.items():
        report = found.reports.get(node)
        absent = report is None or report.held is not Held.DATA
        if absent and known.position.seqno <= best.confirmed:
            yield known


def best_without_conflicts(found: Any) -> Any:
    best = max(choice.candidates(found), key=lambda each: each.rank, default=None)
    return _best(found) if best is None else best


_best = election._best
_initial = election._initial
_without_data = election._without_data
_join = admission._join
_joined = local.joined
_elect = election._elect
_request = Disk.request
_begin = transactions.begin


def initial_of_whoever_is_here(case: Any, found: Any) -> Any:
    if found.cluster > 0 or choice.watermark(found) is not None:
        return _without_data(case, found)
    first = min(found.reports, key=lambda node: (choice.ordinal_of(node), node))
    return election._elect(case, found, Rule.INITIAL) if first == case.me.node else _initial(case, found)


def initial_whatever_was(case: Any, found: Any) -> Any:
    return election._initial(case, found)


def join_never_fresh(case: Any, cluster: int, history: Any) -> Any:
    decision = _join(case, cluster, history)
    return replace(decision, fresh=False) if isinstance(decision, Join) else decision


def joined_never_tainted(state: Any, decision: Any, report: Any) -> Any:
    return replace(_joined(state, decision, report), tainted=False)


def start_whatever_the_data(case: Any) -> Any:
    decision = OWN_ELECTION(case)
    return (
        decision
        if decision is None or isinstance(decision, Start)
        else Start(case.seen.bootstrap.epoch, initialize=False)
    )


OWN_ELECTION = admission.own_election


def begin_leaves_final(decision: Any, report: Any, snapshot: Any) -> Transaction:
    transaction = _begin(decision, report, snapshot)
    kept = tuple(change for change in transaction.changes if not change.key.startswith(transactions.NODES))
    return replace(transaction, changes=kept)


def take_again(node: Any) -> Any:
    taken = node.decision
    if taken is not None and node.request is not None:
        node.request = replace(node.request, boot_id=taken.boot_id)
    return taken


def prepare_keeps_decision(world: Any, node: Any) -> None:
    decision = node.decision or node.booting
    _prepare(world, node)
    node.decision = decision


_prepare = wrapper.prepare


def request_of_any_safe(disk: Any, boot_id: str, histories: Any) -> Any:
    request = _request(disk, boot_id, histories)
    return replace(request, safe=disk.safe and request.position.defined)


def join_of_unconfirmed(case: Any) -> Any:
    peers = tuple(replace(peer, confirmed=True) for peer in case.peers)
    return _join_rule(replace(case, peers=peers))


_join_rule = admission.join


def merged(one: Any, other: Any) -> Any:
    return {**one, **other}


def usable(*, tainted: bool = False, position: bool = True) -> Callable[[], list[Change]]:
    """Return what changes which reports count as usable."""
    changed = property(
        lambda self: (
            self.held is Held.DATA and (tainted or not self.tainted) and (self.position.defined or not position)
        )
    )
    return lambda: [(Report, "usable", changed)]


MUTATIONS: Final = (
    Mutation(
        "A holds with one node missing",
        instead(choice.all_reported, lambda f, _b: len(f.reports) >= f.expected - 1),
        "lost commit",
        18,
    ),
    Mutation(
        "L trusts safe_to_bootstrap of any epoch",
        instead(choice.last_to_leave, lambda _f, best: best.report.safe),
        "lost commit",
        5031,
    ),
    Mutation(
        "L does not ask for safe_to_bootstrap",
        instead(
            choice.last_to_leave,
            lambda f, best: f.snapshot.bootstrap is not None and best.report.epoch == f.cluster > 0,
        ),
        "lost commit",
        12,
    ),
    Mutation(
        "safe_to_bootstrap after a crash counts", lambda: [(Disk, "request", request_of_any_safe)], "lost commit", 92
    ),
    Mutation("F without the views", instead(choice.others_final, final_without_view), "lost commit", 92),
    Mutation("F with the best's view only", instead(choice.others_final, final_with_own_view_only), "lost commit", 362),
    Mutation(
        "F does not ask whether the end was clean",
        instead(choice.absent_finals, finals_or_not),
        "lost commit",
        51,
    ),
    Mutation(
        "T without the other nodes", instead(choice.all_but_elected, lambda f, _b: bool(f.absent)), "lost commit", 1111
    ),
    Mutation("T without waiting", lambda: [(desk, "TAKEOVER", 0.0)], "two bootstraps", 10),
    Mutation("watermarks are ignored", instead(choice.watermark, lambda _f: None), "regressed", 45),
    Mutation("other histories are no obstacle", instead(choice.foreign, lambda _f: ()), "conflict", 4),
    Mutation(
        "conflicts are ignored, the most advanced wins", instead(election._best, best_without_conflicts), "conflict", 4
    ),
    Mutation("tainted data are used", usable(tainted=True), "bad data", 26),
    Mutation("data without a position are used", usable(position=False), "stuck", 66),
    Mutation("everything is part of the history", instead(lineage.place, lambda *_: Standing.MEMBER), "conflict", 4),
    Mutation("abandoned data are joined by IST", instead(admission._join, join_never_fresh), "diverged", 8),
    Mutation("an order that is not lossy loses data", instead(election._ahead_of, lambda *_: ()), "lost commit", 13),
    Mutation("survivors are not stopped", instead(election._survivor_yields, lambda _c: None), "stuck", 23),
    Mutation("nodes that start are not waited for", off(election.nobody_starts), "lost commit", 4763),
    Mutation("hold is ignored", off(election.hold), "held", 24),
    Mutation("hold does not guard the election", unguarded(transactions.elect, of_key("hold")), "held", 339),
    Mutation("an order is not used up", instead(transactions._used, lambda *_: []), "order twice", 2),
    Mutation(
        "the first start does not wait for all",
        instead(election._without_data, initial_of_whoever_is_here),
        "lost commit, two clusters",
        77,
    ),
    Mutation(
        "no guard against the loss of all data",
        instead(election._without_data, initial_whatever_was),
        "lost commit",
        645,
    ),
    Mutation("an election is put, not compared", unguarded(transactions.elect), "held", 339),
    Mutation("a start is not bound in etcd", unguarded(transactions.begin), "unbound", 69),
    Mutation(
        "a start leaves the clean end standing", instead(transactions.begin, begin_leaves_final), "lost commit", 10867
    ),
    Mutation(
        "whoever is part of an adopted component stays without a label", off(membership.of_the_newest), "stuck", 1241
    ),
    Mutation(
        "all elections have one group in Galera",
        instead(state.group_name, lambda *_: "galera"),
        "lost commit",
        1587,
    ),
    Mutation("an unconfirmed component is joined", instead(admission.join, join_of_unconfirmed), "stuck", 616),
    Mutation(
        "an elected node starts with other data",
        instead(admission.own_election, start_whatever_the_data),
        "lost commit",
        45,
    ),
    Mutation("an incomplete transfer does not taint", instead(local.joined, joined_never_tainted), "diverged", 389),
    Mutation(
        "a decision is used twice",
        lambda: everywhere(wrapper.take, take_again) + everywhere(wrapper.prepare, prepare_keeps_decision),
        "thrown away",
        1,
    ),
    Mutation(
        "the lease of a bootstrap is not watched", instead(wrapper.overdue, lambda *_: False), "two bootstraps", 10
    ),
    Mutation("an unconfirmed epoch overwrites a confirmed one", instead(lineage.merge, merged), "restless", 9),
)
