"""The figures of a run, and the table of runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.faults import Fault, Kind
from chaos.history import Beat, Crash, Ending, Firing, Grant, History, Outcome, Scrape
from chaos.promises import Broken
from chaos.report import outages, row, summary, table, write
from chaos.run import Result, _unbroken
from chaos.schedule import Schedule

FAULT = Fault(Kind.LOSS, ("etcd-0",), 3.0, 5.0, 20)
HISTORY = History(
    outcomes=(
        Outcome(FAULT, 3.0, 8.1, ("31 packets were taken",)),
        Outcome(FAULT, 20.0, 25.0, ()),
        Outcome(FAULT, 30.0, 30.1, (), withheld="it would be a loss"),
    ),
    samples=(),
    scrapes=(Scrape("galera-0", 5, 5.4),),
    spans=(),
    crashes=(Crash("etcd-1 process", 9.0, 1),),
    grants=(Grant(1, "token", "galera-0", 5),),
    firings=(Firing("GaleraNodeDown", "warning", "galera-1", 12, 20),),
    acknowledged=(0.5, 1.0, 3.5, 4.0, 10.0),
    ending=Ending(60.0, 72.0, 240.0, {"galera-0": frozenset({1}), "galera-1": frozenset()}),
    beats=(Beat(5, 6), Beat(8, 8.01)),
)
RESULT = Result(Schedule(9, 60, (FAULT,)), HISTORY, (Broken("no row lost", 60.0, "galera-0 lacks 1 row"),), 99.0)


def test_an_outage_is_a_time_without_an_acknowledged_row() -> None:
    assert outages(HISTORY) == [(1.0, 3.5), (4.0, 10.0)]


def test_the_figures_of_a_run_are_those_of_its_history() -> None:
    figures = summary(RESULT)
    assert (figures["faults"], figures["effective"], figures["withheld"]) == (3, 1, 1)
    assert (figures["outage_seconds"], figures["longest_outage_seconds"]) == (8.5, 6.0)
    assert (figures["back_seconds"], figures["lost"], figures["broken"]) == (12.0, 1, ["no row lost"])
    assert (figures["scrapes_not_judged"], figures["busy_share"]) == (1, 0.5)


def test_of_a_cluster_that_did_not_come_back_it_is_not_known_what_is_lost() -> None:
    never = replace(RESULT, history=replace(HISTORY, ending=replace(HISTORY.ending, served=None, missing={})))
    assert "| never |" in row(summary(never))
    assert "| not known |" in row(summary(never))


def test_the_report_says_of_each_fault_how_it_was_seen(tmp_path: Path) -> None:
    write(RESULT, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| 3.0 | 8.1 | packet loss at a host: etcd-0, 20% | 31 packets were taken |" in text
    assert "| none was seen |" in text
    assert "| withheld: it would be a loss |" in text
    assert "- 60.0 s, no row lost: galera-0 lacks 1 row" in text
    assert json.loads((tmp_path / "report.json").read_text())["grants"] == [[1, "token", "galera-0", 5]]


def test_the_table_has_a_row_for_each_run_by_seed() -> None:
    rows = table([{**summary(RESULT), "seed": seed} for seed in (12, 4)])[2:]
    assert [line.split(" | ")[0] for line in rows] == ["| 4", "| 12"]


@pytest.mark.parametrize(
    ("moments", "found"),
    [([], []), ([1, 2, 3], [(1, 3)]), ([1, 2, 5, 6], [(1, 2), (5, 6)])],
)
def test_moments_in_a_row_are_one_firing(moments: list[float], found: list[tuple[float, float]]) -> None:
    assert _unbroken(moments) == found
