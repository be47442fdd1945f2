"""Rows of the report: against the peer and a target; as a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """What a row is to reach: at most ``limit``, or at least; of the value, or of its ratio to the peer's."""

    limit: float
    of_peer: bool = False
    least: bool = False

    def __str__(self) -> str:
        sign = ">=" if self.least else "<="
        return f"{sign} {self.limit:g}{' of peer' if self.of_peer else ''}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the sidecar's, the peer's under the same conditions, and the target."""

    name: str
    value: float
    unit: str
    peer: float | None = None
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """Value by peer; None where there is no peer."""
        return self.value / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none. A figure that is missing (nan) reaches nothing."""
        if self.target is None:
            return None
        seen = self.ratio if self.target.of_peer else self.value
        if seen is None:
            return False
        return seen >= self.target.limit if self.target.least else seen <= self.target.limit

    def as_json(self) -> dict[str, Any]:
        """Return the row for bench.json."""
        return {
            "name": self.name,
            "value": _finite(self.value),
            "unit": self.unit,
            "peer": _finite(self.peer),
            "ratio": _finite(self.ratio),
            "target": None if self.target is None else str(self.target),
            "met": self.met,
        }


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of the values do not exceed; nan of none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def number(value: float | None) -> str:
    """Return a figure with three digits that count, or a dash."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "none"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def table(rows: Sequence[Row], measured: str = "sidecar") -> list[str]:
    """Return the rows as aligned lines, under a heading that names what was ``measured``."""
    cells = [("", measured, "peer", "ratio", "target", "met")]
    cells += [
        (
            row.name,
            f"{number(row.value)} {row.unit}".rstrip(),
            number(row.peer),
            number(row.ratio),
            "-" if row.target is None else str(row.target),
            {None: "-", True: "yes", False: "NO"}[row.met],
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def missed(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that do not reach their target."""
    return [row for row in rows if row.met is False]


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the rows to ``path`` as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], indent=2, allow_nan=False) + "\n")


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)
