"""Samples to promtool's notation of series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

Key = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a metric, and its labels, sorted."""
GONE = "stale"
ABSENT = "_"


def key(name: str, labels: Mapping[str, str]) -> Key:
    """Return the identity of a series."""
    return name, tuple(sorted(labels.items()))


class Recorder:
    """Takes in one page after the other; what is not on the next page of its scrape ends, as Prometheus ends it."""

    def __init__(self) -> None:
        self._samples: dict[Key, list[str]] = {}
        self._alive: set[Key] = set()
        self._ticks = 0

    def take(self, page: Iterable[tuple[Key, float]]) -> None:
        """Record all samples of one moment."""
        seen: set[Key] = set()
        for series, value in page:
            if series in seen:
                raise ValueError(f"{series} is there twice")
            seen.add(series)
            values = self._samples.setdefault(series, [])
            values.extend([ABSENT] * (self._ticks - len(values)))
            values.append(f"{value:.12g}")
        for series in self._alive - seen:
            self._samples[series].append(GONE)
        self._alive = seen
        self._ticks += 1

    def miss(self) -> None:
        """Let a moment pass in which nobody takes anything in; a series that goes now is not ended, then or later."""
        self._alive = set()
        self._ticks += 1

    def input_series(self) -> list[dict[str, str]]:
        """Return ``input_series`` of a promtool test."""
        return [
            {"series": written(name, labels), "values": compressed(values)}
            for (name, labels), values in sorted(self._samples.items())
        ]


def written(name: str, labels: Iterable[tuple[str, str]]) -> str:
    """Return a series as PromQL writes it."""
    inner = ", ".join(f'{label}="{value}"' for label, value in labels)
    return f"{name}{{{inner}}}"


def compressed(values: Iterable[str]) -> str:
    """Return the values with a count for those that repeat: ``1x3`` is four times 1, ``_x3`` is three gaps."""
    words = []
    for value, run in groupby(values):
        count = sum(1 for _ in run)
        if value == GONE:
            words.extend([GONE] * count)
        elif value == ABSENT:
            words.append(f"_x{count}")
        else:
            words.append(value if count == 1 else f"{value}x{count - 1}")
    return " ".join(words)
