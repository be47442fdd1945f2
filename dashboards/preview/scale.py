"""A value axis: where it begins and ends, and where it has its marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from preview.units import binary

MARKS: Final = 5
"""About so many."""
_ROUND: Final = (1, 2, 2.5, 5, 10)
_ROUND_BINARY: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TIMES: Final = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two marks, from a minute on."""
_WHOLE: Final = frozenset({"none", "locale"})


@dataclass(frozen=True, slots=True)
class Axis:
    """From, to, and the marks between."""

    low: float
    high: float
    marks: tuple[float, ...]


def axis(
    values: Sequence[float], unit: str, minimum: float | None, maximum: float | None, limits: Sequence[float] = ()
) -> Axis:
    """Return the axis for these values; it reaches to the lowest limit above them where that is not far."""
    low = min([*values, *([minimum] if minimum is not None else [])], default=0.0)
    high = max(values, default=1.0)
    near = [limit for limit in limits if high < limit <= 4 * high]
    high = max([high, *near[:1]])
    if minimum is not None:
        low = minimum
    if maximum is not None:
        high = maximum
    if high <= low:
        high = low + (1.0 if unit in _WHOLE or low == 0 else abs(low) / 10)
    whole = not any(values) or (unit in _WHOLE and all(value % 1 == 0 for value in values))
    step = _step((high - low) / MARKS, unit, whole=whole)
    first = math.ceil(low / step - 1e-9)
    last = math.ceil(high / step - 1e-9) if maximum is None else math.floor(high / step + 1e-9)
    marks = tuple(round(step * index, 12) for index in range(first, last + 1))
    return Axis(low if minimum is not None else min(low, marks[0]), max(high, marks[-1]), marks)


def _step(rough: float, unit: str, *, whole: bool) -> float:
    if unit == "s" and _TIMES[0] / 2 < rough <= _TIMES[-1]:
        return next(each for each in _TIMES if each >= rough)
    if binary(unit) and rough >= 1:
        base = 1024.0 ** math.floor(math.log(rough, 1024))
        return base * next(each for each in _ROUND_BINARY if each * base >= rough)
    base = 10.0 ** math.floor(math.log10(rough))
    step = base * next(each for each in _ROUND if each * base >= rough * (1 - 1e-9))
    return max(1.0, math.ceil(step)) if whole else step
