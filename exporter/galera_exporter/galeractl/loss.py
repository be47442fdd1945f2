"""What an order would cost, computed from what nodes report and from what etcd remembers of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from galera_exporter.bootstrap.choice import (
    Evidence,
    candidates,
    evidence,
    foreign,
    kept_by_abandoned,
    remembered,
    standing,
)
from galera_exporter.bootstrap.lineage import Standing, common, known_as
from galera_exporter.bootstrap.state import Held, Report, Snapshot


@dataclass(frozen=True, slots=True)
class Loss:
    """What one node has, or had, that an order gives up."""

    node: str
    seqno: int
    epoch: int
    reported: bool
    """Whether the node itself says so; else etcd remembers it, and it may have been more."""
    count: int | None = None
    """How many transactions; None where the data cannot be compared, and all of them are lost."""

    @property
    def where(self) -> str:
        """Where the node is, or was."""
        return f"{self.node} {'has' if self.reported else 'was at'} seqno {self.seqno} in epoch {self.epoch}"

    @property
    def departure(self) -> str:
        """Where the data of a node that are discarded left the cluster's history."""
        if self.count is None:
            return f"{self.where}. They share nothing with the cluster's history: {self.amount}"
        return f"{self.where}. They left the cluster's history at seqno {self.seqno - self.count}: {self.amount}"

    @property
    def amount(self) -> str:
        """How much is lost."""
        if self.count is None:
            return "all of its data would be lost"
        least = "" if self.reported else "at least "
        return f"{least}{self.count} transaction{'s' * (self.count != 1)} would be lost"


def reach(snapshot: Snapshot, report: Report) -> int | None:
    """Return the seqno up to which the data of ``report`` are the cluster's; None where they are not."""
    found = evidence(snapshot, report.expected)
    return next((each.confirmed for each in candidates(found) if each.report.node == report.node), None)


def forced(snapshot: Snapshot, report: Report) -> tuple[Loss, ...]:
    """Return what is lost when the cluster is bootstrapped from the node of ``report``; the most first."""
    found = evidence(snapshot, report.expected)
    own = reach(snapshot, report)

    def beyond(seqno: int) -> int | None:
        return None if own is None else seqno - own

    losses: dict[str, Loss] = {}
    for known in snapshot.nodes.values():
        if remembered(found, known):
            seqno = known.position.seqno
            losses[known.node] = Loss(known.node, seqno, known.epoch, reported=False, count=beyond(seqno))
    for each in candidates(found):
        node = each.report.node
        if node not in losses or losses[node].seqno <= each.confirmed:
            count = beyond(each.confirmed)
            losses[node] = Loss(node, each.confirmed, each.report.epoch, reported=True, count=count)
    for node, seqno in kept_by_abandoned(found):
        if node not in losses or losses[node].seqno < seqno:
            losses[node] = Loss(node, seqno, found.reports[node].epoch, reported=True, count=beyond(seqno))
    for other in foreign(found):
        losses[other.node] = Loss(other.node, other.position.seqno, other.epoch, reported=True)
    # Of the node itself only what etcd remembers beyond its present data can be lost.
    if report.node in losses and losses[report.node].reported:
        del losses[report.node]
    lost = (loss for loss in losses.values() if loss.count is None or loss.count > 0)
    return tuple(sorted(lost, key=lambda loss: (loss.count is not None, -(loss.count or 0), loss.node)))


def sole(snapshot: Snapshot, report: Report) -> bool:
    """Whether nobody else is here with data to begin with: to discard those of ``report`` would leave none."""
    found = evidence(snapshot, report.expected)
    return not snapshot.primary and all(each.report.node == report.node for each in candidates(found))


def costs(snapshot: Snapshot, report: Report) -> tuple[str, ...]:
    """Return in words what is lost when the cluster is bootstrapped from the node of ``report``, one line each."""
    own = reach(snapshot, report)
    has = "" if own is None else f", {report.node} has {own}"
    return tuple(f"{each.where}{'' if each.count is None else has}: {each.amount}" for each in forced(snapshot, report))


def unknown(snapshot: Snapshot, report: Report) -> tuple[str, ...]:
    """Return in words what nobody knows of the nodes that report no data."""
    found = evidence(snapshot, report.expected)
    with_data = {each.node for each in found.with_data}
    texts = [
        f"{known.node} reports no data and did not end in order: it may have had more than seqno {known.position.seqno}"
        for known in sorted(snapshot.nodes.values(), key=lambda known: known.node)
        if known.node not in with_data and not known.final and known.position.defined
    ]
    strangers = found.expected - len(snapshot.nodes.keys() | found.reports.keys())
    if strangers > 0:
        texts.append(f"of {strangers} of {found.expected} nodes nothing is known at all")
    return tuple(texts)


def discarded(snapshot: Snapshot, report: Report) -> Loss | None:
    """Return what is lost when the data of ``report`` are discarded; None where nobody needs to.

    An order is needed where the data are foreign to the cluster, or where nodes have
    different state UUIDs and nothing says which is the cluster's.
    """
    found = evidence(snapshot, report.expected)
    if report.held is not Held.DATA or report.tainted or not _needs_order(found, report):
        return None
    history = found.snapshot.history
    shared = -1
    if known_as(history, report.epoch, report.history):
        shared = common(history, found.cluster, report.epoch, report.position)
    count = None if shared < 0 else report.position.seqno - shared
    return Loss(report.node, report.position.seqno, report.epoch, reported=True, count=count)


def everything(snapshot: Snapshot) -> tuple[Loss, ...]:
    """Return what the cluster had, as far as etcd remembers it; the most first."""
    known = [each for each in snapshot.nodes.values() if each.position.defined]
    known.sort(key=lambda each: (-each.position.seqno, each.node))
    return tuple(Loss(each.node, each.position.seqno, each.epoch, reported=False) for each in known)


def _needs_order(found: Evidence, report: Report) -> bool:
    if not found.cluster:
        return len({each.position.uuid for each in found.with_data if each.usable}) > 1
    if not report.position.defined:
        return report.epoch == 0  # data that never were in a cluster: protocol.join has the same
    return standing(found, report) is Standing.FOREIGN
