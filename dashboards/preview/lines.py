"""A panel of lines as what the page's script draws: aligned values, an axis with its texts, and a legend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from preview.answers import Named
from preview.fields import Config, config
from preview.scale import axis
from preview.source import Span
from preview.spec import Panel
from preview.units import written

CLASSIC: Final = ("#347cd4", "#949414", "#b8559a", "#584cec", "#4c702c", "#5894bc", "#a09468")
"""Of series that no rule gives a colour, in order. Grafana has colours of its own for these."""
_ZEROS: Final = re.compile(r"(?<=\.)(\d*?)0+(?=\D|$)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the legend."""

    name: str
    colour: str
    dashed: bool
    last: str
    most: str


@dataclass(frozen=True, slots=True)
class Lines:
    """What is drawn, and its legend."""

    data: dict[str, Any]
    legend: tuple[Entry, ...]


def lines(panel: Panel, found: Sequence[Named], span: Span) -> Lines:
    """Return a panel's lines; a time without a sample is a gap."""
    times = _times(span)
    configs = [config(panel, named.name) for named in found]
    stacked = panel.defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal"
    aligned = [_aligned(named, times) for named in found]
    drawn = _stacked(aligned) if stacked else aligned
    colours = [each.colour or CLASSIC[index % len(CLASSIC)] for index, each in enumerate(configs)]
    base = config(panel, "")
    limits = [step[0] for step in base.steps if step[0] is not None] if _shows_limits(base) else []
    values = [value for series in drawn for value in series if value is not None]
    scale = axis(values, base.unit, base.minimum, base.maximum, sorted(limits))
    return Lines(
        data={
            "times": times,
            "series": [
                {
                    "name": named.name,
                    "values": values_of,
                    "texts": [None if value is None else written(value, each.unit) for value in own],
                    "colour": colour,
                    "width": each.custom.get("lineWidth", 1),
                    "dash": each.custom.get("lineStyle", {}).get("dash"),
                    "fill": each.custom.get("fillOpacity", 0) / 100,
                    "stepped": each.custom.get("lineInterpolation") == "stepAfter",
                }
                for named, values_of, own, each, colour in zip(found, drawn, aligned, configs, colours, strict=True)
            ],
            "axis": {
                "low": scale.low,
                "high": scale.high,
                "marks": scale.marks,
                "texts": [_short(written(mark, base.unit)) for mark in scale.marks],
            },
            "limits": [
                {"value": value, "colour": colour}
                for value, colour in base.steps
                if value is not None and value in limits and value <= scale.high
            ],
            "stacked": stacked,
        },
        legend=tuple(_entry(named, each, colour) for named, each, colour in zip(found, configs, colours, strict=True)),
    )


def _entry(named: Named, shown: Config, colour: str) -> Entry:
    values = [value for _, value in named.series.samples]
    return Entry(
        name=named.name,
        colour=colour,
        dashed="lineStyle" in shown.custom,
        last=written(values[-1], shown.unit),
        most=written(max(values), shown.unit),
    )


def _shows_limits(shown: Config) -> bool:
    return bool(shown.custom.get("thresholdsStyle", {}).get("mode", "off") != "off")


def _short(text: str) -> str:
    """Return a mark's text without zeros that say nothing."""
    return _ZEROS.sub(r"\1", text)


def _times(span: Span) -> list[float]:
    start, count = span.step * (span.start // span.step), int((span.end - span.start) // span.step) + 1
    return [round(start + index * span.step, 3) for index in range(count)]


def _aligned(named: Named, times: Sequence[float]) -> list[float | None]:
    known = {round(moment, 3): value for moment, value in named.series.samples}
    return [known.get(moment) for moment in times]


def _stacked(series: Sequence[Sequence[float | None]]) -> list[list[float | None]]:
    """Put each series on top of those before; where it has no sample it adds nothing."""
    columns = zip(*series, strict=True)
    sums = [list(accumulate(value or 0.0 for value in column)) for column in columns]
    return [list(row) for row in zip(*sums, strict=True)]
