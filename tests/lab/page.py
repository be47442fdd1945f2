"""A scraped page of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Page:
    """The text of a page, its families by name, and its samples by name and labels."""

    text: str
    families: Mapping[str, Metric]
    samples: Mapping[Key, float]

    @classmethod
    def parse(cls, text: str) -> Page:
        """Read the Prometheus text format; raises ValueError where it is not that."""
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples: dict[Key, float] = {}
        for family in families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                if key in samples:
                    raise ValueError(f"twice on one page: {sample.name}{sample.labels}")
                samples[key] = sample.value
        return cls(text, families, samples)

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sample with exactly these labels, or None."""
        return self.samples.get((name, frozenset(labels.items())))

    def series(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Give labels and value of every sample of that name."""
        for (found, labels), value in self.samples.items():
            if found == name:
                yield dict(labels), value

    def one(self, name: str, label: str) -> str | None:
        """Return which value of ``label`` is set to 1: the member of an enum that holds now."""
        for labels, value in self.series(name):
            if value == 1:
                return labels.get(label)
        return None
