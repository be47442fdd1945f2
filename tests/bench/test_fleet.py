"""A fleet as Prometheus sees it, and the rules over it in a real Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench import rules
from bench.fleet import DOWN_AT, RULES, STEP, Fleet, Needs, Sources
from lab import Trio


def test_what_rules_read_is_found_with_the_longest_time_that_they_look_back(tmp_path: Path) -> None:
    exprs = (
        '# galera_not_this[9h]\nmax by (pod) (galera_up) > on (pod) group_left () wsrep_ready{a="b"}',
        'rate(wsrep_x_total{a="b"}[5m]) and galera_node:serving offset 30m and max_over_time(wsrep_x_total[1h])',
    )
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"rules": [{"expr": expr} for expr in exprs]}]}))
    needs = Needs.read(file)
    assert needs.names == {"galera_up", "wsrep_ready", "wsrep_x_total"}
    assert needs.windows == {"wsrep_x_total": 3600, "galera_node:serving": 1800}


UP = "galera_up 1\nwsrep_last_committed 3\nwsrep_thread_count 9\ngalera_sst_in_progress 0\n"
PAGES = Sources(healthy=UP, survivor=UP, down="galera_up 0\n", etcd="etcd_server_has_leader 1\n")


def test_a_fleet_has_each_series_that_rules_read_once_for_each_node_and_no_other() -> None:
    needs = Needs(frozenset({"galera_up", "wsrep_last_committed", "etcd_server_has_leader"}), {})
    text = Fleet(DOWN_AT + 1, PAGES, needs).page(0, 10).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len({(name, *sorted(labels.items())) for name, labels, *_ in samples}) == len(samples), "none is there twice"
    up = [sample for sample in samples if sample.name == "galera_up"]
    assert len(up) == 3 * (DOWN_AT + 1)
    assert [sample.labels["pod"] for sample in up if sample.value == 0] == ["galera-0"], "of the one degraded cluster"
    assert sum(sample.name == "etcd_server_has_leader" for sample in samples) == 3 * (DOWN_AT + 1)
    assert not any(sample.name == "wsrep_thread_count" for sample in samples)
    written = {sample.value for sample in samples if sample.name == "wsrep_last_committed"}
    assert written == {1_000_000 + 100 * 10}


def test_history_goes_back_as_far_as_rules_look() -> None:
    windows = {"wsrep_last_committed": 10_800, "galera_sst_in_progress": 600, "galera_cluster:nodes_primary:sum": 60}
    fleet = Fleet(2, PAGES, Needs(frozenset(windows), windows))
    old, recent = ([*fleet.history(1_000_000, begin, end)] for begin, end in ((10_800, 3000), (3000, 0)))
    lines = [*old, *recent]
    for name, seconds in windows.items():
        of_one = 1 if ":" in name else 3
        assert sum(line.startswith(f"{name}{{") for line in lines) == 2 * of_one * seconds / STEP
    times = [int(line.rsplit(" ", 1)[1]) / 1000 for line in lines]
    assert (min(times), max(times)) == (1_000_000 - 10_800, 1_000_000 - STEP)
    assert all(line.startswith("wsrep_last_committed{") for line in old)


def test_prometheus_evaluates_all_rules_over_a_small_fleet_and_sees_the_node_that_is_down(
    cluster: Trio, tmp_path: Path
) -> None:
    survivor, _, dead = cluster.sidecars
    healthy = survivor.get()
    dead.node.kill()
    sources = Sources.take(healthy, survivor, dead, cluster.etcd.endpoints[0])
    said: list[str] = []
    one = rules.measure(tmp_path / "1", 1, sources, said.append, rounds=2)
    ten = rules.measure(tmp_path / "10", 10, sources, said.append, rounds=2)
    assert one.alerts == {}, "all is well in it"
    assert ten.alerts.keys() >= {"GaleraNodeDown"}
    assert ten.alerts["GaleraNodeDown"] == 1
    assert ten.series > 9 * one.series
    for measured in (one, ten):
        assert len(measured.rounds) == 2
        assert all(0 < each.seconds < 5 for each in measured.rounds)
        assert len(measured.rounds[0].rules) == RULES.read_text().count("expr:")
    assert any("10 clusters" in words for words in said)
