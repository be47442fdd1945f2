"""Prints scenario, test and seconds as Markdown, from what pytest --junit-xml=FILE wrote: for docs/protocol.md.

Run as ``PYTHONPATH=tests python -m bootstrap_real.report FILE``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from scenarios.junit import Case, cases

_NUMBERED = re.compile(r"test_(\d+)_")


def table(found: Iterable[Case]) -> str:
    """Return the tests of this folder that have a scenario's number, as a Markdown table by that number."""
    numbered = sorted(
        (int(number[1]), case.sentence.removeprefix(f"{number[1]} "), case)
        for case in found
        if case.file.startswith("bootstrap_real/") and (number := _NUMBERED.match(case.function))
    )
    rows = [
        f"| {number} | {sentence} | {case.seconds:.0f} | {'passed' if case.passed else 'not passed'} |"
        for number, sentence, case in numbered
    ]
    return "\n".join(["| # | test | seconds | result |", "| ---: | --- | ---: | --- |", *rows])


if __name__ == "__main__":
    print(table(cases(Path(sys.argv[1]))))
