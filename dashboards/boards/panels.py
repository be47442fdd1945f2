"""Panels: each with a title, a description, a unit and queries, in the one way that all dashboards have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table, text
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    Threshold,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from boards.looks import (
    CALM,
    LIMIT_LINE,
    by_series,
    by_thresholds,
    calm,
    fixed,
    mapping,
    neutral,
    node_colours,
    thresholds,
)
from galera_exporter.web.tones import Look

SOURCE: Final = DataSourceRef("prometheus", "${datasource}")
"""Never one data source by its name."""
LINES_HEIGHT: Final = 8
TILE_HEIGHT: Final = 4
NOTHING: Final = "\u2013"
"""Shown where there is no value."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query; ``legend`` names its series, with labels in double braces."""

    expr: str
    legend: str = "{{pod}}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a panel's values: to a dashboard, a runbook or the list of alerts."""

    title: str
    url: str

    def property(self) -> dict[str, object]:
        """Return it as a property of a field."""
        return {"title": self.title, "url": self.url}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: what a query, or one of its labels, gives each row."""

    title: str
    expr: str = ""
    """Empty: it shows a label that the rows are told apart by."""
    label: str = ""
    """The label that is shown; empty: the value."""
    unit: str = "none"
    words: Mapping[int, Look] | Mapping[str, Look] = field(default_factory=dict)
    steps: Sequence[Threshold] = ()
    width: int = 0
    links: Sequence[Link] = ()
    decimals: int | None = None
    absent: str = NOTHING
    filled: bool = False
    """Whether what is well has a colour too: for what is to be seen first."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel and its size on the grid of 24 columns."""

    panel: Builder[Panel]
    width: int
    height: int


def tile(  # noqa: PLR0913 - a panel has as many properties
    title: str,
    about: str,
    query: Query,
    *,
    width: int,
    unit: str = "none",
    steps: Sequence[Threshold] = (),
    words: Mapping[int, Look] | None = None,
    name: bool = False,
    absent: str = NOTHING,
    decimals: int | None = None,
    links: Sequence[Link] = (),
    alert: str = "",
    height: int = TILE_HEIGHT,
) -> Placed:
    """Return one value in large; ``name``: the series' name is shown, in the colour of the value.

    ``alert`` is the one that watches over it: its runbook is a link of the panel.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(thresholds(list(steps) or neutral()))
        .color_scheme(by_thresholds())
        .color_mode(kinds.BigValueColorMode.BACKGROUND_SOLID if steps or words else kinds.BigValueColorMode.NONE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .justify_mode(kinds.BigValueJustifyMode.CENTER)
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .text_mode(kinds.BigValueTextMode.NAME if name else kinds.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))  # noqa: FBT003
        .no_value(absent)
        .mappings(mapping(words, absent) if words else [])
        .with_target(_instant(query, "A"))
        .data_links([_link(link) for link in links])
        .links(_runbook(alert))
    )
    if decimals is not None:
        panel.decimals(decimals)
    return Placed(panel, width, height)


def lines(  # noqa: PLR0913 - a panel has as many properties
    title: str,
    about: str,
    *queries: Query,
    width: int,
    unit: str,
    steps: Sequence[Threshold] = (),
    limits: Sequence[str] = (),
    minimum: float | None = 0,
    maximum: float | None = None,
    stacked: bool = False,
    stepped: bool = False,
    decimals: int | None = None,
    colours: Mapping[str, str] | None = None,
    absent: str = "No data",
    alert: str = "",
    height: int = LINES_HEIGHT,
) -> Placed:
    """Return values over time.

    ``steps`` are drawn as dashed lines. ``limits`` are names of series that are a limit themselves, dashed as well.
    ``colours`` are those of series that are no node's, by name. ``alert`` is as in ``tile``.
    """
    panel = (
        series.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .color_scheme(by_series())
        .thresholds(thresholds(list(steps) or neutral()))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                kinds.GraphThresholdsStyleMode.DASHED if steps else kinds.GraphThresholdsStyleMode.OFF
            )
        )
        .draw_style(kinds.GraphDrawStyle.LINE)
        .line_width(1.0 if stacked else 2.0)
        .fill_opacity(40.0 if stacked else 6.0)
        .show_points(kinds.VisibilityMode.NEVER)
        .span_nulls(False)  # noqa: FBT003
        .line_interpolation(kinds.LineInterpolation.STEP_AFTER if stepped else kinds.LineInterpolation.LINEAR)
        .stacking(
            common.StackingConfig().mode(kinds.StackingMode.NORMAL if stacked else kinds.StackingMode.NONE).group("A")
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.NONE))
        .links(_runbook(alert))
        .no_value(absent)
    )
    if decimals is not None:
        panel.decimals(decimals)
    if minimum is not None:
        panel.min(minimum)
    if maximum is not None:
        panel.max(maximum)
    for letter, query in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_range(query, letter))
    if any("{{pod}}" in query.legend for query in queries):
        for regexp, colour in node_colours():
            panel.override_by_regexp(regexp, [colour])
    for name, colour_of in (colours or {}).items():
        panel.override_by_name(name, [fixed(colour_of)])
    for regexp in limits:
        panel.override_by_regexp(
            regexp,
            [
                fixed(LIMIT_LINE),
                DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
                DynamicConfigValue("custom.fillOpacity", 0),
                DynamicConfigValue("custom.lineWidth", 1),
            ],
        )
    return Placed(panel, width, height)


def states(
    title: str,
    about: str,
    query: Query,
    *,
    words: Mapping[int, Look],
    width: int,
    height: int = LINES_HEIGHT,
) -> Placed:
    """Return words over time, one bar a series."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit("none")
        .color_scheme(by_thresholds())
        .thresholds(thresholds(neutral()))
        .mappings(mapping(words))
        .merge_values(True)  # noqa: FBT003
        .show_value(kinds.VisibilityMode.AUTO)
        .align_value(kinds.TimelineValueAlignment.LEFT)
        .row_height(0.85)
        .fill_opacity(85)
        .line_width(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.SINGLE).sort(kinds.SortOrder.NONE))
        .with_target(_range(query, "A"))
    )
    return Placed(panel, width, height)


