"""Panels as HTML: a value, a table, bars, words over time, lines, a text; and the frame around each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from preview.answers import Asker, Named
from preview.fields import Config, Shown, config
from preview.frames import Frame
from preview.lines import lines
from preview.source import Span
from preview.spec import Panel
from preview.values import table, tiles

CLEAR: Final = "transparent"
_FENCE: Final = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_CODE: Final = re.compile(r"`([^`]+)`")


class PanelError(Exception):
    """The dashboard has a kind of panel that the preview does not know."""


def drawn(panel: Panel, asker: Asker, span: Span) -> str:
    """Return the inside of a panel."""
    match panel.kind:
        case "stat":
            return _values(panel, asker.named(panel))
        case "table":
            return _table(panel, asker.rows(panel))
        case "bargauge":
            return _bars(panel, asker.named(panel))
        case "state-timeline":
            return _timeline(panel, asker.named(panel), span)
        case "timeseries":
            return _lines(panel, asker.named(panel), span)
        case "text":
            return _text(panel, asker)
        case other:
            raise PanelError(f"the preview does not know panels of the kind {other}")


def framed(panel: Panel, inside: str) -> str:
    """Return a panel at its place on the grid."""
    grid = panel.grid
    place = f"grid-column:{grid.x + 1}/span {grid.w};grid-row:{grid.y + 1}/span {grid.h}"
    if panel.kind == "row":
        sign = "\u203a" if panel.folded else "\u2304"
        return f'<h2 class="row" style="{place}"><span>{sign}</span> {escape(panel.title)}</h2>'
    return (
        f'<section class="panel {panel.kind}" data-panel="{panel.number}" style="{place}">'
        f'<h3 title="{escape(panel.about)}">{escape(panel.title)}</h3>'
        f'<div class="inside">{inside}</div></section>'
    )


def embedded(data: object) -> str:
    """Return data as JSON that cannot end the script element around it."""
    return json.dumps(data).replace("</", "<\\/")


def _nothing(panel: Panel) -> str:
    return f'<p class="nothing">{escape(panel.defaults.get("noValue", "No data"))}</p>'


def _values(panel: Panel, found: Sequence[Named]) -> str:
    plain = panel.options["colorMode"] == "none"
    return "".join(_tile(shown.text, "" if plain else shown.colour) for shown in tiles(panel, found))


def _tile(text: str, colour: str) -> str:
    size = min(2.5, 17 / max(len(text), 1))
    style = f"font-size:min({size:.2f}rem,{170 / max(len(text), 1):.0f}cqw)"
    if not colour:
        return f'<div class="value plain" style="{style}">{escape(text)}</div>'
    return f'<div class="value" style="background:{colour};{style}">{escape(text)}</div>'


def _table(panel: Panel, frame: Frame) -> str:
    if not frame.columns:
        return _nothing(panel)
    made = table(panel, frame)
    widths = "".join(f"<col{_width(known)}>" for known in made.configs)
    head = "".join(f"<th>{escape(title)}</th>" for title in made.titles)
    body = "".join(
        f"<tr>{''.join(_cell(known, shown) for known, shown in zip(made.configs, row, strict=True))}</tr>"
        for row in made.rows
    )
    return f"<table><colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _width(known: Config) -> str:
    return f' style="width:{known.custom["width"]}px"' if "width" in known.custom else ""


def _cell(known: Config, shown: Shown) -> str:
    filled = "cellOptions" in known.custom and shown.colour not in {"", CLEAR}
    style = f' class="filled" style="background:{shown.colour}"' if filled else ""
    return f"<td{style}>{escape(shown.text)}</td>"


def _bars(panel: Panel, found: Sequence[Named]) -> str:
    if not found:
        return _nothing(panel)
    most = max(named.series.samples[-1][1] for named in found)
    rows = []
    for named in found:
        shown_by = config(panel, named.name)
        value = named.series.samples[-1][1]
        shown = shown_by.shown(value)
        share = min(1.0, value / (shown_by.maximum or most or 1))
        rows.append(
            f"<dt>{escape(named.name)}</dt><dd><i style='width:{share:.1%};background:{shown.colour}'></i></dd>"
            f"<dd class='number'>{escape(shown.text)}</dd>"
        )
    return f'<dl class="bars">{"".join(rows)}</dl>'


def _timeline(panel: Panel, found: Sequence[Named], span: Span) -> str:
    if not found:
        return _nothing(panel)
    seen: dict[str, str] = {}
    rows = []
    for named in found:
        shown_by = config(panel, named.name)
        bars = []
        for start, end, shown in _stretches(named, shown_by, span.step):
            seen.setdefault(shown.text, shown.colour)
            left = max(0.0, (start - span.start) / (span.end - span.start))
            width = (min(end, span.end) - max(start, span.start)) / (span.end - span.start)
            label = escape(shown.text)
            bars.append(
                f'<i style="left:{left:.3%};width:{width:.3%};background:{shown.colour}" title="{label}">'
                f"<span>{label}</span></i>"
            )
        rows.append(f"<dt>{escape(named.name)}</dt><dd>{''.join(bars)}</dd>")
    legend = "".join(f'<li><i style="background:{colour}"></i>{escape(text)}</li>' for text, colour in seen.items())
    return (
        f'<dl class="timeline">{"".join(rows)}</dl><p class="times">{_times(span)}</p><ul class="legend">{legend}</ul>'
    )


def _stretches(named: Named, shown_by: Config, step: float) -> Iterable[tuple[float, float, Shown]]:
    """Yield each stretch of time in which the word is the same: from, to, word."""
    begin, last, word = 0.0, 0.0, Shown("")
    for moment, value in named.series.samples:
        shown = shown_by.shown(value)
        if begin and (shown != word or moment - last > 1.5 * step):
            yield begin, last + step, word
            begin = 0.0
        if not begin:
            begin, word = moment, shown
        last = moment
    if begin:
        yield begin, last + step, word


def _times(span: Span) -> str:
    shares = (0, 0.25, 0.5, 0.75, 1)
    moments = [(share, datetime.fromtimestamp(span.start + share * (span.end - span.start), UTC)) for share in shares]
    return "".join(f'<time style="left:{share:.0%}">{moment:%H:%M:%S}</time>' for share, moment in moments)


def _lines(panel: Panel, found: Sequence[Named], span: Span) -> str:
    if not found:
        return _nothing(panel)
    made = lines(panel, found, span)
    rows = "".join(
        f'<tr><td><i class="{"dashed" if entry.dashed else ""}" style="border-color:{entry.colour}"></i>'
        f"{escape(entry.name)}</td><td>{escape(entry.last)}</td><td>{escape(entry.most)}</td></tr>"
        for entry in made.legend
    )
    return (
        f'<div class="plot"></div><script type="application/json">{embedded(made.data)}</script>'
        f'<table class="legend"><thead><tr><th>Name</th><th>Last</th><th>Max</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _text(panel: Panel, asker: Asker) -> str:
    content = asker.filled(panel.options["content"])
    parts, at = [], 0
    for found in _FENCE.finditer(content):
        parts += [*_paragraphs(content[at : found.start()]), f"<pre>{escape(found[1].strip())}</pre>"]
        at = found.end()
    return "".join([*parts, *_paragraphs(content[at:])])


def _paragraphs(content: str) -> list[str]:
    texts = (part.strip() for part in content.split("\n\n"))
    marked = (_CODE.sub(r"<code>\1</code>", escape(text)) for text in texts if text)
    return [f"<p>{text}</p>" for text in marked]
