"""The resident memory of all sidecars over a run, with the troubles, as one SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from soak.samples import Sample

WIDTH: Final = 1000
HEIGHT: Final = 380
LEFT: Final = 60
RIGHT: Final = WIDTH - 20
TOP: Final = 46
BOTTOM: Final = HEIGHT - 44
COLOURS: Final = ("#347cd4", "#949414", "#b8559a")
INK: Final = "#6a6f78"
"""Can be read on white and on black: the page's background is the reader's."""
_MARK: Final = 10
"""MiB between two lines."""


def plot(samples: Sequence[Sample], troubles: Sequence[tuple[float, str]], warm_up: float) -> str:
    """Return the picture; raises ValueError without samples. Moments are in seconds since the run began."""
    if not samples:
        raise ValueError("there is nothing to draw")
    end = max(sample.seconds for sample in samples)
    top = _MARK * (int(max(sample.resident for sample in samples)) // _MARK + 1)
    picture = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}")
    picture.attrib |= {"font-family": "sans-serif", "font-size": "13", "fill": INK, "stroke-width": "1.5"}
    ET.SubElement(picture, "title").text = f"Resident memory of the sidecars over {end / 60:.0f} minutes"

    def across(seconds: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * seconds / end, 1)

    def down(mib: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * mib / top, 1)

    _add(picture, "rect", x=LEFT, y=TOP, width=across(warm_up) - LEFT, height=BOTTOM - TOP, fill_opacity=0.12)
    for moment, words in troubles:
        line = {"x1": across(moment), "y1": TOP, "x2": across(moment), "y2": BOTTOM}
        mark = _add(picture, "line", **line, stroke=INK, stroke_opacity=0.4, stroke_dasharray="2 3")
        ET.SubElement(mark, "title").text = words
    for mib in range(0, top + 1, _MARK):
        _add(picture, "line", x1=LEFT, y1=down(mib), x2=RIGHT, y2=down(mib), stroke=INK, stroke_opacity=0.3)
        _write(picture, LEFT - 8, down(mib) + 4, "end", str(mib))
    step = next((minutes for minutes in (1, 2, 5, 10, 20, 30) if end / 60 / minutes <= 12), 60)
    for minutes in range(0, int(end / 60) + 1, step):
        _write(picture, across(60 * minutes), BOTTOM + 18, "middle", str(minutes))
    for number, node in enumerate(sorted({sample.node for sample in samples})):
        colour = COLOURS[number % len(COLOURS)]
        points = (f"{across(each.seconds)},{down(each.resident)}" for each in samples if each.node == node)
        _add(picture, "polyline", points=" ".join(points), fill="none", stroke=colour)
        _add(picture, "rect", x=LEFT + 110 * number, y=16, width=12, height=12, fill=colour)
        _write(picture, LEFT + 110 * number + 18, 27, "start", node)
    _write(picture, RIGHT, 27, "end", "resident memory in MiB; dashed: a trouble; grey: warming up")
    _write(picture, (LEFT + RIGHT) / 2, HEIGHT - 8, "middle", "minutes")
    ET.indent(picture)
    return ET.tostring(picture, encoding="unicode") + "\n"


def _add(picture: ET.Element, shape: str, **attributes: float | str) -> ET.Element:
    return ET.SubElement(picture, shape, {name.replace("_", "-"): str(value) for name, value in attributes.items()})


def _write(picture: ET.Element, x: float, y: float, anchor: str, words: str) -> None:
    _add(picture, "text", x=x, y=y, text_anchor=anchor).text = words
