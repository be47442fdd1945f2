"""Families to a page, by prometheus_client's encoders, each family encoded again only when it changed.

Encoding is two thirds of the cost of a scrape in Python, and most families (states, settings,
limits) say the same at each scrape. So the text of a family is kept beside the values that it was
made from, for each of the few formats that scrapers ask for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
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

from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.metrics.metric import Kind, Metric, Samples

_FORMATS: Final = 4
_EOF: Final = b"# EOF\n"


class _One(Collector):
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
        made.add_metric((*fixed, *values), value)
    return made


class Exposition:
    """Encodes pages; remembers the text of each family in each format. Safe to call from many threads."""

    def __init__(self, constant: Mapping[str, str]) -> None:
        self._constant = dict(constant)
        self._texts: dict[str, dict[str, tuple[Samples, bytes]]] = {}
        self._lock = threading.Lock()

    def encode(self, rows: Iterable[tuple[str, Samples]], others: Iterable[Family], accept: str) -> tuple[bytes, str]:
        """Return the page and its content type.

        Args:
            rows: names of the catalog with their samples; one without samples is left out.
            others: families that are encoded as they are, such as ``process_*``.
            accept: the request's Accept header; decides between text and OpenMetrics.
        """
        encoder, content_type = choose_encoder(accept)
        with self._lock:
            texts = self._texts.get(content_type)
            if texts is None:
                texts = {}
                if len(self._texts) < _FORMATS:  # the header is the client's: it must not grow our memory
                    self._texts[content_type] = texts
        page = []
        for name, samples in rows:
            if not samples:
                continue
            known = texts.get(name)
            if known is None or known[0] != samples:
                text = encoder(_One((family(CATALOG[name], samples, self._constant),))).removesuffix(_EOF)
                texts[name] = known = (samples, text)
            page.append(known[1])
        # The encoder closes an OpenMetrics page with its end mark: so these come last.
        page.append(encoder(_One(map(self._with_constant, others))))
        return b"".join(page), content_type

    def _with_constant(self, made: Family) -> Family:
        if self._constant:
            made.samples = [sample._replace(labels={**self._constant, **sample.labels}) for sample in made.samples]
        return made
