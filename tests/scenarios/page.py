"""The tables of docs/reliability.md, between its marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from scenarios.junit import Case
from scenarios.table import PROMISES, SCENARIOS, Promise, Scenario

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"
_MARKS: Final = "<!-- {0}: begin -->\n", "<!-- {0}: end -->"


class MissingError(Exception):
    """Tests of the list that a run does not have, or that did not pass; each with what is wrong."""


def seconds(found: Iterable[Case]) -> dict[str, float]:
    """Return how long the test of each scenario took; of one with several cases, the longest.

    Of a case that was run twice the later run counts.

    Raises:
        MissingError: a test was not run, or did not pass.
    """
    ran: dict[tuple[str, str], dict[str, Case]] = {}
    for case in found:
        ran.setdefault((case.file, case.function), {})[case.parameters] = case
    times, faults = {}, []
    for scenario in every():
        chosen = [
            case
            for case in ran.get((scenario.file, scenario.function), {}).values()
            if scenario.parameters in ("", case.parameters)
        ]
        if not chosen:
            faults.append(f"{scenario.test}: not run")
        elif not all(case.passed for case in chosen):
            faults.append(f"{scenario.test}: did not pass")
        else:
            times[scenario.test] = max(case.seconds for case in chosen)
    if faults:
        raise MissingError("\n".join(faults))
    return times


def every() -> Iterable[Scenario]:
    """Return the scenarios of all areas, in the order of the page."""
    return (scenario for area in SCENARIOS.values() for scenario in area)


def scenario_tables(times: Mapping[str, float]) -> str:
    """Return a headed table for each area, with the seconds of each test; the rows are counted through."""
    parts, number = [], 0
    for area, scenarios in SCENARIOS.items():
        parts.append(
            f"### {area}\n\n| # | scenario | what is promised | test | seconds |\n| ---: | --- | --- | --- | ---: |"
        )
        for scenario in scenarios:
            number += 1
            took = times[scenario.test]
            cells = (
                str(number),
                scenario.name,
                scenario.promise,
                link(scenario.test),
                f"{took:.0f}" if took >= 1 else "< 1",
            )
            parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def promise_table(promises: Sequence[Promise] = PROMISES) -> str:
    """Return the promises with the tests that show each."""
    head = "| promise | shown by |\n| --- | --- |\n"
    return head + "".join(f"| {each.text} | {'; '.join(map(link, each.tests))} |\n" for each in promises)


def link(test: str) -> str:
    """Return the name of a test in words, leading to its file."""
    file, _, name = test.partition("::")
    function, _, parameters = name.partition("[")
    words = function.removeprefix("test_").replace("_", " ")
    case = f" ({parameters.removesuffix(']')})" if parameters else ""
    return f"[{words}{case}](../tests/{file})"


def without_seconds(text: str) -> str:
    """Return tables with the last cell of each row of a scenario left out: what does not depend on a run."""
    return re.sub(r" \| (?:\d+|< 1) \|$", " |", text, flags=re.MULTILINE)


def part(text: str, name: str) -> str:
    """Return what stands between two marks of a page.

    Raises:
        ValueError: the marks are not there.
    """
    begin, end = (mark.format(name) for mark in _MARKS)
    _, found, rest = text.partition(begin)
    inside, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place for the {name}: put {begin.strip()} and {end} there")
    return inside.strip("\n") + "\n"


def replaced(text: str, name: str, table: str) -> str:
    """Return a page with a table between two of its marks."""
    begin, end = (mark.format(name) for mark in _MARKS)
    part(text, name)  # raises where they are not there
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{table.strip()}\n\n{end}{after}"


def publish(found: Iterable[Case], page: Path = PAGE) -> None:
    """Write both tables, with the seconds of a run."""
    text = replaced(page.read_text(encoding="utf-8"), "promises", promise_table())
    page.write_text(replaced(text, "scenarios", scenario_tables(seconds(found))), encoding="utf-8")
