"""The queries, as far as they can be judged without a server: grafana/dashboard-linter's rules, and ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.test_rules import ELSEWHERE, RECORDING, TARGET, documented
from dashboards import test_files
from dashboards.files import DOCUMENTS, all_panels, expressions

EXPRESSIONS = dict(expressions())
RECORDED = {row["record"] for row in RECORDING}
OF_ALERTS = {
    "ALERTS": {"alertname", "alertstate", "severity", "pod"},
    "ALERTS_FOR_STATE": {"alertname", "severity", "pod"},
}
"""What Prometheus keeps of alerts."""
OF_OTHERS: dict[str, set[str]] = {
    "etcd_server_proposals_pending": set(),
    "etcd_server_proposals_failed_total": set(),
    "scrape_duration_seconds": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
}
"""etcd's, Prometheus' own, and the client library's."""
OF_THE_OBSERVER = re.compile(r"galera_(observer|kube)_\w+")
"""Of Kubernetes: docs/metrics.md has them where the observer is."""
WINDOWS = {
    "[6h]": "memory of GaleraClusterNoPrimary and GaleraDownNodeNeedsSst",
    "[30m]": "window of GaleraIstWindowShort: whether a cache is young",
    "[15m]": "window of GaleraClusterMembershipFlapping and of GaleraEtcdHighNumberOfLeaderChanges",
    "[$__range]": "a number of the whole time that is shown",
}
"""Windows other than $__rate_interval, with the reason."""
COUNTERS = {
    "galera-registry: Keys that vanished A": "a handful in a year: as they are counted, for increase() makes 1.3 of 1",
    "galera-recovery: Decisions A": "as above",
}
"""Counters that are shown as they are, with the reason."""
LINTER = {
    "template-datasource-rule": "test_files: test_variables",
    "template-job-rule": "exception: a target is chosen by namespace, galera_cluster and pod, which the alerts need as "
    "well; a job would be a fourth name for it, and differs with each way of scraping",
    "template-instance-rule": "exception: a node is its pod; an instance is an address, and a new pod has another",
    "template-label-promql-rule": "test_queries_are_promql",
    "template-on-time-change-reload-rule": "test_files: test_variables",
    "panel-datasource-rule": "test_files: test_no_data_source_is_named",
    "panel-title-description-rule": "test_files: test_every_panel_has_a_title_a_description_and_a_unit",
    "panel-units-rule": "test_files: test_every_panel_has_a_title_a_description_and_a_unit",
    "panel-no-targets-rule": "test_every_panel_asks_something",
    "target-promql-rule": "test_queries_are_promql",
    "target-rate-interval-rule": "test_a_rate_is_over_grafanas_own_interval_or_a_window_that_an_alert_has",
    "target-job-rule": "exception: see template-job-rule; what is required instead is in "
    "test_every_selector_chooses_namespace_and_cluster_and_an_existing_metric_by_labels_that_it_has",
    "target-instance-rule": "exception: see template-instance-rule",
    "target-counter-agg-rule": "test_a_counter_is_a_rate",
    "uneditable-dashboard": "test_files: test_identity",
}
"""The rules of grafana/dashboard-linter, by where they are kept, or why not."""


def test_each_rule_of_the_linter_is_kept_or_has_a_reason() -> None:
    for rule, kept in LINTER.items():
        if kept.startswith("exception: "):
            assert len(kept) > 30, rule
            continue
        module, _, name = kept.rpartition(": ")
        assert callable(getattr(test_files if module else sys.modules[__name__], name)), rule


def test_queries_are_promql(tmp_path: Path) -> None:
    asked = dict(EXPRESSIONS)
    for document in DOCUMENTS.values():
        for variable in document["templating"]["list"]:
            if variable["type"] == "query":
                asked[f"{document['uid']}: {variable['name']}"] = re.sub(
                    r"label_values\((.*), \w+\)", r"\1", variable["query"]["query"]
                )
    rules = [
        {"record": "asked", "expr": re.sub(r"\$__\w+", "5m", expression), "labels": {"by": name}}
        for name, expression in asked.items()
    ]
    file = tmp_path / "asked.yaml"
    file.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))  # JSON is YAML too
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=none", file], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(asked)} rules found" in done.stdout


def test_every_panel_asks_something() -> None:
    assert {panel["type"] for _, panel in all_panels() if not panel.get("targets")} == {"text"}


def test_a_counter_is_a_rate() -> None:
    plain = set()
    for name, expression in EXPRESSIONS.items():
        before = re.findall(r"(\S*?)\(?\w+_(?:total|bucket)\{", expression)
        if any(call not in {"rate", "(rate", "increase", "(increase"} for call in before):
            plain.add(name)
    assert plain == set(COUNTERS)


