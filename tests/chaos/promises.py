"""The promises, and where a history breaks them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

from chaos.due import due
from chaos.history import Component, Grant, History, Sample, Scrape

SCRAPE_TIMEOUT: Final = 5.0
"""Seconds: ``X-Prometheus-Scrape-Timeout-Seconds`` of each scrape."""
BUSY: Final = 0.1
"""Seconds that a millisecond or two of work take on a machine that is too busy to judge a scrape by: a scrape needs
some ten turns of several processes."""
READINESS: Final = 5.0
"""Seconds for which a node that is not Primary may say that it serves. A reading of the database is a second old at
most; the rest is for a busy machine."""
UNSERVED: Final = 8.0
"""Seconds for which a Primary component that serves nobody may stand beside another: a bootstrapper that wakes after
its election was taken over is ended by its own lease."""
_START: Final = 12.0
"""Seconds that a sidecar may take from its start to its first answer; on an idle machine it is half a second."""
_GAP: Final = 2.0
"""Two looks that are further apart say nothing of the time between them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was not kept."""

    promise: str
    moment: float
    """Seconds after the begin of the faults."""
    text: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds in every run."""

    name: str
    text: str
    check: Callable[[History], Iterable[tuple[float, str]]]


@dataclass(frozen=True, slots=True)
class _Stay:
    """A time in which a node was seen in one component, again and again."""

    pod: str
    component: Component
    began: float
    ended: float


def broken(history: History) -> list[Broken]:
    """Return all promises that a history breaks, by time."""
    found = [Broken(promise.name, *each) for promise in PROMISES for each in promise.check(history)]
    return sorted(found, key=lambda each: each.moment)


def _one_lineage(history: History) -> Iterator[tuple[float, str]]:
    for one, other, began, _ended in _apart(history.samples, serving=True):
        yield began, f"{one.pod} serves in {_said(one)}, and {other.pod} in {_said(other)}"


def _one_component(history: History) -> Iterator[tuple[float, str]]:
    for one, other, began, ended in _apart(history.samples, serving=False):
        if ended - began > UNSERVED:
            yield (
                began,
                f"for {ended - began:.0f} s {one.pod} is Primary in {_said(one)}, {other.pod} in {_said(other)}",
            )


def _apart(samples: Iterable[Sample], *, serving: bool) -> Iterator[tuple[_Stay, _Stay, float, float]]:
    """Give two stays in components that cannot be one, and the time that they have in common."""
    stays = _stays(sample for sample in samples if sample.serving or not serving)
    for one, other in combinations(stays, 2):
        began, ended = max(one.began, other.began), min(one.ended, other.ended)
        if began < ended and one.pod != other.pod and not one.component.agrees(other.component):
            yield one, other, began, ended


def _stays(samples: Iterable[Sample]) -> list[_Stay]:
    found: list[_Stay] = []
    for pod, seen in _by_pod(samples).items():
        for earlier, later in pairwise(seen):
            if earlier.component is None or earlier.component != later.component or later.began - earlier.ended > _GAP:
                continue
            last = found[-1] if found else None
            if last and (last.pod, last.component, last.ended) == (pod, later.component, earlier.began):
                found[-1] = _Stay(pod, later.component, last.began, later.began)
            else:
                found.append(_Stay(pod, earlier.component, earlier.ended, later.began))
    return found


def _by_pod(samples: Iterable[Sample]) -> Mapping[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.pod].append(sample)
    return found


def _said(stay: _Stay) -> str:
    return f"{stay.component.group} ({stay.component.uuid}: {', '.join(sorted(stay.component.members))})"


def _no_row_lost(history: History) -> Iterator[tuple[float, str]]:
    for node, rows in history.ending.missing.items():
        if rows:
            yield history.ending.healed, f"{node} lacks {len(rows)} acknowledged rows, such as {min(rows)}"


def _equal_data(history: History) -> Iterator[tuple[float, str]]:
    data = history.ending.data
    if len({tuple(sorted(sums.items())) for sums in data.values()}) > 1:
        yield history.ending.healed, f"the checksums differ: {data}"


def _one_grant(history: History) -> Iterator[tuple[float, str]]:
    """A wipe makes etcd forget an election; that no second component comes of it is another promise."""
    given: dict[int, list[Grant]] = defaultdict(list)
    for grant in history.grants:
        before = [other for other in given[grant.epoch] if other.token != grant.token]
        if any(not other.forgotten or other.primary for other in before):
            yield 0.0, f"epoch {grant.epoch} was given out again, to {grant.node}, at revision {grant.revision}"
        given[grant.epoch].append(grant)


