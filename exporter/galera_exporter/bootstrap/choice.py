"""Who may be elected: the rules, each a function of the same evidence.

A rule answers one question: is every node that could have something newer than the best
candidate accounted for? ``RULES`` is the table; the first rule that says yes elects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from galera_exporter.bootstrap.lineage import Standing, common, confirmed_part, known_as, newest_confirmed, place
from galera_exporter.bootstrap.state import Activity, Bootstrap, Held, LastKnown, Phase, Purpose, Report, Rule, Snapshot
from galera_exporter.model import Position


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that could be bootstrapped from."""

    report: Report
    confirmed: int
    """Seqno up to which clients may have been served from its data."""

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """Sort key: the most advanced is the greatest; between equals the lowest ordinal."""
        ordinal = ordinal_of(self.report.node)
        return self.confirmed, self.report.position.seqno, -ordinal, self.report.node


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at the moment of a choice."""

    snapshot: Snapshot
    reports: Mapping[str, Report]
    """Of the nodes that do not run, or run without a Primary component."""
    expected: int
    cluster: int
    """The newest epoch that served clients; 0: none is known."""
    absent: str = ""
    """The elected node that a takeover would pass over."""

    @property
    def with_data(self) -> tuple[Report, ...]:
        """The reports of nodes that have data, whole or not."""
        return tuple(report for report in self.reports.values() if report.held is Held.DATA)


def ordinal_of(node: str) -> int:
    """Return the number that a StatefulSet's pod name ends with; -1 without one."""
    found = re.search(r"(\d{1,9})$", node)
    return int(found.group(1)) if found else -1


def expected_nodes(snapshot: Snapshot, own: int) -> int:
    """Return the largest size of the cluster that any node knows of."""
    return max((report.expected for report in snapshot.reports.values()), default=own)


def evidence(snapshot: Snapshot, own_expected: int, absent: str = "") -> Evidence:
    """Collect what a choice is made from."""
    reports = {
        node: report
        for node, report in snapshot.reports.items()
        if report.activity is not Activity.STARTING and node != absent
    }
    expected = max(own_expected, expected_nodes(snapshot, own_expected))
    return Evidence(snapshot, reports, expected, newest_confirmed(snapshot.history), absent)


def standing(found: Evidence, report: Report) -> Standing:
    """Return what a node's data are to the newest confirmed epoch."""
    history = found.snapshot.history
    if not known_as(history, report.epoch, report.history):
        return Standing.FOREIGN
    if found.cluster == 0:
        return Standing.MEMBER
    if place(history, found.cluster, report.epoch, report.position) is Standing.MEMBER:
        return Standing.MEMBER
    source, position = confirmed_part(history, report.epoch, report.position)
    if source and place(history, found.cluster, source, position) is Standing.MEMBER:
        return Standing.MEMBER  # it goes beyond in an epoch that never served anybody
    return place(history, found.cluster, report.epoch, report.position)


def candidates(found: Evidence) -> Iterator[Candidate]:
    """Yield the nodes that may be bootstrapped from, as far as their own data are concerned."""
    given_up = discarded(found)
    for report in found.with_data:
        if report.usable and report.node not in given_up and standing(found, report) is Standing.MEMBER:
            yield Candidate(report, _served(found, report))


def discarded(found: Evidence) -> frozenset[str]:
    """Return the nodes whose data an operator gave up."""
    return frozenset(order.node for order in found.snapshot.orders if order.purpose is Purpose.DISCARD)


def foreign(found: Evidence) -> tuple[Report, ...]:
    """Return the reports whose data are none of the cluster's: whose is right, an operator must say."""
    given_up = discarded(found)
    return tuple(
        report
        for report in found.with_data
        if report.usable and report.node not in given_up and standing(found, report) is Standing.FOREIGN
    )


def kept_by_abandoned(found: Evidence) -> Iterator[tuple[str, int]]:
    """Yield the nodes whose data were given up, with the seqno up to which they are the cluster's all the same."""
    for report in found.with_data:
        if report.usable and report.node not in discarded(found) and standing(found, report) is Standing.ABANDONED:
            yield report.node, common(found.snapshot.history, found.cluster, report.epoch, report.position)


def watermark(found: Evidence) -> LastKnown | None:
    """Return the most advanced position that the cluster remembers of a node and that counts, with the node."""
    known = (known for known in found.snapshot.nodes.values() if remembered(found, known))
    return max(known, key=lambda each: (each.position.seqno, each.node), default=None)


