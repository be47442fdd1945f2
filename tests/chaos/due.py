"""Which alerts must have fired, by what was broken and for how long. Pure.

Only what was broken without a doubt and long enough makes an alert due; each has SLACK more than its ``for``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from chaos.faults import MEMBERS, PODS
from chaos.history import History, Span

SLACK: Final = 18.0
"""Seconds beside ``for``: for a scrape that hangs, for the age of readings, and for a busy machine."""
FOR: Final = {
    "GaleraExporterDown": 12.0,
    "GaleraEtcdInsufficientMembers": 3.0,
    "GaleraNodeDown": 12.0,
    "GaleraClusterNoPrimary": 2.0,
}
"""Seconds: ``for`` of the shortened rules; a test compares."""


@dataclass(frozen=True, slots=True)
class Due:
    """An alert that must fire in this time."""

    name: str
    pod: str
    since: float
    until: float
    why: str


def due(history: History) -> list[Due]:
    """Return the alerts that must have fired."""
    return [*_exporter_down(history), *_etcd_insufficient(history), *_node_down(history), *_no_primary(history)]


def _exporter_down(history: History) -> Iterator[Due]:
    for span in history.spans:
        pod, _, part = span.what.partition(" ")
        if part == "sidecar":
            yield from _lasting("GaleraExporterDown", pod, span.began, span.ended, "its sidecar does not run")


def _etcd_insufficient(history: History) -> Iterator[Due]:
    down = [span for span in history.spans if span.what in {f"{member} process" for member in MEMBERS}]
    for one, other in combinations(down, 2):
        if one.what != other.what:
            began, ended = max(one.began, other.began), min(one.ended, other.ended)
            why = f"{one.what} and {other.what} do not run"
            yield from _lasting("GaleraEtcdInsufficientMembers", "", began, ended, why)


def _node_down(history: History) -> Iterator[Due]:
    """A database that hangs, beside a sidecar that runs, while others are Primary all the time."""
    for span in history.spans:
        pod, _, part = span.what.partition(" ")
        if part != "database" or any(
            other.what == f"{pod} sidecar" and other.touches(span.began, span.ended) for other in history.spans
        ):
            continue
        others = [other for other in PODS if other != pod]
        if any(_always_primary(history, other, span) for other in others):
            yield from _lasting("GaleraNodeDown", pod, span.began, span.ended, "its database hangs")


def _always_primary(history: History, pod: str, span: Span) -> bool:
    """Whether a node and its sidecar were well all the time, so that it was known to be Primary."""
    if any(other.what.startswith(pod) and other.touches(span.began, span.ended) for other in history.spans):
        return False
    seen = [s for s in history.samples if s.pod == pod and s.ended >= span.began and s.began <= span.ended]
    return bool(seen) and all(sample.status == "Primary" for sample in seen)


def _no_primary(history: History) -> Iterator[Due]:
    """No node was Primary for long, and a sidecar was there all the time to say so."""
    moments = sorted(sample.ended for sample in history.samples if sample.status == "Primary")
    for began, ended in _gaps(moments, [sample.ended for sample in history.samples]):
        there = [
            pod
            for pod in PODS
            if not any(span.what == f"{pod} sidecar" and span.touches(began - 15, ended) for span in history.spans)
        ]
        if there:
            why = f"no node is Primary, the sidecar of {there[0]} runs"
            yield from _lasting("GaleraClusterNoPrimary", "", began, ended, why)


def _gaps(moments: Sequence[float], all_moments: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Give the times between two looks that found a Primary node, and the one after the last."""
    if moments:
        yield from zip(moments, [*moments[1:], max(all_moments)], strict=True)


def _lasting(name: str, pod: str, began: float, ended: float, why: str) -> Iterator[Due]:
    if ended - began >= FOR[name] + SLACK:
        yield Due(name, pod, began, ended + 1, f"{why} for {ended - began:.0f} s")
