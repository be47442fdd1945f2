"""What a run must show, and its report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from soak.samples import COUNTS, Change
from soak.scraper import Scrapes

GROWTH: Final = 2.0
"""MiB that the resident memory may grow by after the warm-up."""


def faults(found: Iterable[Change], scrapes: Mapping[str, Scrapes]) -> Iterator[str]:
    """Say what did not hold; nothing where all is well."""
    for change in found:
        if change.name == "resident" and change.growth >= GROWTH:
            yield f"{change.node}: memory grew by {change.growth:.2f} MiB, from {change.first:.2f} to {change.last:.2f}"
        if change.name in COUNTS and change.growth != 0:
            yield f"{change.node}: {change.name} went from {change.first:g} to {change.last:g}"
    for node, done in scrapes.items():
        if done.failed:
            yield f"{node}: {done.failed} scrapes failed, the last with: {done.words}"
        if done.late:
            yield f"{node}: {done.late} scrapes came after their deadline, the slowest after {done.slowest:.2f} s"
        if not done.pages:
            yield f"{node}: no page came"


def table(found: Sequence[Change], scrapes: Mapping[str, Scrapes], cpu: Mapping[str, float]) -> str:
    """Return the figures as Markdown; ``cpu`` is the mean share of a core, in percent."""
    nodes = sorted(scrapes)
    by_name = {(change.node, change.name): change for change in found}
    rows = [
        ["", *nodes],
        ["---", *("---:" for _ in nodes)],
        *(
            [label, *(form.format(by_name[node, name]) for node in nodes)]
            for label, name, form in (
                ("memory after the warm-up, MiB", "resident", "{0.first:.2f}"),
                ("memory in the end, MiB", "resident", "{0.last:.2f}"),
                ("growth, MiB", "resident", "{0.growth:+.2f}"),
                ("least and most, MiB", "resident", "{0.least:.2f} to {0.most:.2f}"),
                *((f"{name}: first, last (least to most)", name, _COUNT) for name in COUNTS),
            )
        ),
        ["CPU, % of a core", *(f"{cpu[node]:.2f}" for node in nodes)],
        ["pages", *(f"{scrapes[node].pages:,}" for node in nodes)],
        ["scrapes that failed or came late", *(str(scrapes[node].failed + scrapes[node].late) for node in nodes)],
        ["slowest page, s", *(f"{scrapes[node].slowest:.2f}" for node in nodes)],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_COUNT: Final = "{0.first:g}, {0.last:g} ({0.least:g} to {0.most:g})"