def labels_of(metric: str) -> set[str] | frozenset[str]:
    """Return the labels that a metric has beside its target's; raises KeyError where there is no such metric."""
    if metric in RECORDED:
        return frozenset()
    for known in (OF_ALERTS, OF_OTHERS, ELSEWHERE):
        if metric in known:
            return known[metric]
    return documented()[metric][0]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_rate_is_over_grafanas_own_interval_or_a_window_that_an_alert_has(name: str) -> None:
    windows = set(re.findall(r"\[[^\]]*\]", EXPRESSIONS[name]))
    assert windows <= {"[$__rate_interval]", *WINDOWS}
    rates = re.findall(r"\b(?:rate|irate)\([^\[]*(\[[^\]]*\])", EXPRESSIONS[name])
    assert set(rates) <= {"[$__rate_interval]"}


def test_every_window_that_is_allowed_is_used() -> None:
    used = {window for expression in EXPRESSIONS.values() for window in re.findall(r"\[[^\]]*\]", expression)}
    assert used == {"[$__rate_interval]", *WINDOWS}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_selector_chooses_namespace_and_cluster_and_an_existing_metric_by_labels_that_it_has(name: str) -> None:
    chosen = re.findall(r"([a-zA-Z_:][\w:]*)?\{([^}]*)\}", EXPRESSIONS[name])
    assert chosen
    for metric, matchers in chosen:
        labels = dict(re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', matchers))
        assert labels["namespace"] == "$namespace", (metric, matchers)
        assert labels["galera_cluster"] == "$galera_cluster", (metric, matchers)
        if not metric:
            assert labels["__name__"].startswith("galera_config_("), "only options are chosen by a part of their name"
            continue
        if OF_THE_OBSERVER.fullmatch(metric):
            continue
        assert set(labels) <= TARGET | labels_of(metric), (metric, matchers)
        if metric in documented() and documented()[metric][1]:
            last = [value for label, value in labels.items() if label not in TARGET | {"node", "le"}]
            assert {each for value in last for each in value.split("|")} <= documented()[metric][1], (metric, matchers)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_no_metric_is_without_matchers(name: str) -> None:
    """It would be of all clusters."""
    text = re.sub(r'"[^"]*"', '""', EXPRESSIONS[name])
    text = re.sub(r"\{[^}]*\}", "{}", text)
    text = re.sub(r"\b(by|on|group_left|group_right) \([^)]*\)", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    bare = set(re.findall(r"(?<![\w:])[a-zA-Z_:][\w:]*(?![\w:])(?!\s*[({])", text))
    assert bare <= {"and", "or", "unless", "bool", "inf"}


def test_options_are_all_options_that_there_are() -> None:
    shown = set()
    for expression in EXPRESSIONS.values():
        for names in re.findall(r'__name__=~"galera_config_\(([\w|]+)\)"', expression):
            shown |= set(names.split("|"))
    assert shown == {name.removeprefix("galera_config_") for name in documented() if name.startswith("galera_config_")}


def test_names_of_series_use_labels_that_the_query_keeps() -> None:
    for uid, panel in all_panels():
        for target in panel.get("targets", ()):
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", target["expr"]))))
            kept |= set(
                re.findall(r'(?:label_replace\(.*?, "|count_values by \([^)]*\) \(")(\w+)"', target["expr"], re.DOTALL)
            )
            kept |= {"pod", "namespace", "galera_cluster"}  # what recorded series have
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert used <= kept, (uid, panel["title"])


def test_the_values_of_tables_and_tiles_are_of_one_moment() -> None:
    for uid, panel in all_panels():
        for target in panel.get("targets", ()):
            of_now = panel["type"] in {"table", "stat", "bargauge"}
            assert target["instant"] is of_now, (uid, panel["title"])
            assert target["range"] is not of_now, (uid, panel["title"])
            assert (target["format"] == "table") is (panel["type"] == "table"), (uid, panel["title"])


def test_there_is_a_row_for_kubernetes_that_asks_nothing_before_it_is_opened() -> None:
    folded = {
        (uid, panel["title"]): panel
        for uid, document in DOCUMENTS.items()
        for panel in document["panels"]
        if panel["type"] == "row" and panel["collapsed"]
    }
    assert list(folded) == [("galera-registry", "Kubernetes (with the observer)")]
    inside = folded["galera-registry", "Kubernetes (with the observer)"]["panels"]
    assert all(panel["description"].startswith("Needs the observer. ") for panel in inside)
    asked = {name for name, expression in EXPRESSIONS.items() if OF_THE_OBSERVER.search(expression)}
    assert {name.split(": ")[1].rsplit(" ", 1)[0] for name in asked} == {panel["title"] for panel in inside}
