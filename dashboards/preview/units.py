"""Numbers as Grafana writes them, for the units that the dashboards use; a test asks Grafana's own code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_COUNTS: Final = ("", "K", "M", "B", "T")
_BINARY: Final = (" ", " Ki", " Mi", " Gi", " Ti", " Pi")
_TIMES: Final = ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1, 1e3, "ms"), (60, 1, "s"))
"""Below so many seconds: the factor, and the unit."""
_LONG_TIMES: Final = (
    (3600, 60, "min"),
    (86400, 3600, "hour"),
    (604800, 86400, "day"),
    (31536000, 604800, "week"),
    (math.inf, 31556900, "year"),
)
_DIGITS: Final = 3


class UnitError(Exception):
    """The dashboard uses a unit that the preview does not know."""


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a number with its unit; without ``decimals`` as many as its size needs."""
    if math.isinf(value):
        return "\u221e" if value > 0 else "-\u221e"
    if unit not in _UNITS:
        raise UnitError(f"the preview does not know the unit {unit}")
    return _UNITS[unit](value, decimals)


def binary(unit: str) -> bool:
    """Whether the unit counts in powers of 1024: an axis is divided accordingly."""
    return unit in {"bytes", "binBps"}


def fixed(value: float, decimals: int | None) -> str:
    """Return a number with so many decimals; by default with three digits."""
    if decimals is None:
        decimals = _usual(value)
    return f"{_rounded(value, decimals):.{decimals}f}"


def _usual(value: float) -> int:
    """Return decimals for three digits; the logarithm is taken in Grafana's way, with its rounding."""
    if value == 0 or value % 1 == 0:
        return 0
    return max(0, _DIGITS - 1 - math.floor(math.log(abs(value)) / math.log(10)))


def _rounded(value: float, decimals: int) -> float:
    """Round a half up, as JavaScript does."""
    factor = 10.0**decimals
    return math.floor(value * factor + 0.5) / factor


def _locale(value: float, decimals: int | None) -> str:
    text = f"{_rounded(value, _DIGITS if decimals is None else decimals):,.{_DIGITS}f}"
    return text.rstrip("0").rstrip(".")


def _percent(value: float, decimals: int | None) -> str:
    return f"{fixed(value * 100, decimals)}%"


def _seconds(value: float, decimals: int | None) -> str:
    size = abs(value)
    if size == 0:
        return "0 s"
    for below, factor, unit in _TIMES:
        if size < below:
            return f"{fixed(value * factor, decimals)} {unit}"
    factor, unit = next((factor, unit) for below, factor, unit in _LONG_TIMES if size < below)
    return f"{fixed(value / factor, decimals)} {unit}{'s' if size / factor > 1 else ''}"


def _scaled(factor: float, names: tuple[str, ...], suffix: str) -> Callable[[float, int | None], str]:
    def write(value: float, decimals: int | None) -> str:
        size, index = abs(value), 0
        while size >= factor and index < len(names) - 1:
            size, index = size / factor, index + 1
        return f"{fixed(math.copysign(size, value), decimals)}{names[index]}{suffix}"

    return write


_UNITS: Final[Mapping[str, Callable[[float, int | None], str]]] = MappingProxyType(
    {
        "none": fixed,
        "locale": _locale,
        "percentunit": _percent,
        "s": _seconds,
        "bytes": _scaled(1024, _BINARY, "B"),
        "binBps": _scaled(1024, _BINARY, "B/s"),
        "wps": _scaled(1000, _COUNTS, " wr/s"),
        "cps": _scaled(1000, _COUNTS, " c/s"),
    }
)
