"""What a process holds at one moment, as the kernel tells it, and how that changed over a run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median
from typing import TextIO

from bench.usage import cpu_seconds, resident_mib


@dataclass(frozen=True, slots=True)
class Sample:
    """One sidecar at one moment."""

    seconds: float
    """Since the run began."""
    node: str
    resident: float
    """MiB."""
    threads: int
    descriptors: int
    connections: int
    """Of its account in MariaDB, as the server counts them."""
    leases: int
    """In etcd, of all sidecars together."""
    cpu: float
    """Seconds of the processor since the process began."""

    @classmethod
    def take(cls, seconds: float, node: str, pid: int, connections: int, leases: int) -> Sample:
        """Read a process; raises OSError where it is gone."""
        return cls(
            seconds=round(seconds, 1),
            node=node,
            resident=round(resident_mib(pid), 3),
            threads=_entries(f"/proc/{pid}/task"),
            descriptors=_entries(f"/proc/{pid}/fd"),
            connections=connections,
            leases=leases,
            cpu=round(cpu_seconds(pid), 3),
        )


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


NAMES = tuple(field.name for field in fields(Sample))
COUNTS = ("threads", "descriptors", "connections", "leases")
"""What must be the same in the end as in the beginning."""


class Log:
    """Samples as CSV, each on the disk at once: a run that is broken off keeps what it saw."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(NAMES)

    def add(self, sample: Sample) -> None:
        """Write one."""
        self._rows.writerow(astuple(sample))
        self._file.flush()


def read(path: Path) -> list[Sample]:
    """Return the samples of a run."""
    with path.open(newline="") as file:
        return [
            Sample(
                seconds=float(row["seconds"]),
                node=row["node"],
                resident=float(row["resident"]),
                cpu=float(row["cpu"]),
                **{name: int(row[name]) for name in COUNTS},
            )
            for row in csv.DictReader(file)
        ]


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of one sidecar: its median in the first and in the last stretch of a run, and its extremes between."""

    node: str
    name: str
    first: float
    last: float
    least: float
    most: float

    @property
    def growth(self) -> float:
        """Last less first."""
        return self.last - self.first


def changes(samples: Sequence[Sample], warm_up: float, stretch: float) -> Iterator[Change]:
    """Compare the ``stretch`` seconds after the warm-up with those at the end, for each sidecar and figure.

    Raises:
        ValueError: the run is too short for two stretches behind the warm-up.
    """
    end = max((sample.seconds for sample in samples), default=0.0)
    if end - warm_up < 2 * stretch:
        raise ValueError(f"{end:.0f} s are too few: {warm_up:.0f} s to warm up, and twice {stretch:.0f} s to compare")
    for node in sorted({sample.node for sample in samples}):
        own = [sample for sample in samples if sample.node == node and sample.seconds >= warm_up]
        for name in ("resident", *COUNTS):
            values = [(sample.seconds, float(getattr(sample, name))) for sample in own]
            yield Change(
                node=node,
                name=name,
                first=median(_between(values, warm_up, warm_up + stretch)),
                last=median(_between(values, end - stretch, end)),
                least=min(value for _, value in values),
                most=max(value for _, value in values),
            )


def _between(values: Iterable[tuple[float, float]], start: float, end: float) -> list[float]:
    return [value for moment, value in values if start <= moment <= end]
