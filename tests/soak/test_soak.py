"""A run is judged by what it holds in the end, and a short one on real servers comes through."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab import Trio
from soak.plot import plot
from soak.run import Plan, Soak
from soak.samples import Log, Sample, changes, read
from soak.scraper import Scrapes
from soak.troubles import ALL, Trouble, schedule
from soak.verdict import faults, table

CALM = Sample(0, "galera-0", 36.0, 8, 9, 1, 3, 0.5)
FINE = {"galera-0": Scrapes(pages=600)}


def run(last: Sample = CALM) -> list[Sample]:
    """Ten minutes, a sample each 5 s; the last minute is as ``last`` says."""
    return [replace(last if moment >= 540 else CALM, seconds=float(moment)) for moment in range(0, 601, 5)]


def verdict(samples: list[Sample], scrapes: Scrapes = FINE["galera-0"]) -> list[str]:
    return list(faults(changes(samples, 60, 60), {"galera-0": scrapes}))


def test_a_run_in_which_nothing_changes_has_no_fault() -> None:
    assert verdict(run()) == []


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (replace(CALM, resident=38.0), "memory grew by 2.00 MiB, from 36.00 to 38.00"),
        (replace(CALM, threads=9), "threads went from 8 to 9"),
        (replace(CALM, descriptors=12), "descriptors went from 9 to 12"),
        (replace(CALM, connections=0), "connections went from 1 to 0"),
        (replace(CALM, leases=4), "leases went from 3 to 4"),
    ],
)
def test_what_grew_is_named_with_both_figures(last: Sample, words: str) -> None:
    assert verdict(run(last)) == [f"galera-0: {words}"]


def test_a_peak_within_the_run_and_less_memory_than_allowed_are_no_growth() -> None:
    samples = run(replace(CALM, resident=37.9))
    samples[60] = replace(samples[60], resident=60.0, descriptors=40)
    assert verdict(samples) == []
    resident, _, descriptors, *_ = changes(samples, 60, 60)
    assert (resident.most, descriptors.most) == (60, 40)


@pytest.mark.parametrize(
    ("scrapes", "words"),
    [
        (Scrapes(pages=10, failed=2, words="refused"), "2 scrapes failed, the last with: refused"),
        (Scrapes(pages=10, late=1, slowest=5.5), "1 scrapes came after their deadline, the slowest after 5.50 s"),
        (Scrapes(), "no page came"),
    ],
)
def test_scrapes_that_did_not_come_are_faults(scrapes: Scrapes, words: str) -> None:
    assert verdict(run(), scrapes) == [f"galera-0: {words}"]


def test_a_run_that_is_too_short_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="600 s are too few: 60 s to warm up, and twice 300 s to compare"):
        list(changes(run(), 60, 300))


def test_samples_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    samples = [CALM, replace(CALM, seconds=5.0, node="galera-1", resident=36.125)]
    with (tmp_path / "samples.csv").open("w", newline="") as file:
        log = Log(file)
        for sample in samples:
            log.add(sample)
    assert read(tmp_path / "samples.csv") == samples


def test_the_plot_has_a_line_for_each_sidecar_and_a_mark_for_each_trouble() -> None:
    samples = [*run(), *(replace(sample, node="galera-1") for sample in run())]
    picture = ET.fromstring(plot(samples, [(60.0, "a & b")], 60))  # noqa: S314 - it was written right here
    space = {"svg": "http://www.w3.org/2000/svg"}
    lines = picture.findall("svg:polyline", space)
    assert [len(line.attrib["points"].split()) for line in lines] == [121, 121]
    assert [title.text for title in picture.findall("svg:line/svg:title", space)] == ["a & b"]


def test_the_table_has_each_figure_of_each_sidecar() -> None:
    rows = table(list(changes(run(), 60, 60)), FINE, {"galera-0": 0.5}).splitlines()
    assert rows[0] == "|  | galera-0 |"
    assert "| growth, MiB | +0.00 |" in rows
    assert "| leases: first, last (least to most) | 3, 3 (3 to 3) |" in rows


def test_each_trouble_befalls_each_node_in_its_turn() -> None:
    troubles = schedule()
    first = [next(troubles) for _ in range(3 * len(ALL))]
    assert {(trouble, turn % 3) for trouble, turn in first} == {(trouble, node) for trouble in ALL for node in range(3)}


@pytest.mark.parametrize("trouble", ALL, ids=lambda trouble: trouble.__name__)
def test_a_trouble_takes_effect_and_is_over(cluster: Trio, trouble: Trouble) -> None:
    words = trouble(cluster, 1)
    cluster.wait_healthy()
    assert re.search(r"etcd|galera-1", words)


def test_a_run_on_real_servers_samples_scrapes_and_reports(cluster: Trio, tmp_path: Path) -> None:
    """Whether anything grows is for the hours of `make soak`.

    A moment at which a server is away has no sample: the stretches leave room for a few of those.
    """
    told: list[str] = []
    Soak(cluster, tmp_path, Plan(seconds=60, warm_up=0, every=10, stretch=20), told.append).run()
    report = (tmp_path / "report.md").read_text()
    assert "went wrong" not in report
    assert "scrapes failed" not in report
    assert "etcd's leader was" in report
    assert told
    samples = read(tmp_path / "samples.csv")
    assert {sample.node for sample in samples} == {pod.name for pod in cluster.pods}
    assert all(sample.resident > 10 and sample.threads > 1 and sample.descriptors > 3 for sample in samples)
    ET.parse(tmp_path / "soak.svg")  # noqa: S314 - it was written by the run
