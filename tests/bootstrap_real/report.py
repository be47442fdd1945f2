"""Prints scenario, test and seconds as Markdown, from what pytest --junit-xml=FILE wrote: for docs/protocol.md.

Run as ``PYTHONPATH=tests python -m bootstrap_real.report FILE``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """A test of one scenario, and how long it took."""

    scenario: int
    sentence: str
    seconds: float
    passed: bool


def rows(report: Path) -> Iterator[Row]:
    """Yield the tests of this folder that a report has."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        found = re.fullmatch(r"test_(\d+)_(\w+)(?:\[(.*)\])?", case.get("name", ""))
        if found is None or "bootstrap_real" not in case.get("classname", ""):
            continue
        number, words, parameters = found.groups()
        sentence = words.replace("_", " ") + (f" ({parameters})" if parameters else "")
        passed = case.find("failure") is None and case.find("error") is None and case.find("skipped") is None
        yield Row(int(number), sentence, float(case.get("time", "0")), passed)


def table(found: list[Row]) -> str:
    """Return a Markdown table, by scenario."""
    head = ["| # | test | seconds | result |", "| ---: | --- | ---: | --- |"]
    return "\n".join(
        [
            *head,
            *(
                f"| {row.scenario} | {row.sentence} | {row.seconds:.0f} | {'passed' if row.passed else 'not passed'} |"
                for row in sorted(found)
            ),
        ]
    )


if __name__ == "__main__":
    print(table(list(rows(Path(sys.argv[1])))))
