"""Which parts of the benchmark run."""

from __future__ import annotations

import pytest

from bench.__main__ import PARTS, chosen


@pytest.mark.parametrize(
    ("named", "quick", "parts"),
    [
        ((), False, [*PARTS]),
        ((), True, ["exporters", "rules"]),
        (("growth",), False, ["growth"]),
        (("detection", "growth"), True, ["growth", "detection"]),
    ],
    ids=["all", "a first look", "one", "two, shorter"],
)
def test_all_parts_run_unless_some_are_named_or_it_shall_be_quick(
    named: tuple[str, ...],
    quick: bool,  # noqa: FBT001 - a parameter of the table above
    parts: list[str],
) -> None:
    assert chosen(named, quick=quick) == parts