def bars(  # noqa: PLR0913 - a panel has as many properties
    title: str,
    about: str,
    query: Query,
    *,
    width: int,
    unit: str,
    steps: Sequence[Threshold],
    maximum: float,
    decimals: int | None = None,
    absent: str = "No data",
    height: int = LINES_HEIGHT,
) -> Placed:
    """Return values of now as horizontal bars, one a series."""
    panel = (
        bargauge.Panel()
        .no_value(absent)
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .max(maximum)
        .color_scheme(by_thresholds())
        .thresholds(thresholds(list(steps)))
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .value_mode(kinds.BarGaugeValueMode.TEXT)
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .show_unfilled(True)  # noqa: FBT003
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))  # noqa: FBT003
        .with_target(_instant(query, "A"))
    )
    if decimals is not None:
        panel.decimals(decimals)
    return Placed(panel, width, height)


def rows_of(
    title: str,
    about: str,
    *columns: Column,
    by: Sequence[str] = ("pod",),
    width: int = 24,
    height: int = LINES_HEIGHT,
    absent: str = NOTHING,
    sort: str = "",
    descending: bool = False,
) -> Placed:
    """Return a table of now: one row for each combination of the labels ``by``.

    A column with an expression is a query of its own, and shows its value or a label that it has besides. One without
    shows a label that all have.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit("none")
        .color_scheme(by_thresholds())
        .thresholds(thresholds(neutral()))
        .no_value(absent)
        .cell_height(kinds.TableCellHeight.SM)
        .align(kinds.FieldTextAlignment.LEFT)
        .filterable(False)  # noqa: FBT003
        .show_header(True)  # noqa: FBT003
        .sort_by([common.TableSortByFieldState().display_name(sort or columns[0].title).desc(descending)])
    )
    asked = [column for column in columns if column.expr]
    letters = {column.title: letter for letter, column in zip(ascii_uppercase, asked, strict=False)}
    for column in asked:
        labels = ", ".join(dict.fromkeys([*by, *([column.label] if column.label else [])]))
        panel.with_target(_rows(Query(f"max by ({labels}) ({column.expr})", ""), letters[column.title]))
    if len(asked) > 1 and len(by) == 1:
        panel.with_transformation(_transformed("joinByField", {"byField": by[0], "mode": "outer"}))
    elif len(asked) > 1:
        panel.with_transformation(_transformed("merge", {}))
    names = {column.title: column.label or f"Value #{letters[column.title]}" for column in columns}
    if len(asked) == 1:
        names[asked[0].title] = asked[0].label or "Value"
    panel.with_transformation(_transformed("filterFieldsByName", {"include": {"names": list(names.values())}}))
    panel.with_transformation(
        _transformed(
            "organize",
            {
                "excludeByName": {},
                "indexByName": {name: index for index, name in enumerate(names.values())},
                "renameByName": {name: title for title, name in names.items()},
            },
        )
    )
    for column in columns:
        panel.override_by_name(column.title, list(_properties(column)))
    return Placed(panel, width, height)


def words_of(title: str, about: str, content: str, *, width: int, height: int) -> Placed:
    """Return a text in Markdown."""
    panel = text.Panel().title(title).description(about).mode(TextMode.MARKDOWN).content(content)
    return Placed(panel, width, height)


def _properties(column: Column) -> Sequence[DynamicConfigValue]:
    found = [DynamicConfigValue("unit", column.unit), DynamicConfigValue("noValue", column.absent)]
    if column.decimals is not None:
        found.append(DynamicConfigValue("decimals", column.decimals))
    if column.words:
        found.append(DynamicConfigValue("mappings", mapping(column.words, cell=not column.filled)))
    if column.steps:
        calmed = [Threshold(step.value, calm(step.color)) for step in column.steps]
        found.append(DynamicConfigValue("thresholds", {"mode": "absolute", "steps": calmed}))
    elif column.words:
        found.append(DynamicConfigValue("thresholds", {"mode": "absolute", "steps": [Threshold(None, CALM)]}))
    if column.words or column.steps:
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
    if column.width:
        found.append(DynamicConfigValue("custom.width", column.width))
    if column.links:
        found.append(DynamicConfigValue("links", [link.property() for link in column.links]))
    return found


def _link(link: Link) -> Builder[DashboardLink]:
    return dashboard.DashboardLink(link.title).type(DashboardLinkType.LINK).url(link.url)


def _runbook(alert: str) -> list[Builder[DashboardLink]]:
    return [_link(Link(f"Runbook of {alert}", f"${{runbooks}}/{alert}.md"))] if alert else []


def _instant(query: Query, letter: str) -> prometheus.Dataquery:
    return _query(query, letter).instant().format(PromQueryFormat.TIME_SERIES)


def _range(query: Query, letter: str) -> prometheus.Dataquery:
    return _query(query, letter).range().format(PromQueryFormat.TIME_SERIES)


def _rows(query: Query, letter: str) -> prometheus.Dataquery:
    return _query(query, letter).instant().format(PromQueryFormat.TABLE)


def _query(query: Query, letter: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).datasource(SOURCE).expr(query.expr).legend_format(query.legend)


def _transformed(how: str, options: Mapping[str, object]) -> DataTransformerConfig:
    return DataTransformerConfig(id_val=how, options=dict(options))
