"""Prometheus over HTTP: what the preview asks it."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

# The machine's proxies are not asked for a Prometheus that is given by its address.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")
_SECONDS: Final = (("d", 86400), ("h", 3600), ("m", 60))


class QueryError(Exception):
    """Prometheus refuses an expression; its own words."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its labels, and its samples by time."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time, in seconds since the epoch; ``scrape`` is the seconds between two samples."""

    start: float
    end: float
    step: float
    scrape: float

    @property
    def built_in(self) -> dict[str, str]:
        """Grafana's own variables for this range; its rate interval has four samples at least."""
        return {
            "__interval": _duration(self.step),
            "__rate_interval": _duration(max(self.step + self.scrape, 4 * self.scrape)),
            "__range": _duration(self.end - self.start),
        }


class Source:
    """One Prometheus; ``url`` without a slash at its end."""

    def __init__(self, url: str, timeout: float = 30) -> None:
        self._url = url
        self._timeout = timeout

    def instant(self, expr: str, moment: float) -> list[Series]:
        """Evaluate an expression at one moment; raises QueryError."""
        found = self._ask("query", {"query": expr, "time": f"{moment:.3f}"})
        if found["resultType"] != "vector":
            raise QueryError(f"not a vector: {expr}")
        return _series((row["metric"], [row["value"]]) for row in found["result"])

    def range(self, expr: str, span: Span) -> list[Series]:
        """Evaluate an expression over time; raises QueryError."""
        # Grafana aligns start and end to the step, so that a refresh does not move the points.
        start, end = (span.step * (moment // span.step) for moment in (span.start, span.end))
        given = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{span.step:.3f}"}
        found = self._ask("query_range", given)["result"]
        return _series((row["metric"], row["values"]) for row in found)

    def label_values(self, series: str, label: str, span: Span) -> list[str]:
        """Return the values of a label within the range, sorted."""
        given = {"match[]": series, "start": f"{span.start:.3f}", "end": f"{span.end:.3f}"}
        found: list[str] = self._ask(f"label/{label}/values", given)
        return sorted(found)

    def _ask(self, what: str, given: Mapping[str, str]) -> Any:
        url = f"{self._url}/api/v1/{what}?{urlencode(given)}"
        try:
            with _OPENER.open(url, timeout=self._timeout) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise QueryError(f"{json.loads(text)['error'] if text.startswith('{') else text}: {given}") from None


def _series(found: Iterable[tuple[Mapping[str, str], Sequence[tuple[float, str]]]]) -> list[Series]:
    named = (Series(labels, _samples(pairs)) for labels, pairs in found)
    return [each for each in named if each.samples]


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its variables replaced; raises KeyError for one that there is not."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def _samples(pairs: Sequence[tuple[float, str]]) -> tuple[tuple[float, float], ...]:
    """Return the samples that are numbers: Grafana draws nothing where one is not."""
    found = ((moment, float(text)) for moment, text in pairs)
    return tuple((moment, value) for moment, value in found if not math.isnan(value))


def _duration(seconds: float) -> str:
    """Write seconds as Prometheus does, in its largest whole unit."""
    for unit, size in _SECONDS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds % 1 else f"{seconds:.0f}s"
