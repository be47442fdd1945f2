"""The whole page of a dashboard in one file: its head, its panels in the grid, style, script and plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from preview.answers import Asker
from preview.parts import drawn, embedded, framed
from preview.source import Span
from preview.spec import Dashboard

HERE: Final = Path(__file__).parent
LIBRARY: Final = HERE.parents[1] / "build" / "npm" / "node_modules" / "uplot" / "dist"


def page(dashboard: Dashboard, asker: Asker, span: Span, others: Sequence[Dashboard] = ()) -> str:
    """Return the page. ``others`` are the dashboards that it links to, each a file beside it."""
    panels = "".join(
        framed(panel, "" if panel.kind == "row" else drawn(panel, asker, span))
        for panel in dashboard.panels
        if panel.kind == "row" or not panel.folded
    )
    links = "".join(f'<a href="{each.uid}.html">{escape(each.title.split("/ ")[-1])}</a>' for each in others)
    chosen = "".join(
        f"<li><span>{escape(each.label)}</span>{escape(_all(asker.values[each.name]))}</li>"
        for each in dashboard.variables
    )
    marks = [
        mark for kind in dashboard.marks if kind.enabled for mark in _marks(kind.colour, kind.name, asker, kind, span)
    ]
    kinds = "".join(
        f'<li><i style="background:{each.colour}"></i>{escape(each.name)}</li>'
        for each in dashboard.marks
        if each.enabled
    )
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in (span.start, span.end))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(dashboard.title)} (preview)</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>{_read(LIBRARY / "uPlot.min.css")}
{_read(HERE / "preview.css")}</style></head>
<body><header><h1>{escape(dashboard.title)}</h1><p class="what">a preview, not Grafana</p>
<nav>{links}</nav><button type="button" id="theme">light / dark</button></header>
<div class="bar"><ul class="chosen">{chosen}</ul><ul class="kinds">{kinds}</ul>
<p class="range">{start:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC</p></div>
<main>{panels}</main>
<script type="application/json" id="marks">{embedded(marks)}</script>
<script>{_read(LIBRARY / "uPlot.iife.min.js")}</script>
<script>{_read(HERE / "preview.js")}</script></body></html>
"""


def _marks(colour: str, name: str, asker: Asker, kind: Any, span: Span) -> list[dict[str, Any]]:
    """Return the stretches of time in which each mark's query has a value."""
    found = []
    for named in asker.marks(kind):
        times = [moment for moment, value in named.series.samples if value > 0]
        start = last = 0.0
        for moment in times:
            if start and moment - last > 1.5 * span.step:
                found.append((start, last, named.name))
                start = 0.0
            start, last = start or moment, moment
        if start:
            found.append((start, last, named.name))
    return [{"kind": name, "title": title, "colour": colour, "from": a, "to": b} for a, b, title in found]


def _all(value: str) -> str:
    return "All" if value == ".*" else value


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
