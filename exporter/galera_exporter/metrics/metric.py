"""What a metric is: its name, type, labels, unit and help."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Samples = tuple[tuple[tuple[str, ...], float], ...]
"""Label values in the order of the metric's labels, and the value. Of a histogram: upper bound and
cumulative count of each bucket, "+Inf" the last, then "sum" and the sum."""


class Kind(StrEnum):
    """The metric's type in the exposition format."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"
    """A gauge that is always 1 and carries facts as labels."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family; ``name`` as it stands on the page."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    source: str = ""
    """The variable, file or table it is read from."""
    enum: tuple[str, ...] = ()
    """All values of the last label; each is present at every scrape."""

    @property
    def unit(self) -> str:
        """Base unit, read off the name as OpenMetrics wants it; empty where there is none."""
        words = self.name.removesuffix("_total").split("_")
        return words[-1] if words[-1] in ("seconds", "bytes") else ""


def gauge(name: str, text: str, *labels: str, source: str = "", enum: tuple[str, ...] = ()) -> Metric:
    """Return a metric that goes up and down."""
    return Metric(name, Kind.GAUGE, text, labels, source, enum)


def counter(name: str, text: str, *labels: str, source: str = "", enum: tuple[str, ...] = ()) -> Metric:
    """Return a metric that only rises, or starts anew."""
    return Metric(name, Kind.COUNTER, text, labels, source, enum)


def info(name: str, text: str, *labels: str, source: str = "") -> Metric:
    """Return a metric that carries facts as labels."""
    return Metric(name, Kind.INFO, text, labels, source)
