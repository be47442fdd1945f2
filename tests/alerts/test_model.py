"""The model behind the stories: quorum, pages, and series as promtool reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import promtool
from alerts.clock import seconds, written
from alerts.cluster import Cluster
from alerts.mutations import plain, without_a_part
from alerts.series import Recorder, key
from alerts.story import Story
from galera_exporter.metrics.catalog import CATALOG


@pytest.fixture
def db(tmp_path: Path) -> Cluster:
    """A cluster of three, of whose story nobody asks promtool."""
    return Story("", tmp_path).cluster(3)


def primary(cluster: Cluster) -> list[str]:
    return [node.name for node in cluster.nodes if node.primary]


def page(cluster: Cluster, pod: str) -> dict[tuple[str, str], float]:
    """Return the samples of one pod by name and last label."""
    found = {}
    for (name, labels), value in cluster.page(frozenset(CATALOG)):
        known = dict(labels)
        own = [value for label, value in labels if label in {"status", "state", "node", "reason", "collector"}]
        if known["pod"] == pod:
            found[name, own[0] if own else ""] = value
    return found


def test_the_side_with_more_than_half_of_the_votes_stays_primary(db: Cluster) -> None:
    db.is_cut(["galera-0", "galera-1"], ["galera-2"])
    assert primary(db) == ["galera-0", "galera-1"]


def test_two_that_are_killed_at_once_leave_the_third_without_quorum(db: Cluster) -> None:
    db.kills("galera-0", "galera-1")
    assert primary(db) == []


def test_two_that_stop_in_order_leave_the_third_primary(db: Cluster) -> None:
    db.stops("galera-0", "galera-1")
    assert primary(db) == ["galera-2"]


def test_a_sidecar_whose_database_is_gone_says_unknown_and_keeps_its_numbers_to_itself(db: Cluster) -> None:
    db.kills("galera-2")
    found = page(db, "galera-2")
    assert found["galera_up", ""] == 0
    assert found["wsrep_cluster_status", "unknown"] == 1
    assert found["wsrep_cluster_status", "Primary"] == 0
    assert ("wsrep_last_committed", "") not in found


def test_every_sidecar_tells_of_every_node_in_the_registry(db: Cluster) -> None:
    page(db, "galera-0")
    db.kills("galera-2").world.reach("30s")
    found = page(db, "galera-0")
    assert (found["galera_etcd_key_present", "galera-1"], found["galera_etcd_key_present", "galera-2"]) == (1, 0)
    assert found["galera_etcd_key_age_seconds", "galera-2"] == 32


def test_a_pod_that_is_made_anew_has_another_address(db: Cluster) -> None:
    before = db["galera-2"].address
    db.deletes("galera-2").creates("galera-2")
    assert db["galera-2"].address not in {before, db["galera-0"].address, db["galera-1"].address}


@pytest.mark.skipif("debian" not in promtool.found(), reason="no promtool: apt-get install prometheus")
def test_promtool_reads_a_series_that_ends_and_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    series = key("x", {"pod": "galera-0"})
    recorder = Recorder()
    for page_of in ([(series, 1.0)], [(series, 1.0)], [], [], [(series, 2.5)]):
        recorder.take(page_of)
    (tmp_path / "rules.yaml").write_text("groups: []\n")

    def values(time: str, *samples: float) -> dict[str, object]:
        shown = [{"labels": 'x{pod="galera-0"}', "value": value} for value in samples]
        return {"expr": "x", "eval_time": time, "exp_samples": shown}

    checks = [values("0s", 1), values("15s", 1), values("30s"), values("45s"), values("1m", 2.5)]
    body = {"interval": "15s", "input_series": recorder.input_series(), "promql_expr_test": checks}
    test = {"evaluation_interval": "15s", "tests": [body]}
    assert promtool.run(promtool.found()["debian"], tmp_path, test, tmp_path / "rules.yaml") == ""


def test_a_story_cannot_go_back_in_time(db: Cluster) -> None:
    with pytest.raises(ValueError, match="10m"):
        db.at("20m").at("10m")


@pytest.mark.parametrize(("text", "number"), [("0s", 0), ("1h30m", 5400), ("15s", 15), ("1d", 86400)])
def test_times_are_written_as_prometheus_reads_them(text: str, number: int) -> None:
    assert (seconds(text), written(number)) == (number, text)


def test_a_mutant_lacks_one_operand_or_one_matcher() -> None:
    expression = """(
      # why
      a{b="1", c="2"} == 1 or d
    )
    unless on (e, f) g"""
    assert dict(without_a_part(plain(expression))) == {
        "drop: or d": '( a{b="1", c="2"} == 1  ) unless on (e, f) g',
        'drop: a{b="1", c="2"} == 1 or': "( d ) unless on (e, f) g",
        "drop: unless on (e, f) g": '( a{b="1", c="2"} == 1 or d )  ',
        'drop: a{b="1"}': '( a{c="2"} == 1 or d ) unless on (e, f) g',
        'drop: a{c="2"}': '( a{b="1"} == 1 or d ) unless on (e, f) g',
    }
