"""The list of scenarios and the page that shows it: each names a test that is there."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from bootstrap_real.report import table as protocol_table
from scenarios.junit import Case, cases
from scenarios.page import (
    PAGE,
    MissingError,
    every,
    part,
    promise_table,
    publish,
    scenario_tables,
    seconds,
    without_seconds,
)
from scenarios.table import PROMISES, SCENARIOS, Scenario

TESTS = Path(__file__).parents[1]
ALL = tuple(every())


@cache
def functions(file: str) -> dict[str, set[str]]:
    """Return the tests of a file as pytest finds them, each with what its parameters are called."""
    assert Path(file).name.startswith("test_")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {
        found.name: {
            str(each.value)
            for decorator in found.decorator_list
            for each in ast.walk(decorator)
            if isinstance(each, ast.Constant)
        }
        for found in tree.body
        if isinstance(found, ast.FunctionDef) and found.name.startswith("test_")
    }


def check_exists(test: Scenario) -> None:
    found = functions(test.file)
    assert test.function in found
    assert not test.parameters or test.parameters in found[test.function]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_the_test_of_each_scenario_is_there(scenario: Scenario) -> None:
    check_exists(scenario)


@pytest.mark.parametrize("test", [test for promise in PROMISES for test in promise.tests])
def test_the_tests_of_each_promise_are_there(test: str) -> None:
    check_exists(Scenario("", "", test))


def test_there_are_more_than_sixty_scenarios_and_no_two_share_a_test_or_a_name() -> None:
    assert len(ALL) >= 60
    assert [test for test, count in Counter(scenario.test for scenario in ALL).items() if count > 1] == []
    for scenarios in SCENARIOS.values():
        assert len({scenario.name for scenario in scenarios}) == len(scenarios)


def test_the_page_has_each_scenario_and_each_promise_with_its_test_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    expected = scenario_tables(dict.fromkeys((scenario.test for scenario in ALL), 0.0))
    assert without_seconds(part(text, "scenarios")).strip() == without_seconds(expected).strip()
    assert part(text, "promises") == promise_table()


REPORT = """<testsuites><testsuite>
<testcase classname="tests.cluster.test_registry_faults" name="test_a_foreign_value[json]@cluster" time="1.5" />
<testcase classname="tests.bootstrap_real.test_outages" name="test_05_the_best_is_elected" time="46.4" />
<testcase classname="tests.bootstrap_real.test_first_start" name="test_01_one_is_elected[0]" time="22">
<failure /></testcase>
<testcase classname="tests.bootstrap_real.test_operations" name="test_a_backup" time="3"><skipped /></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "junit.xml"
    file.write_text(REPORT)
    return file


def test_a_report_of_pytest_is_read(report: Path) -> None:
    found = cases(report)
    assert found[0] == Case("cluster/test_registry_faults.py", "test_a_foreign_value", "json", 1.5, passed=True)
    assert [case.passed for case in found] == [True, True, False, False]
    assert found[2].sentence == "01 one is elected (0)"


def test_the_table_of_the_protocol_has_what_has_a_number_in_its_order(report: Path) -> None:
    assert protocol_table(cases(report)).splitlines()[2:] == [
        "| 1 | one is elected (0) | 22 | not passed |",
        "| 5 | the best is elected | 46 | passed |",
    ]


def whole_run(took: float) -> list[Case]:
    """A run in which all passed."""
    return [Case(scenario.file, scenario.function, scenario.parameters, took, passed=True) for scenario in ALL]


def test_of_several_cases_the_longest_counts_unless_one_is_named() -> None:
    named = next(scenario for scenario in ALL if scenario.parameters)
    whole = next(scenario for scenario in ALL if not scenario.parameters)
    more = [
        Case(named.file, named.function, "another", 9.0, passed=True),
        Case(whole.file, whole.function, "one", 7.0, passed=True),
    ]
    times = seconds([*whole_run(2.0), *more])
    assert (times[named.test], times[whole.test]) == (2.0, 7.0)


def test_of_two_runs_of_a_test_the_later_counts() -> None:
    first = ALL[0]
    failed = Case(first.file, first.function, first.parameters, 9.0, passed=False)
    assert seconds([failed, *whole_run(2.0)])[first.test] == 2.0
    with pytest.raises(MissingError):
        seconds([*whole_run(2.0), failed])


def test_a_run_that_lacks_a_test_or_failed_is_not_published(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    first, second, *rest = whole_run(1.0)
    failed = Case(second.file, second.function, second.parameters, 1.0, passed=False)
    with pytest.raises(MissingError) as caught:
        publish([failed, *rest], page)
    assert str(caught.value).splitlines() == [f"{ALL[0].test}: not run", f"{ALL[1].test}: did not pass"]
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    publish([first, second, *rest], page)
    assert " | 1 |\n" in part(page.read_text(encoding="utf-8"), "scenarios")


def test_a_page_without_marks_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Reliability\n")
    with pytest.raises(ValueError, match="no place for the promises"):
        publish(whole_run(1.0), page)
