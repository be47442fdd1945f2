"""Samples to text, by prometheus_client's encoders, each series encoded only when it is new.

Encoding is most of the cost of a scrape in Python, and what changes from scrape to scrape are numbers. So
the text of a family is kept, cut where the numbers are, for each of the few formats that scrapers ask for:
a scrape with the same series puts the new numbers in, and one with the same samples takes the text as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import Metric as Family
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.metrics.metric import Kind, Metric, Samples

_FORMATS: Final = 4
_EOF: Final = b"# EOF\n"


class _Some(Collector):
    """Some families as what the encoders want: something with collect()."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        yield from self._families


def family(metric: Metric, samples: Samples, constant: Mapping[str, str]) -> Family:
    """Return prometheus_client's own family of a metric; ``constant`` labels go on every sample."""
    names = (*constant, *metric.labels)
    fixed = tuple(constant.values())
    text = f"{metric.help} ({metric.source})" if metric.source else metric.help
    if metric.kind is Kind.HISTOGRAM:
        *buckets, (_, total) = samples
        histogram = HistogramMetricFamily(metric.name, text, labels=names, unit=metric.unit)
        histogram.add_metric(fixed, buckets=[(bound[0], count) for bound, count in buckets], sum_value=total)
        return histogram
    if metric.kind is Kind.INFO:
        info = InfoMetricFamily(metric.name.removesuffix("_info"), text, labels=tuple(constant))
        for values, _ in samples:
            info.add_metric(fixed, dict(zip(metric.labels, values, strict=True)))
        return info
    made: GaugeMetricFamily | CounterMetricFamily = (
        GaugeMetricFamily(metric.name, text, labels=names, unit=metric.unit)
        if metric.kind is Kind.GAUGE
        else CounterMetricFamily(metric.name, text, labels=names, unit=metric.unit)
    )
    for values, value in samples:
        made.add_metric((*fixed, *values), value + 0.0)  # -0.0 becomes 0.0: equal values must have one text
    return made


class _Template:
    """The encoded text of a family: the samples that it was made from, and its pieces between their values."""

    def __init__(self, series: Sequence[object], values: Sequence[float], text: bytes) -> None:
        self._series = series
        self._values = values
        self.text = text
        self._pieces = _pieces(text, values)

    def fill(self, series: Sequence[object], values: Sequence[float]) -> bytes | None:
        """Return the text with other values; None for other series, or where the values are not found in it."""
        if self._pieces is None or self._series != series:
            return None
        if self._values != values:
            parts = [part for pair in zip(self._pieces, map(floatToGoString, values), strict=False) for part in pair]
            self.text = f"{''.join(parts)}{self._pieces[-1]}".encode()
            self._values = values
        return self.text


def _pieces(text: bytes, values: Sequence[float]) -> tuple[str, ...] | None:
    """Cut a text before and after each value; None unless each line of a sample ends with its value, in order."""
    pieces = []
    piece = ""
    left = iter(values)
    for line in text.decode().splitlines(keepends=True):
        if line.startswith("#"):
            piece += line
            continue
        number = floatToGoString(next(left, 0.0))  # type: ignore[no-untyped-call]  # it has no types
        if not line.endswith(f" {number}\n"):
            return None
        pieces.append(piece + line[: -len(number) - 1])
        piece = "\n"
    return (*pieces, piece) if len(pieces) == len(values) else None


def _values(metric: Metric, samples: Samples) -> list[float]:
    """Return the values in the order in which the encoder writes them."""
    values = [value + 0.0 for _, value in samples]
    if metric.kind is Kind.HISTOGRAM:
        return [*values[:-1], values[-2], values[-1]]  # the count comes before the sum
    # Of an info, prometheus_client writes 1 whatever it is given.
    return [1.0] * len(values) if metric.kind is Kind.INFO else values


class Format:
    """One format of the page, with the texts that were encoded last. Safe to call from many threads."""

    def __init__(self, encoder: Callable[[Collector], bytes], content_type: str, constant: Mapping[str, str]) -> None:
        self.content_type = content_type
        self._encoder = encoder
        self._constant = constant
        self._templates: dict[str, _Template] = {}
        self._samples: dict[str, Samples] = {}
        self._lock = threading.Lock()

    def rows(self, rows: Iterable[tuple[str, Samples]]) -> bytes:
        """Return the text of metrics of the catalog, by name; one without samples is left out."""
        with self._lock:
            return b"".join([self._row(name, samples) for name, samples in rows if samples])

    def others(self, families: Iterable[Family]) -> bytes:
        """Return the text of other families, such as ``process_*``; it ends the page."""
        families = [self._with_constant(each) for each in families]
        samples = [sample for each in families for sample in each.samples]
        series = [(sample.name, sample.labels) for sample in samples]
        with self._lock:
            return self._filled("", series, [sample.value for sample in samples], lambda: families, b"")

    def _row(self, name: str, samples: Samples) -> bytes:
        if self._samples.get(name) == samples:
            return self._templates[name].text
        metric = CATALOG[name]
        series = [labels for labels, _ in samples]
        text = self._filled(
            name, series, _values(metric, samples), lambda: (family(metric, samples, self._constant),), _EOF
        )
        self._samples[name] = samples
        return text

    def _filled(
        self,
        name: str,
        series: Sequence[object],
        values: Sequence[float],
        make: Callable[[], Iterable[Family]],
        end: bytes,
    ) -> bytes:
        known = self._templates.get(name)
        text = known.fill(series, values) if known is not None else None
        if text is None:
            text = self._encoder(_Some(make())).removesuffix(end)
            self._templates[name] = _Template(series, values, text)
        return text

    def _with_constant(self, made: Family) -> Family:
        if self._constant:
            made.samples = [sample._replace(labels={**self._constant, **sample.labels}) for sample in made.samples]
        return made


class Exposition:
    """The formats that scrapers ask for; ``constant`` labels go on every sample."""

    def __init__(self, constant: Mapping[str, str]) -> None:
        self._constant = dict(constant)
        self._formats: dict[str, Format] = {}
        self._lock = threading.Lock()

    def format(self, accept: str) -> Format:
        """Return the format that an Accept header asks for: text or OpenMetrics."""
        encoder, content_type = choose_encoder(accept)
        with self._lock:
            known = self._formats.pop(content_type, None) or Format(encoder, content_type, self._constant)
            self._formats[content_type] = known
            if len(self._formats) > _FORMATS:  # the header is the client's: the one not asked for the longest goes
                del self._formats[next(iter(self._formats))]
            return known
