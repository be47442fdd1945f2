"""The sources of the alerts: whole, readable, and made of metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import helm
from galera_exporter.bootstrap.words import WORDS

ALERTS = helm.ROOT / "alerts"
RULES = ALERTS / "prometheus" / "galera.rules.yaml"
SOURCES = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted(ALERTS.glob("*.yaml")) if path.stem != "recording"
}
RECORDING = yaml.safe_load((ALERTS / "recording.yaml").read_text())
PARTS = ("name", "group", "dashboard", "levels", "expr", "summary", "description", "impact", "command")
TEXTS = ("summary", "description", "impact", "command")
DASHBOARDS = {"galera-clusters", "galera-cluster", "galera-node", "galera-registry", "galera-recovery"}

ELSEWHERE: dict[str, frozenset[str]] = {
    # Prometheus' own: whether the scrape succeeded.
    "up": frozenset(),
    # kube-state-metrics': whether Kubernetes takes a pod for ready, and what there is.
    "kube_pod_status_ready": frozenset({"condition"}),
    "kube_statefulset_created": frozenset({"statefulset"}),
    "kube_namespace_created": frozenset(),
    # etcd's own, by its documentation.
    "etcd_server_has_leader": frozenset(),
    "etcd_server_leader_changes_seen_total": frozenset(),
    "etcd_server_quota_backend_bytes": frozenset(),
    "etcd_mvcc_db_total_size_in_bytes": frozenset(),
    "etcd_disk_wal_fsync_duration_seconds_bucket": frozenset({"le"}),
    "etcd_network_peer_sent_failures_total": frozenset({"To"}),
}
"""Metrics that are not this exporter's, with their labels beside those of the target."""
TARGET = frozenset({"namespace", "galera_cluster", "pod", "component"})
"""Labels that the scrape configuration gives; ``component`` tells etcd and the observer from the sidecars."""
OWN = frozenset({"option"})
"""Labels that a rule makes itself."""
KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset"})
DURATION = re.compile(r"([0-9]+(ms|[smhdw]))+")


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression once, under a name for people."""
    for row in RECORDING:
        yield row["record"], row["expr"]
    for name, source in SOURCES.items():
        yield name, source["expr"]
        for level, parameters in source["levels"].items():
            if "expr" in parameters:
                yield f"{name} {level}", parameters["expr"]


EXPRESSIONS = dict(expressions())


@cache
def documented() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """The labels of each metric in docs/metrics.md, and the values that the last of them may have; none: any."""
    found = {}
    rows = re.findall(
        r"^\| `(\w+)(?:\{([\w,]+)\})?` \| (\w+) \| (.*?) \|", (helm.ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    for name, labels, kind, text in rows:
        values = re.search(r"Values: ([^.]*)\.", text)
        known = frozenset(values[1].split(", ")) if values else frozenset()
        found[name] = frozenset(labels.split(",")) - {""}, known
        if kind == "histogram":
            found[f"{name}_bucket"] = found[name][0] | {"le"}, known
    return found


def bare(expression: str) -> str:
    """The expression without comments and placeholders."""
    return re.sub(r"\$\{\w+\}", "1", re.sub(r"#.*", "", expression))


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """Yield each metric of an expression, and what stands in its braces."""
    text = re.sub(r"\b(by|on|ignoring|without|group_left|group_right)\s*\([^()]*\)", " ", bare(expression))
    for name, braces, call in re.findall(
        r'(?<![\w"$.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(\s*\()?', re.sub(r'(?<=[(,] )"[^"]*"', "1", text)
    ):
        if not call and name not in KEYWORDS:
            yield name, braces


def test_there_are_as_many_alerts_as_the_runbooks_speak_of() -> None:
    assert SOURCES.keys() == {path.stem for path in (ALERTS / "runbooks").glob("Galera*.md")}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_all_its_parts_and_no_other(name: str) -> None:
    source: dict[str, Any] = SOURCES[name]
    assert tuple(source) == PARTS
    assert source["name"] == name
    assert source["group"].startswith("galera-")
    assert source["dashboard"] in DASHBOARDS
    assert 1 <= len(source["levels"]) <= 2
    assert source["levels"].keys() <= {"critical", "warning", "info"}
    for part in TEXTS:
        assert isinstance(source[part], str)
        assert "\n" not in source[part].strip()
    for parameters in source["levels"].values():
        assert DURATION.fullmatch(parameters["for"])
        numbers = {key: value for key, value in parameters.items() if key not in {"for", "expr"}}
        assert all(isinstance(value, int | float) or DURATION.fullmatch(value) for value in numbers.values()), numbers


@pytest.mark.parametrize("name", SOURCES)
def test_a_summary_is_one_sentence_that_names_the_cluster_or_the_pod(name: str) -> None:
    summary = SOURCES[name]["summary"]
    assert summary.endswith(".")
    assert len(re.sub(r"\{\{.*?\}\}", "x", summary)) <= 110
    assert "$labels.pod" in summary or "$labels.namespace }}/{{ $labels.galera_cluster" in summary
    assert "$labels.namespace }}/{{ $labels.galera_cluster" in SOURCES[name]["description"]


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_uses_each_parameter_and_no_other(name: str) -> None:
    source = SOURCES[name]
    for level, parameters in source["levels"].items():
        texts = [parameters.get("expr", source["expr"]), *(source[part] for part in TEXTS)]
        used = set(re.findall(r"\$\{(\w+)\}", " ".join(texts)))
        assert used <= {*parameters, "cluster", "kube"}, level
        assert parameters.keys() - {"for", "expr"} <= used, level


@pytest.mark.parametrize("name", SOURCES)
def test_texts_name_only_labels_that_the_alert_has(name: str) -> None:
    source = SOURCES[name]
    # The first grouping of an expression is that of its result.
    grouping = re.search(r"\bby \(([^)]*)\)", bare(source["expr"].replace("${cluster}", "namespace, galera_cluster")))
    labels = set(grouping[1].split(", ")) if grouping else {"namespace", "galera_cluster"}
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(source[part] for part in TEXTS)))
    assert named <= labels
    assert ("pod" in labels) == ("$labels.pod" in source["summary"])


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_groups_by_the_labels_of_the_cluster_and_joins_on_pod(name: str) -> None:
    text = re.sub(r"#.*", "", EXPRESSIONS[name])
    lists = re.findall(r"\b(?:by|on) \(([^)]*)\)", text)
    assert all(labels.startswith(("${cluster}", "${kube}")) for labels in lists), lists
    assert not re.search(r"\b(instance|job|without|ignoring)\b", text)
    text = ", ".join(lists).replace("${cluster}", "namespace, galera_cluster").replace("${kube}", "namespace")
    labels = set(text.split(", ")) - {""}
    known = frozenset().union(TARGET, OWN, *ELSEWHERE.values(), *(labels for labels, _ in documented().values()))
    assert labels <= known


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_metrics_labels_and_their_values_are_those_of_the_documentation(name: str) -> None:
    recorded = {row["record"] for row in RECORDING}
    found = list(selectors(EXPRESSIONS[name]))
    assert found
    for metric, braces in found:
        if metric in recorded:
            assert not braces
            continue
        assert metric in documented() or metric in ELSEWHERE, metric
        labels, values = documented().get(metric, (ELSEWHERE.get(metric, frozenset()), frozenset()))
        for label, text in re.findall(r'(\w+)\s*[!=]~?\s*"([^"]*)"', braces):
            assert label in labels | TARGET, f"{metric}: {label}"
            if label in labels and values:
                assert set(text.split("|")) <= values, f"{metric}: {label}"


def test_the_check_of_names_finds_a_wrong_one() -> None:
    wrong = (
        'max by (pod) (rate(wsrep_local_recv_que{state="x"}[5m])) > on (pod) 0.5 * max by (pod) (galera_up) # not_this'
    )
    assert list(selectors(wrong)) == [("wsrep_local_recv_que", '{state="x"}'), ("galera_up", "")]
    assert "wsrep_local_recv_que" not in documented()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_each_guard_has_its_reason(name: str) -> None:
    text = EXPRESSIONS[name]
    if name not in SOURCES:
        return  # a recording rule has a comment for the whole of it
    depth = 0
    above = ""
    for line in text.splitlines():
        stripped = line.strip()
        if depth == 0 and re.match(r"(and|unless)\b", stripped):
            assert above.startswith("#") or re.match(r"(and|unless|\))", above), f"no reason above: {stripped}"
        code = re.sub(r"#.*", "", stripped)
        depth += code.count("(") - code.count(")")
        above = stripped


def test_all_recorded_series_are_used_or_for_the_dashboards() -> None:
    text = " ".join(EXPRESSIONS.values())
    unused = {row["record"] for row in RECORDING if not re.search(rf"{row['record']}\b", text)}
    assert unused == {"galera_cluster:nodes_synced:sum"}  # for people, and for the dashboards
    assert all(row["comment"].endswith((".", "?")) for row in RECORDING)


def test_a_series_is_recorded_before_a_rule_of_the_same_round_needs_it() -> None:
    known: set[str] = set()
    names = [row["record"] for row in RECORDING]
    for row in RECORDING:
        assert {metric for metric, _ in selectors(row["expr"]) if metric in names} <= known
        known.add(row["record"])


def test_kubernetes_own_metrics_are_joined_by_the_labels_that_they_have() -> None:
    for name, expression in EXPRESSIONS.items():
        for grouping in re.findall(r"\bon \(([^()]*)\) kube_\w+", bare(expression.replace("${kube}", "kube"))):
            assert grouping.split(", ")[0] == "kube", name


def test_needs_bootstrap_speaks_of_all_reasons_that_a_person_must_resolve() -> None:
    found = re.findall(r'reason=~?"([^"]*)"', SOURCES["GaleraClusterNeedsBootstrap"]["expr"])
    reasons = [reason for each in found for reason in each.split("|")]
    assert sorted(reasons) == sorted(reason for reason, words in WORDS.items() if not words.passes)


@pytest.mark.parametrize("kind", ["debian", "current"])
@pytest.mark.timeout(helm.BUILD_SECONDS)
def test_promtool_takes_the_rules(kind: str) -> None:
    debian = shutil.which("promtool")
    if kind == "debian" and debian is None:
        pytest.skip("no promtool: apt-get install prometheus")
    promtool: Path | str = debian if kind == "debian" and debian is not None else helm.tool("promtool")
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
