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
I1  At most one lineage: each election is an epoch of its own, made by one transaction, and a group of its own in
    Galera: processes of different elections cannot meet.
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
from typing import Final

from galera_exporter.bootstrap import admission, election, membership
from galera_exporter.bootstrap.admission import Case
from galera_exporter.bootstrap.decisions import GateDecision, Keep, RunDecision, Stop
from galera_exporter.bootstrap.lineage import newest_confirmed
from galera_exporter.bootstrap.state import Activity, Peer, Report, Running, Snapshot, Timers

GATE: Final[tuple[Callable[[Case], GateDecision | Stop | None], ...]] = (
    admission.identity,
    admission.join,
    admission.etcd_needed,
    admission.readable,
    admission.primary_exists,
    admission.reported,
    admission.own_election,
    election.orders,
    election.hold,
    election.other_election,
    election.nobody_starts,
    election.elect,
)


RUN: Final[tuple[Callable[[Running, Snapshot | None], RunDecision | None], ...]] = (
    membership.inconsistent,
    membership.stranded,
    membership.forgotten,
    membership.without_primary,
    membership.own_confirmation,
    membership.of_the_newest,
    membership.unknown_to_etcd,
)


def decide(me: Report, snapshot: Snapshot | None, peers: tuple[Peer, ...], timers: Timers) -> GateDecision | Stop:
    """Return what a node without a Primary component does next; ``Stop`` only for a survivor."""
    case = Case(me, snapshot, peers, timers)
    for rule in GATE:
        decision = rule(case)
        if decision is not None:
            return decision
    raise AssertionError("the last rule of the gate always answers")


def foresee(report: Report, snapshot: Snapshot) -> GateDecision | Stop | None:
    """Return what the node of a report does next, as far as etcd alone tells; None for one that was let start.

    The other sidecars are not asked: nodes that etcd has as Primary are taken to answer, and an
    elected node that shows no key to be gone for less than the takeover time.
    """
    if report.activity is Activity.STARTING:
        return None
    epoch = newest_confirmed(snapshot.history)
    primary = sorted(snapshot.primary) if epoch else ()
    peers = tuple(Peer(node, primary=True, confirmed=True, epoch=epoch) for node in primary)
    return decide(report, snapshot, peers, Timers())


def supervise(running: Running, snapshot: Snapshot | None) -> RunDecision:
    """Return what is to be done about a database that answers."""
    for rule in RUN:
        decision = rule(running, snapshot)
        if decision is not None:
            return decision
    return Keep()
