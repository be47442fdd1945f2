"""Counts of a heartbeat, for its metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from galera_exporter.errors import RegistryReason

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration buckets, in seconds; the last bucket is open."""


@dataclass(frozen=True, slots=True)
class BeatCounts:
    """A snapshot. ``buckets`` are cumulative counts for BOUNDS and for +Inf, as Prometheus has them."""

    writes: int
    failures: Mapping[RegistryReason, int]
    """Every reason is there, also those that never came."""
    buckets: tuple[int, ...]
    seconds: float
    """Sum of the durations of the writes."""
    last_success: float | None
    """Wall clock, seconds since the epoch."""


class Tally:
    """Counts writes and failures. The caller sees to it that one thread at a time uses it."""

    def __init__(self) -> None:
        self._failures: Counter[RegistryReason] = Counter(dict.fromkeys(RegistryReason, 0))
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self.last_success: float | None = None

    def wrote(self, seconds: float, wall: float) -> None:
        """Count a write that took ``seconds`` and ended at ``wall``."""
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds
        self.last_success = wall

    def failed(self, reason: RegistryReason) -> None:
        """Count a heartbeat that should have been and was not."""
        self._failures[reason] += 1

    def counts(self) -> BeatCounts:
        """Return all of it as it is now."""
        buckets = tuple(accumulate(self._buckets))
        return BeatCounts(buckets[-1], dict(self._failures), buckets, self._seconds, self.last_success)
