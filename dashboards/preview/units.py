"""Numbers as Grafana writes them, for the units that the dashboards use."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_SHORT: Final = ("", "K", "Mil", "Bil", "Tri")
_RATE: Final = ("", "K", "M", "G", "T")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
_TIMES: Final = ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (60, 1, "s"))
_LONG_TIMES: Final = ((3600, 60, "min"), (86400, 3600, "hour"), (604800, 86400, "day"), (math.inf, 604800, "week"))


class UnitError(Exception):
    """The dashboard uses a unit that the preview does not know."""


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a number with its unit; without ``decimals`` as many as its size needs."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "\u221e" if value > 0 else "-\u221e"
    if unit not in _UNITS:
        raise UnitError(f"the preview does not know the unit {unit}")
    return _UNITS[unit](value, decimals)


def binary(unit: str) -> bool:
    """Whether the unit counts in powers of 1024: an axis is divided accordingly."""
    return unit in {"bytes", "binBps"}


def fixed(value: float, decimals: int | None) -> str:
    """Return a number with so many decimals; by default two digits and a bit, as Grafana does."""
    if decimals is None:
        decimals = _usual(value)
    return f"{value:.{decimals}f}"


def _usual(value: float) -> int:
    if value == 0 or value % 1 == 0:
        return 0
    digits = 1 - math.floor(math.log10(abs(value)))
    if abs(value) * 10.0**digits > 22.5:  # noqa: PLR2004 - Grafana's own limit, for steps of 2.5
        digits += 1
    return max(0, digits)


def _plain(value: float, decimals: int | None) -> str:
    return fixed(value, decimals)


def _locale(value: float, decimals: int | None) -> str:
    return f"{value:,.{_usual(value) if decimals is None else decimals}f}"


def _percent(value: float, decimals: int | None) -> str:
    return f"{fixed(value * 100, decimals)}%"


def _seconds(value: float, decimals: int | None) -> str:
    size = abs(value)
    if size == 0:
        return "0 s"
    for below, factor, unit in _TIMES:
        if size < below:
            return f"{fixed(value * factor, decimals)} {unit}"
    for below, factor, unit in _LONG_TIMES:
        if size < below:
            number = fixed(value / factor, decimals)
            return f"{number} {unit}{'' if number == '1' else 's'}"
    raise AssertionError(value)


def _scaled(factor: float, names: tuple[str, ...], suffix: str) -> Callable[[float, int | None], str]:
    def write(value: float, decimals: int | None) -> str:
        size, index = abs(value), 0
        while size >= factor and index < len(names) - 1:
            size, index = size / factor, index + 1
        number = fixed(math.copysign(size, value), decimals)
        return f"{number} {(names[index] + suffix).strip()}".rstrip()

    return write


_UNITS: Final[Mapping[str, Callable[[float, int | None], str]]] = MappingProxyType(
    {
        "none": _plain,
        "short": _scaled(1000, _SHORT, ""),
        "locale": _locale,
        "percentunit": _percent,
        "s": _seconds,
        "bytes": _scaled(1024, _BINARY, "B"),
        "binBps": _scaled(1024, _BINARY, "B/s"),
        "wps": _scaled(1000, _RATE, " wr/s"),
        "cps": _scaled(1000, _RATE, " c/s"),
    }
)
