"""Figures, targets, tables, and the file of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import Row, Target, missed, number, percentile, table, write


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.99) == 7


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 0.5))


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0.01, 1))
def test_at_least_the_share_of_all_values_is_not_above_the_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("no target", 1, ""), None),
        (Row("at the limit", 40, "MiB", target=Target(40)), True),
        (Row("above it", 40.1, "MiB", target=Target(40)), False),
        (Row("enough", 1000, "/s", target=Target(1000, least=True)), True),
        (Row("too few", 999, "/s", target=Target(1000, least=True)), False),
        (Row("a fifth of the peer's", 1, "ms", 5, Target(0.2, of_peer=True)), True),
        (Row("more than a fifth", 1.1, "ms", 5, Target(0.2, of_peer=True)), False),
        (Row("no peer to compare with", 1, "ms", None, Target(0.2, of_peer=True)), False),
        (Row("not measured", math.nan, "ms", target=Target(100)), False),
        (Row("no answer", math.inf, "s", target=Target(10)), False),
    ],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_a_target_is_met_or_not(row: Row, met: bool | None) -> None:  # noqa: FBT001 - a parameter of the table above
    assert row.met is met
    assert missed([row]) == ([row] if met is False else [])


def test_bench_json_has_every_field_of_every_row_and_only_what_json_knows(tmp_path: Path) -> None:
    rows = [
        Row("scrape p50", 1.5, "ms", 6, Target(0.25, of_peer=True)),
        Row("page", 27, "KiB"),
        Row("stopped", math.inf, "s", math.nan, Target(10)),
    ]
    write(rows, tmp_path / "new" / "bench.json")
    nothing = {"peer": None, "ratio": None}
    assert json.loads((tmp_path / "new" / "bench.json").read_text()) == [
        {
            "name": "scrape p50",
            "value": 1.5,
            "unit": "ms",
            "peer": 6,
            "ratio": 0.25,
            "target": "<= 0.25 of peer",
            "met": True,
        },
        {"name": "page", "value": 27, "unit": "KiB", **nothing, "target": None, "met": None},
        {"name": "stopped", "value": None, "unit": "s", **nothing, "target": "<= 10", "met": False},
    ]


def test_the_table_aligns_and_shouts_what_is_missed() -> None:
    lines = table([Row("short", 1, "ms", 4), Row("a longer name", 1234.5, "/s", target=Target(2000, least=True))])
    assert lines == [
        "                sidecar  peer  ratio   target  met",
        "short           1.00 ms  4.00  0.250        -    -",
        "a longer name  1,234 /s     -      -  >= 2000   NO",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.02471, "0.0247"),
        (1.234, "1.23"),
        (42.42, "42.4"),
        (1259.4, "1,259"),
        (math.inf, "none"),
        (None, "-"),
    ],
)
def test_a_figure_has_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text
