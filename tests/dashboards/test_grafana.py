"""The preview writes values and joins tables as Grafana does: Grafana's own code (@grafana/data) is asked."""

from __future__ import annotations

import random
from typing import Any

from dashboards.files import FOLDER, UIDS, all_panels
from dashboards.node import grafana
from preview.fields import Config, config
from preview.frames import Frame, transformed
from preview.spec import read
from preview.units import written

BOARDS = [read(FOLDER / f"{uid}.json") for uid in UIDS]

NUMBERS = [0, 1, 2, 3, 0.5, 0.0293, 0.1, 0.12345, 0.999, 1.5, 2.25, 9.99, 12.7, 42.23, 59.9, 60, 61, 99.5, 100, 254.6]
NUMBERS += [999, 1000, 1024, 1500, 1536, 3599, 3600, 86399, 86400, 604800, 1e6, 1234567, 76443648, 5e9, 0.0002932, 1e-5]

CLEAR = "rgba(0,0,0,0)"


def test_numbers_are_written_as_grafana_writes_them() -> None:
    units = {
        unit
        for _, panel in all_panels()
        if "fieldConfig" in panel
        for unit in [
            panel["fieldConfig"]["defaults"].get("unit"),
            *(
                each["value"]
                for override in panel["fieldConfig"]["overrides"]
                for each in override["properties"]
                if each["id"] == "unit"
            ),
        ]
        if unit
    }
    assert {"none", "s", "percentunit", "bytes", "locale", "wps"} <= units
    chance = random.Random(1)
    numbers = [*NUMBERS, *(10 ** chance.uniform(-5, 9) for _ in range(60))]
    cases = [(number, unit, decimals) for number in numbers for unit in sorted(units) for decimals in (None, 0, 1)]
    differing = {
        case: (written(*case), expected)
        for case, expected in zip(cases, grafana("units", cases), strict=True)
        if written(*case) != expected
    }
    assert differing == {}


def test_values_have_the_text_and_the_colour_that_grafana_gives_them() -> None:
    cases: list[tuple[Config, dict[str, Any], float | str | None]] = []
    for board in BOARDS:
        for panel in board.panels:
            names = {
                override["matcher"]["options"] for override in panel.overrides if override["matcher"]["id"] == "byName"
            }
            for name in ["", *names]:
                known = config(panel, name)
                texts = [key for mapping in known.mappings if mapping["type"] == "value" for key in mapping["options"]]
                for value in [None, 0, 1, 2, 0.05, 0.3, 0.95, 3600, *texts, *map(float, filter(_is_number, texts))]:
                    if isinstance(value, str) and _is_number(value):
                        continue  # a code is a number there
                    cases.append((known, _as_grafana_has_it(known), value))
    given = [{"config": as_given, "value": value} for _, as_given, value in cases]
    for (known, _, value), (text, colour) in zip(cases, grafana("shown", given), strict=True):
        shown = known.shown(value)
        assert shown.text == text, (known, value)
        if known.steps and value is not None and not isinstance(value, str):
            assert shown.colour == {CLEAR: "transparent"}.get(colour, colour), (known, value)


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _as_grafana_has_it(known: Config) -> dict[str, Any]:
    return {
        "unit": known.unit,
        "decimals": known.decimals,
        "noValue": known.absent,
        "mappings": list(known.mappings),
        "color": {"mode": "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in known.steps],
        },
    }


def test_tables_are_joined_as_grafana_joins_them() -> None:
    chance = random.Random(2)
    cases = []
    for board in BOARDS:
        for panel in board.panels:
            if panel.kind == "table":
                cases += [(panel.transformations, _frames(panel, chance)) for _ in range(10)]
    assert len(cases) > 100
    given = [
        {
            "frames": [{"refId": letter, "columns": dict(frame.columns)} for letter, frame in frames.items()],
            "steps": list(steps),
        }
        for steps, frames in cases
    ]
    for (steps, frames), expected in zip(cases, grafana("tables", given), strict=True):
        made = transformed(list(frames.values()), steps)
        assert _rows([(name, list(cells)) for name, cells in made.columns.items()]) == _rows(expected), (steps, frames)


def _frames(panel: Any, chance: random.Random) -> dict[str, Frame]:
    """Return answers to a table's queries: of each some rows, or none."""
    alone = len(panel.targets) == 1
    (organize,) = [step["options"] for step in panel.transformations if step["id"] == "organize"]
    labels = [name for name in organize["renameByName"] if not name.startswith("Value")]
    joined = [step["options"]["byField"] for step in panel.transformations if step["id"] == "joinByField"]
    keys = joined or [label for label in labels if all(f"{label}" in target.expr for target in panel.targets)]
    found = {}
    for target in panel.targets:
        rows = chance.sample(range(4), chance.randint(0, 4))
        own = [label for label in labels if label not in keys and f"{label})" in target.expr.split("(")[1] + ")"]
        columns: dict[str, tuple[Any, ...]] = {"Time": tuple(1.0 for _ in rows)}
        columns |= {key: tuple(f"{key}-{row}" for row in rows) for key in keys}
        columns |= {label: tuple(f"{label}-{row}-{target.letter}" for row in rows) for label in own}
        columns["Value" if alone else f"Value #{target.letter}"] = tuple(float(row) for row in rows)
        found[target.letter] = Frame(columns if rows else {})
    return found


def _rows(columns: list[tuple[str, list[Any]]] | list[Any]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return names in order, and rows in any: sorting is the panel's own matter."""
    names = [name for name, _ in columns]
    rows = zip(*(cells for _, cells in columns), strict=True)
    return names, sorted(
        tuple(f"{cell:g}" if isinstance(cell, int | float) else str(cell) for cell in row) for row in rows
    )
