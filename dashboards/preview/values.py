"""What a tile and a table say: the texts and colours of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from preview.answers import Named
from preview.fields import Config, Shown, config
from preview.frames import Cell, Frame
from preview.spec import Panel


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is read: titles of columns, their configuration, and rows in order."""

    titles: tuple[str, ...]
    configs: tuple[Config, ...]
    rows: tuple[tuple[Shown, ...], ...]

    def texts(self) -> list[dict[str, str]]:
        """Return its rows as texts by title."""
        return [{title: shown.text for title, shown in zip(self.titles, row, strict=True)} for row in self.rows]


def tiles(panel: Panel, found: Sequence[Named]) -> list[Shown]:
    """Return what a panel of large values says, one for each series.

    Where there is none it is the word for no value; and nothing at all in a panel of names, as in Grafana.
    """
    by_name = panel.options["textMode"] == "name"
    made = []
    for named in found:
        shown = config(panel, named.name).shown(named.series.samples[-1][1])
        made.append(Shown(named.name, shown.colour) if by_name else shown)
    return made or [Shown("") if by_name else config(panel, "").shown(None)]


def table(panel: Panel, frame: Frame) -> Table:
    """Return what a table says, sorted as the panel says."""
    configs = tuple(config(panel, title) for title in frame.columns)
    rows = frame.rows()
    for order in reversed(panel.options.get("sortBy", ())):
        title = order["displayName"]
        if title in frame.columns:
            rows.sort(key=lambda row: _key(row[title]), reverse=bool(order.get("desc")))
    return Table(
        titles=tuple(frame.columns),
        configs=configs,
        rows=tuple(tuple(known.shown(cell) for known, cell in zip(configs, row.values(), strict=True)) for row in rows),
    )


def _key(cell: Cell) -> tuple[int, float, str]:
    """Sort texts, then what is absent, then numbers."""
    if isinstance(cell, str):
        return 0, 0.0, cell
    return (1, 0.0, "") if cell is None else (2, cell, "")
