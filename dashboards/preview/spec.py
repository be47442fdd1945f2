"""A dashboard's JSON as values: variables, panels and their queries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROW: Final = "row"


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    letter: str
    expr: str
    legend: str
    instant: bool
    table: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a panel stands on the 24 columns; heights are in cells of 30 pixels."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, or the head of a row."""

    number: int
    kind: str
    title: str
    about: str
    grid: Grid
    targets: tuple[Target, ...]
    options: Mapping[str, Any]
    defaults: Mapping[str, Any]
    overrides: Sequence[Mapping[str, Any]]
    transformations: Sequence[Mapping[str, Any]]
    folded: bool = False
    """A row that is closed, or a panel inside one."""


@dataclass(frozen=True, slots=True)
class Marks:
    """A query for vertical marks."""

    name: str
    expr: str
    title: str
    colour: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that lists values: ``label_values(SERIES, LABEL)``."""

    name: str
    label: str
    series: str
    values_of: str
    multi: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard."""

    uid: str
    title: str
    about: str
    panels: tuple[Panel, ...]
    """Heads of rows among them; those of closed rows behind their head."""
    variables: tuple[Variable, ...]
    constants: Mapping[str, str]
    marks: tuple[Marks, ...]

    def asked(self) -> Iterator[tuple[Panel, Target]]:
        """Yield each query with its panel."""
        for panel in self.panels:
            for target in panel.targets:
                yield panel, target


def read(path: Path) -> Dashboard:
    """Read a dashboard's file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Dashboard(
        uid=found["uid"],
        title=found["title"],
        about=found["description"],
        panels=tuple(_panels(found["panels"], folded=False)),
        variables=tuple(_variable(each) for each in found["templating"]["list"] if each["type"] == "query"),
        constants={each["name"]: each["query"] for each in found["templating"]["list"] if each["type"] == "constant"},
        marks=tuple(
            Marks(each["name"], each["expr"], each["titleFormat"], each["iconColor"], each["enable"])
            for each in found["annotations"]["list"]
        ),
    )


def _panels(found: Sequence[Mapping[str, Any]], *, folded: bool) -> Iterator[Panel]:
    for each in found:
        closed = folded or bool(each.get("collapsed"))
        config = each.get("fieldConfig", {})
        yield Panel(
            number=each["id"],
            kind=each["type"],
            title=each["title"],
            about=each.get("description", ""),
            grid=Grid(**each["gridPos"]),
            targets=tuple(
                Target(
                    letter=target["refId"],
                    expr=target["expr"],
                    legend=target.get("legendFormat", ""),
                    instant=bool(target.get("instant")),
                    table=target.get("format") == "table",
                )
                for target in each.get("targets", ())
            ),
            options=each.get("options", {}),
            defaults=config.get("defaults", {}),
            overrides=config.get("overrides", ()),
            transformations=each.get("transformations", ()),
            folded=closed,
        )
        if each["type"] == ROW:
            yield from _panels(each.get("panels", ()), folded=True)


def _variable(found: Mapping[str, Any]) -> Variable:
    query: str = found["query"]["query"]
    series, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
    return Variable(found["name"], found["label"], series, label, bool(found["multi"]))
