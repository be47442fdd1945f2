"""Answers as rows and columns, and the four transformations that the tables use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preview.source import Series

Cell = float | str | None
_LABEL: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TIME: Final = "Time"


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns by name, all of the same length."""

    columns: Mapping[str, tuple[Cell, ...]]

    @property
    def height(self) -> int:
        """Number of rows."""
        return max(map(len, self.columns.values()), default=0)

    def rows(self) -> list[dict[str, Cell]]:
        """Return it row by row."""
        return [{name: cells[index] for name, cells in self.columns.items()} for index in range(self.height)]


class TransformationError(Exception):
    """The dashboard uses what the preview does not know."""


def legend(text: str, labels: Mapping[str, str]) -> str:
    """Return the name of a series."""
    if not text:
        return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__") or "Value"
    return _LABEL.sub(lambda found: labels.get(found[1], ""), text)


def table(series: Sequence[Series], letter: str, *, alone: bool) -> Frame:
    """Return the rows of an instant query: the time, each label, the value. No rows, no columns."""
    names = sorted({name for each in series for name in each.labels})
    value = "Value" if alone else f"Value #{letter}"
    if not series:
        return Frame({})
    return Frame(
        {
            TIME: tuple(each.samples[-1][0] for each in series),
            **{name: tuple(each.labels.get(name, "") for each in series) for name in names},
            value: tuple(each.samples[-1][1] for each in series),
        }
    )


def transformed(frames: Sequence[Frame], steps: Sequence[Mapping[str, Any]]) -> Frame:
    """Apply a panel's transformations and return the one table that is left."""
    found = list(frames)
    for step in steps:
        options = step["options"]
        match step["id"]:
            case "joinByField":
                found = [_joined(found, [options["byField"]])]
            case "merge":
                shared = set.intersection(*(set(frame.columns) for frame in found if frame.columns)) if found else set()
                keys = sorted(shared - {TIME})
                found = [_joined(found, keys)]
            case "filterFieldsByName":
                names = options["include"]["names"]
                found = [_chosen(frame, names) for frame in found]
            case "organize":
                found = [_organized(frame, options) for frame in found]
            case other:
                raise TransformationError(f"the preview does not know the transformation {other}")
    return found[0] if found else Frame({})


def _joined(frames: Sequence[Frame], keys: Sequence[str]) -> Frame:
    """Join on equal keys; a row of any frame is a row of the result."""
    rows: dict[tuple[Cell, ...], dict[str, Cell]] = {}
    names: dict[str, None] = dict.fromkeys(keys)
    for frame in frames:
        names.update(dict.fromkeys(frame.columns))
        for row in frame.rows():
            rows.setdefault(tuple(row.get(key) for key in keys), {}).update(row)
    return Frame({name: tuple(row.get(name) for row in rows.values()) for name in names})


def _chosen(frame: Frame, names: Sequence[str]) -> Frame:
    return Frame({name: cells for name, cells in frame.columns.items() if name in names})


def _organized(frame: Frame, options: Mapping[str, Any]) -> Frame:
    order, titles = options["indexByName"], options["renameByName"]
    ordered = sorted(frame.columns, key=lambda name: order.get(name, len(order)))
    return Frame({titles.get(name, name): frame.columns[name] for name in ordered})