def remembered(found: Evidence, known: LastKnown) -> bool:
    """Whether what is remembered of a node is part of the cluster's history."""
    if not known.position.defined:
        return False
    if found.cluster == 0:
        return True
    history = found.snapshot.history
    if known.epoch not in history:
        return known.position.uuid == history[found.cluster].uuid  # etcd was emptied: it may be of a newer epoch
    return place(history, found.cluster, known.epoch, known.position) is Standing.MEMBER


def all_reported(found: Evidence, _best: Candidate) -> bool:
    """A: every node of the cluster has reported, so nobody can have more."""
    return len(found.reports) >= found.expected


def last_to_leave(found: Evidence, best: Candidate) -> bool:
    """L: the best left cleanly, as the last member of the Primary component of the newest epoch.

    It must know itself that this epoch was confirmed: a volume of the time before, put back
    from a snapshot, left as the last of it too.
    """
    bootstrap = found.snapshot.bootstrap
    own = best.report.history.get(best.report.epoch)
    return (
        best.report.safe
        and bootstrap is not None
        and bootstrap.phase is Phase.PRIMARY
        and best.report.epoch == bootstrap.epoch.number == found.cluster
        and own is not None
        and own.confirmed
    )


def others_final(found: Evidence, best: Candidate) -> bool:
    """F: who is absent ended cleanly, not beyond the best, and was in no newer Primary view.

    Galera records each Primary view before it becomes effective. A node that came back after
    its clean stop did so under a new incarnation, and one of those that saw it come has
    that in its last view; so every member of the newest views must be accounted for by name of
    its incarnation. The chain of views is unbroken: each has a member of the one before.
    """
    view = best.report.view
    if view is None or best.report.epoch != found.cluster or found.cluster == 0:
        return False  # who was in the views of the newest epoch is not known
    finals = {known.node: known for known in absent_finals(found, best)}
    reporting = {node for node, report in found.reports.items() if not lost_data(found, report)}
    if len(reporting | finals.keys()) < found.expected:
        return False
    accounted = {report.incarnation for report in found.reports.values()}
    accounted |= {known.incarnation for known in finals.values()}
    newest = (best.report.epoch, view.seq)
    # One that does not say its view may be the only one that saw somebody come.
    return all(
        report.view is not None
        and ((report.epoch, report.view.seq) < newest or accounted.issuperset(report.view.members))
        for report in found.with_data
    )


def lost_data(found: Evidence, report: Report) -> bool:
    """Whether a node reports no data and the cluster remembers that it had some."""
    known = found.snapshot.nodes.get(report.node)
    return report.held is not Held.DATA and known is not None and known.position.defined


def absent_finals(found: Evidence, best: Candidate) -> Iterator[LastKnown]:
    """Yield what is remembered of the nodes without data that ended cleanly, not beyond the best."""
    for node, known in found.snapshot.nodes.items():
        report = found.reports.get(node)
        if (
            (report is None or report.held is not Held.DATA)
            and node not in _starting(found.snapshot)
            and known.final
            and known.position.seqno <= best.confirmed
            and remembered(found, known)
        ):
            yield known


def all_but_elected(found: Evidence, best: Candidate) -> bool:
    """T: the elected node has vanished before it served anybody; all others report, and the best has what it had."""
    bootstrap = found.snapshot.bootstrap
    if not found.absent or bootstrap is None or len(found.reports) < found.expected - 1:
        return False
    epoch = bootstrap.epoch
    had = Position(epoch.uuid, epoch.base)
    return best.confirmed >= confirmed_part(found.snapshot.history, epoch.number, had)[1].seqno


@dataclass(frozen=True, slots=True)
class Covering:
    """A rule of the table."""

    rule: Rule
    holds: Callable[[Evidence, Candidate], bool]


RULES: Final = (
    Covering(Rule.ALL, all_reported),
    Covering(Rule.LAST, last_to_leave),
    Covering(Rule.FINAL, others_final),
    Covering(Rule.TAKEOVER, all_but_elected),
)


def covering(found: Evidence, best: Candidate) -> Rule | None:
    """Return the first rule that accounts for every node that could be ahead of the best."""
    return next((each.rule for each in RULES if each.holds(found, best)), None)


def _starting(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(node for node, report in snapshot.reports.items() if report.activity is Activity.STARTING)


def _served(found: Evidence, report: Report) -> int:
    if found.cluster == 0:
        return report.position.seqno
    return confirmed_part(found.snapshot.history, report.epoch, report.position)[1].seqno


def passed_over(bootstrap: Bootstrap | None, *, takeover: bool, me: str) -> str:
    """Return the elected node that may be passed over now; empty: none."""
    if bootstrap is None or bootstrap.phase is not Phase.ELECTED or bootstrap.epoch.node == me or not takeover:
        return ""
    return bootstrap.epoch.node