def not_judged(history: History) -> list[Scrape]:
    """Return the scrapes that failed, or were late, while the machine had no time for anything."""
    busy = [beat for beat in history.beats if beat.ended - beat.began >= BUSY]
    return [
        scrape
        for scrape in history.scrapes
        if (scrape.error or scrape.took > SCRAPE_TIMEOUT)
        and any(beat.began <= scrape.ended and beat.ended >= scrape.began for beat in busy)
    ]


def _metrics_answer(history: History) -> Iterator[tuple[float, str]]:
    unjudged = set(not_judged(history))
    for scrape in history.scrapes:
        late = scrape.took > SCRAPE_TIMEOUT
        excused = any(
            span.what == f"{scrape.pod} sidecar" and span.touches(scrape.began - _START, scrape.ended)
            for span in history.spans
        )
        if (scrape.error or late) and not excused and scrape not in unjudged:
            yield scrape.began, f"{scrape.pod} after {scrape.took:.1f} s: {scrape.error or 'too late'}"


def _sidecar_lives(history: History) -> Iterator[tuple[float, str]]:
    for crash in history.crashes:
        if crash.what.endswith(" sidecar"):
            yield crash.moment, f"the {crash.what} ended by itself, with status {crash.status}"


def _readiness(history: History) -> Iterator[tuple[float, str]]:
    for pod, seen in _by_pod(history.samples).items():
        since: float | None = None
        last = 0.0
        frozen = [span for span in history.spans if span.what in (f"{pod} sidecar", f"{pod} database")]
        for sample in seen:
            wrong = sample.serving and sample.status not in ("", "Primary")
            if not wrong or sample.began - last > _GAP or any(s.touches(last, sample.ended) for s in frozen):
                since = sample.began if wrong else None
            last = sample.ended
            if since is not None and sample.ended - since > READINESS:
                yield since, f"{pod} says that it serves, and is {sample.status} for {sample.ended - since:.1f} s"
                since = None


def _alerts_fire(history: History) -> Iterator[tuple[float, str]]:
    for alert in due(history):
        fired = any(
            firing.alert == alert.name
            and alert.pod in ("", firing.pod)
            and firing.began <= alert.until
            and firing.ended >= alert.since
            for firing in history.firings
        )
        if not fired:
            yield alert.since, f"{alert.name} {alert.pod} did not fire until {alert.until:.0f} s: {alert.why}"


def _alerts_end(history: History) -> Iterator[tuple[float, str]]:
    for alert in history.ending.firing:
        yield history.ending.healed, f"{alert} fires though all is well"


def _serves_again(history: History) -> Iterator[tuple[float, str]]:
    ending = history.ending
    if ending.served is None:
        why = "; ".join(f"{pod}: {reason}" for pod, reason in ending.reasons.items())
        yield ending.healed, f"not all serve {ending.bound:.0f} s after all was healed: {why}"


PROMISES: Final = (
    Promise("one lineage", "Never do two nodes serve in Primary components of different lineages.", _one_lineage),
    Promise(
        "one component",
        f"Never is there a second Primary component for longer than {UNSERVED:g} s, even where it serves nobody.",
        _one_component,
    ),
    Promise("no row lost", "Every acknowledged row is on every node in the end.", _no_row_lost),
    Promise("equal data", "All nodes have the same data in the end.", _equal_data),
    Promise(
        "one grant", "Each epoch is given out once; again only where etcd lost it before it was confirmed.", _one_grant
    ),
    Promise(
        "metrics answer",
        f"A sidecar that runs answers `/metrics` within the scrape's deadline of {SCRAPE_TIMEOUT:g} s.",
        _metrics_answer,
    ),
    Promise("sidecar lives", "A sidecar never ends by itself.", _sidecar_lives),
    Promise(
        "readiness",
        f"`/-/serving` never says yes for longer than {READINESS:g} s on a node that is not Primary.",
        _readiness,
    ),
    Promise("alerts fire", "Each alert that the faults make due fires.", _alerts_fire),
    Promise("alerts end", "No alert fires any more once all is well.", _alerts_end),
    Promise("serves again", "Once all is healed, all nodes serve within the bound.", _serves_again),
)
