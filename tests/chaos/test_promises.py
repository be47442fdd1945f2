"""Each check finds what it is for in a history that is made up, and nothing in one without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerts_live.values import seconds, shortened
from chaos.due import FOR, SLACK, due
from chaos.faults import MEMBERS, PODS
from chaos.history import Beat, Component, Crash, Ending, Firing, Grant, History, Sample, Scrape, Span
from chaos.promises import BUSY, PROMISES, READINESS, SCRAPE_TIMEOUT, UNSERVED, broken

UUID = "6f1d2c3e-8c5b-11f0-9d7a-2b6c5d4e3f2a"
ALL = frozenset(PODS)
WHOLE = Component(UUID, "lab-1-0a1b2c3d", ALL)
NEWER = Component(UUID, "lab-2-4e5f6071", frozenset({"galera-1", "galera-2"}))
ENDING = Ending(60.0, 70.0, 240.0, {pod: frozenset() for pod in PODS}, {pod: {"ledger": 1} for pod in PODS})
CALM = History((), (), (), (), (), (), (), (), ENDING)


def seen(
    pod: str, component: Component | None, began: float, ended: float, *, serving: bool = True, status: str = "Primary"
) -> tuple[Sample, ...]:
    """Look at a node each half second."""
    looks = int((ended - began) / 0.5) + 1
    return tuple(Sample(pod, began + n * 0.5, began + n * 0.5 + 0.1, status, component, serving) for n in range(looks))


def names(history: History) -> list[str]:
    return [each.promise for each in broken(history)]


def of(**parts: Any) -> History:
    return replace(CALM, **parts)


def ending(**parts: Any) -> History:
    return of(ending=replace(ENDING, **parts))


def test_a_calm_history_breaks_nothing() -> None:
    whole = tuple(sample for pod in PODS for sample in seen(pod, WHOLE, 0, 60))
    assert names(of(samples=whole, scrapes=(Scrape("galera-0", 1, 0.1),), grants=(Grant(1, "a", "galera-0", 5),))) == []


@pytest.mark.parametrize(
    "other",
    [
        NEWER,
        replace(WHOLE, uuid="00000000-0000-0000-0000-000000000000"),
        replace(WHOLE, members=frozenset({"galera-1"})),
    ],
)
def test_two_nodes_that_serve_in_two_lineages_are_found(other: Component) -> None:
    one = replace(WHOLE, members=frozenset({"galera-0"})) if other.members == {"galera-1"} else WHOLE
    history = of(samples=(*seen("galera-0", one, 0, 10), *seen("galera-1", other, 5, 15)))
    assert names(history) == ["one lineage"]


def test_one_lineage_after_the_other_is_none_too_many() -> None:
    assert names(of(samples=(*seen("galera-0", WHOLE, 0, 10), *seen("galera-1", NEWER, 10.2, 20)))) == []


def test_views_of_one_component_that_follow_one_another_agree() -> None:
    smaller = replace(WHOLE, members=frozenset({"galera-1", "galera-2"}))
    assert names(of(samples=(*seen("galera-0", WHOLE, 0, 10), *seen("galera-1", smaller, 5, 15)))) == []


def test_a_single_look_at_another_lineage_proves_nothing() -> None:
    assert names(of(samples=(*seen("galera-0", WHOLE, 0, 10), *seen("galera-1", NEWER, 5, 5)))) == []


def test_what_was_not_looked_at_is_not_judged() -> None:
    frozen = (*seen("galera-0", WHOLE, 0, 3), *seen("galera-0", WHOLE, 30, 33))
    assert names(of(samples=(*frozen, *seen("galera-1", NEWER, 10, 20)))) == []


@pytest.mark.parametrize(("lasting", "found"), [(UNSERVED + 2, ["one component"]), (UNSERVED - 2, [])])
def test_a_second_component_that_serves_nobody_must_soon_end(lasting: float, found: Sequence[str]) -> None:
    alone = replace(NEWER, members=frozenset({"galera-1"}))
    history = of(samples=(*seen("galera-0", WHOLE, 0, 30), *seen("galera-1", alone, 5, 5 + lasting, serving=False)))
    assert names(history) == found


def test_a_lost_row_is_found() -> None:
    assert names(ending(missing={"galera-0": frozenset(), "galera-1": frozenset({17})})) == ["no row lost"]


def test_data_that_differ_are_found() -> None:
    assert names(ending(data={"galera-0": {"ledger": 1}, "galera-1": {"ledger": 2}})) == ["equal data"]
    assert names(ending(data={"galera-0": {"ledger": 1}, "galera-1": {}})) == ["equal data"]


def test_an_epoch_that_was_given_out_twice_is_found() -> None:
    twice = (Grant(1, "a", "galera-0", 5), Grant(2, "b", "galera-1", 90), Grant(2, "c", "galera-2", 95))
    assert names(of(grants=twice)) == ["one grant"]
    assert names(of(grants=(*twice[:2], replace(twice[1], revision=91)))) == []
    forgotten = (twice[0], replace(twice[1], forgotten=True), twice[2])
    assert names(of(grants=forgotten)) == []
    assert names(of(grants=(forgotten[0], replace(forgotten[1], primary=True), forgotten[2]))) == ["one grant"]


def test_a_scrape_that_fails_or_is_late_is_found() -> None:
    assert names(of(scrapes=(Scrape("galera-0", 30, 0.1, "Connection refused"),))) == ["metrics answer"]
    assert names(of(scrapes=(Scrape("galera-0", 30, SCRAPE_TIMEOUT + 0.5),))) == ["metrics answer"]


def test_a_sidecar_that_does_not_run_or_has_just_begun_need_not_answer() -> None:
    failed = of(scrapes=(Scrape("galera-0", 30, 0.1, "Connection refused"),))
    for span in (Span("galera-0 sidecar", 25, 31), Span("galera-0 sidecar", 20, 25)):
        assert names(replace(failed, spans=(span,))) == []
    for span in (Span("galera-1 sidecar", 25, 31), Span("galera-0 database", 25, 31), Span("galera-0 sidecar", 1, 9)):
        assert names(replace(failed, spans=(span,))) == ["metrics answer"]


@pytest.mark.parametrize(("took", "found"), [(BUSY + 0.1, []), (BUSY - 0.01, ["metrics answer"])])
def test_a_late_scrape_is_judged_only_where_the_machine_has_time(took: float, found: Sequence[str]) -> None:
    late = of(scrapes=(Scrape("galera-0", 30, SCRAPE_TIMEOUT + 0.5),))
    assert names(replace(late, beats=(Beat(32, 32 + took),))) == found
    assert names(replace(late, beats=(Beat(50, 50 + took),))) == ["metrics answer"]


def test_a_sidecar_that_ends_by_itself_is_found() -> None:
    assert names(of(crashes=(Crash("galera-2 sidecar", 12, 1),))) == ["sidecar lives"]
    assert names(of(crashes=(Crash("etcd-1 process", 12, 1),))) == []


@pytest.mark.parametrize(("lasting", "found"), [(READINESS + 1, ["readiness"]), (READINESS - 1, [])])
def test_a_node_that_is_not_primary_and_says_that_it_serves_is_found(lasting: float, found: Sequence[str]) -> None:
    history = of(samples=seen("galera-0", None, 10, 10 + lasting, status="non-Primary"))
    assert names(history) == found


def test_a_node_that_was_frozen_is_judged_from_then_on() -> None:
    wrong = seen("galera-0", None, 10, 10 + READINESS + 1, status="non-Primary")
    assert names(of(samples=wrong, spans=(Span("galera-0 sidecar", 11, 13),))) == []


def test_a_node_whose_database_does_not_answer_is_not_known_to_be_anything() -> None:
    assert names(of(samples=seen("galera-0", None, 10, 30, status=""))) == []


def test_an_alert_that_was_due_and_did_not_fire_is_found() -> None:
    late = FOR["GaleraExporterDown"] + SLACK
    history = of(spans=(Span("galera-1 sidecar", 10, 11 + late),))
    assert names(history) == ["alerts fire"]
    fired = Firing("GaleraExporterDown", "warning", "galera-1", 24, 60)
    assert names(replace(history, firings=(fired,))) == []
    assert names(replace(history, firings=(replace(fired, pod="galera-0"),))) == ["alerts fire"]
    assert names(replace(history, firings=(replace(fired, began=1, ended=5),))) == ["alerts fire"]


def test_what_was_broken_for_a_short_time_makes_no_alert_due() -> None:
    assert due(of(spans=(Span("galera-1 sidecar", 10, 9 + FOR["GaleraExporterDown"] + SLACK),))) == []


def test_two_members_of_etcd_that_are_down_together_make_its_alert_due() -> None:
    one, other = Span("etcd-0 process", 0, 40), Span("etcd-1 process", 15, 55)
    assert [each.name for each in due(of(spans=(one, other)))] == ["GaleraEtcdInsufficientMembers"]
    assert due(of(spans=(one, replace(other, began=30)))) == []
    assert due(of(spans=(one, replace(other, what="etcd-0 process")))) == []


def test_a_database_that_hangs_while_others_serve_makes_its_alert_due() -> None:
    hung = Span("galera-0 database", 10, 50)
    others = tuple(sample for pod in PODS[1:] for sample in seen(pod, WHOLE, 0, 60))
    assert [(each.name, each.pod) for each in due(of(spans=(hung,), samples=others))] == [
        ("GaleraNodeDown", "galera-0")
    ]
    with_its_sidecar = (hung, Span("galera-0 sidecar", 10, 20))
    assert due(of(spans=with_its_sidecar, samples=others)) == []


def test_a_cluster_without_a_primary_node_makes_its_alert_due() -> None:
    lost = (*seen("galera-0", WHOLE, 0, 10), *seen("galera-0", None, 11, 45, status="non-Primary"))
    assert [each.name for each in due(of(samples=lost))] == ["GaleraClusterNoPrimary"]
    nobody_to_tell = tuple(Span(f"{pod} sidecar", 12, 30) for pod in PODS)
    assert "GaleraClusterNoPrimary" not in [each.name for each in due(of(samples=lost, spans=nobody_to_tell))]


def test_the_times_of_the_alerts_are_those_of_the_shortened_rules() -> None:
    rules = shortened()["metrics"]["prometheusRule"]["rules"]
    shipped = {name: min(seconds(level["for"]) for level in rules[name].values() if "for" in level) for name in FOR}
    assert shipped == FOR
    assert len(MEMBERS) == len(PODS) == 3


def test_an_alert_that_fires_in_the_end_is_found() -> None:
    assert names(ending(firing=("GaleraNodeDown galera-1",))) == ["alerts end"]


def test_a_cluster_that_does_not_serve_again_is_found() -> None:
    assert names(ending(served=None, missing={}, data={}, reasons={"galera-0": "waits: missing"})) == ["serves again"]


def test_every_promise_has_a_history_here_that_breaks_it() -> None:
    text = Path(__file__).read_text()
    assert all(f'["{promise.name}"]' in text for promise in PROMISES)
