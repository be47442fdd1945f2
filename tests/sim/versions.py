"""A sidecar of an earlier version: it does not write some fields, and loses them from what it reads."""

from __future__ import annotations

from dataclasses import replace

from galera_exporter.bootstrap.state import LastKnown, Report, Snapshot

_last: tuple[Snapshot, Snapshot] | None = None


def as_written_by_old(report: Report) -> Report:
    """Return the report without the fields that the earlier version does not know."""
    return report if report.view is None else replace(report, view=None)


def known_to_old(known: LastKnown) -> LastKnown:
    """Return what the earlier version remembers of a node."""
    return replace(known, incarnation="") if known.incarnation else known


def as_read_by_old(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot as the earlier version has it."""
    global _last  # noqa: PLW0603  # the latest answer, kept for speed: it depends on the argument alone
    if _last is None or _last[0] is not snapshot:
        reports = {node: as_written_by_old(report) for node, report in snapshot.reports.items()}
        nodes = {node: known_to_old(known) for node, known in snapshot.nodes.items()}
        _last = snapshot, replace(snapshot, reports=reports, nodes=nodes)
    return _last[1]
