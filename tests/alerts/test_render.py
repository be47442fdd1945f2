"""One source, three ways to load it: what is committed is what is rendered, and the chart renders the same."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from alerts import helm

ALERTS = helm.ROOT / "alerts"
PROMETHEUS = ALERTS / "prometheus"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ALERTS / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = _load()


def under(rules: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """Values with these rules."""
    return {"metrics": {"prometheusRule": {"rules": dict(rules), **settings}}}


def found(values: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """All alerts by name and the level that they were written for."""
    rules = [rule for group in render.groups(values) for rule in group["rules"] if "alert" in rule]
    return {(rule["alert"], rule["labels"]["severity"]): rule for rule in rules}


CHANGED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a threshold, a duration and a severity": under(
        {"GaleraFlowControlPaused": {"warning": {"threshold": 0.25, "for": "1h30m", "severity": "info"}}}
    ),
    "a threshold of zero": under({"GaleraRecvQueueHigh": {"warning": {"threshold": 0, "for": "0m"}}}),
    "a number with a fraction": under({"GaleraIstWindowShort": {"warning": {"threshold": 1234567.5}}}),
    "a round number": under({"GaleraIstWindowShort": {"warning": {"threshold": 1800000}}}),
    "a small number": under({"GaleraEtcdMembersDown": {"warning": {"failures": 0.00001}}}),
    "a level that is off": under({"GaleraFlowControlPaused": {"critical": {"enabled": False}}}),
    "an alert that is off": under({"GaleraNodeDown": {"enabled": False}}),
    "a whole group that is off": under(
        {
            name: {"enabled": False}
            for name in ("GaleraObserverDown", "GaleraNoWriteEndpoint", "GaleraReadyPodNotPrimary")
        }
    ),
    "an expression of a level": under({"GaleraRegistryUnavailable": {"critical": {"for": "20m"}}}),
    "labels and links": under(
        {},
        clusterLabels=["cluster", "namespace", "galera_cluster"],
        additionalRuleLabels={"team": "dba", "severity": "loud"},
        runbookUrl="https://wiki.example.com/runbooks/",
        dashboardUrl="https://grafana.example.com/",
    ),
    "another label for the cluster, and none for the namespace": under({}, clusterLabels=["site", "galera_cluster"]),
    "one label for the cluster": under(
        {}, clusterLabels=["galera_cluster"], dashboardUrl="https://grafana.example.com"
    ),
}
AT = "metrics.prometheusRule.rules"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an alert that is not there": (
        under({"GaleraNodeDwn": {}}),
        f"{AT}.GaleraNodeDwn: there is no such thing; possible are GaleraCertificationFailures,",
    ),
    "a level that is not there": (
        under({"GaleraNodeDown": {"critical": {"for": "1m"}}}),
        f"{AT}.GaleraNodeDown.critical: there is no such thing; possible are enabled, warning",
    ),
    "a parameter that is not there": (
        under({"GaleraNodeDown": {"warning": {"treshold": 1}}}),
        f"{AT}.GaleraNodeDown.warning.treshold: there is no such thing; possible are enabled, severity, for",
    ),
    "an expression in the values": (
        under({"GaleraRegistryUnavailable": {"critical": {"expr": "1"}}}),
        f"{AT}.GaleraRegistryUnavailable.critical.expr: there is no such thing; possible are enabled, severity, for",
    ),
    "a text for a number": (
        under({"GaleraRecvQueueHigh": {"warning": {"threshold": "80%"}}}),
        f"{AT}.GaleraRecvQueueHigh.warning.threshold: must be a number such as 0.8, not ",
    ),
    "a truth for a number": (
        under({"GaleraRecvQueueHigh": {"warning": {"threshold": True}}}),
        f"{AT}.GaleraRecvQueueHigh.warning.threshold: must be a number such as 0.8, not ",
    ),
    "a number for a duration": (
        under({"GaleraNodeDown": {"warning": {"for": 300}}}),
        f"{AT}.GaleraNodeDown.warning.for: must be a duration such as 5m, not 300",
    ),
    "a duration that is none": (
        under({"GaleraNodeDown": {"warning": {"for": "5 minutes"}}}),
        f"{AT}.GaleraNodeDown.warning.for: must be a duration such as 5m, not ",
    ),
    "a severity that is none": (
        under({"GaleraNodeDown": {"warning": {"severity": "page"}}}),
        f"{AT}.GaleraNodeDown.warning.severity: must be one of critical, warning, info, not ",
    ),
    "a switch that is none": (
        under({"GaleraNodeDown": {"enabled": "no"}}),
        f"{AT}.GaleraNodeDown.enabled: must be true or false, not ",
    ),
    "a threshold in place of a mapping": (
        under({"GaleraRecvQueueHigh": {"warning": 0.5}}),
        f"{AT}.GaleraRecvQueueHigh.warning: must be a mapping, not 0.5",
    ),
}


@pytest.mark.parametrize(
    ("form", "file"), [("prometheus", "galera.rules.yaml"), ("prometheusrule", "prometheusrule.yaml")]
)
def test_what_is_committed_is_what_is_rendered(form: str, file: str) -> None:
    text = render.dumped(render.document(None, form, "galera"))
    assert text == (PROMETHEUS / file).read_text(), "make alerts"


def test_the_chart_has_the_same_sources() -> None:
    sources = {path.name: path.read_text() for path in ALERTS.glob("*.yaml")}
    copies = {path.name: path.read_text() for path in (helm.CHART / "files" / "alerts").glob("*.yaml")}
    assert copies == sources, "make alerts"


@pytest.mark.timeout(helm.BUILD_SECONDS)
@pytest.mark.parametrize("values", CHANGED.values(), ids=CHANGED)
def test_the_chart_renders_the_same(values: dict[str, Any], tmp_path: Path) -> None:
    settings = {**values.get("metrics", {}).get("prometheusRule", {}), "enabled": True}
    done = helm.template({"metrics": {"prometheusRule": settings}}, tmp_path)
    assert not done.stderr
    assert helm.rules_of(done.stdout)["spec"]["groups"] == render.groups(values)


@pytest.mark.timeout(helm.BUILD_SECONDS)
@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_the_chart_refuses_the_same_in_the_same_words(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = {**values["metrics"]["prometheusRule"], "enabled": True}
    done = helm.template({"metrics": {"prometheusRule": settings}}, tmp_path)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.timeout(helm.BUILD_SECONDS)
def test_the_chart_makes_no_rule_unless_told_to(tmp_path: Path) -> None:
    done = helm.template({}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PrometheusRule" not in done.stdout


@pytest.mark.timeout(helm.BUILD_SECONDS)
def test_the_charts_rule_has_the_labels_and_the_namespace_that_an_operator_selects_by(tmp_path: Path) -> None:
    settings = {"enabled": True, "additionalLabels": {"release": "kube-prometheus-stack"}, "namespace": "monitoring"}
    metadata = helm.rules_of(helm.template({"metrics": {"prometheusRule": settings}}, tmp_path).stdout)["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("db-galera", "monitoring")
    assert metadata["labels"]["release"] == "kube-prometheus-stack"


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_a_fault_in_the_values_is_named_with_what_is_possible(values: dict[str, Any], message: str) -> None:
    with pytest.raises(render.ValuesError) as caught:
        render.groups(values)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": []}, "metrics: must be a mapping, not []"),
        (under({}, runbookURL="x"), "metrics.prometheusRule.runbookURL: there is no such thing; possible are "),
        (under({}, runbookUrl=7), "metrics.prometheusRule.runbookUrl: must be a text, not 7"),
        (under({}, clusterLabels=[]), "metrics.prometheusRule.clusterLabels: must be a list of label names, not []"),
        (under({}, clusterLabels=["a-b"]), "metrics.prometheusRule.clusterLabels: must be a list of label names, not "),
        (
            under({}, additionalRuleLabels={"a": 1}),
            "metrics.prometheusRule.additionalRuleLabels.a: must be a text, not 1",
        ),
    ],
)
def test_a_fault_in_the_settings_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(render.ValuesError) as caught:
        render.groups(values)
    assert str(caught.value).startswith(message)


def test_values_change_what_they_name_and_nothing_else() -> None:
    before, after = found({}), found(CHANGED["a threshold, a duration and a severity"])
    old = before.pop(("GaleraFlowControlPaused", "warning"))
    new = after.pop(("GaleraFlowControlPaused", "info"))
    assert before == after
    assert (old["for"], new["for"]) == ("10m", "1h30m")
    assert new["expr"] == old["expr"].replace("> 0.1", "> 0.25")
    assert "limit 0.25, for 1h30m" in new["annotations"]["description"]


def test_an_alert_or_one_of_its_levels_can_be_switched_off() -> None:
    everything = found({}).keys()
    assert everything - found(CHANGED["a level that is off"]).keys() == {("GaleraFlowControlPaused", "critical")}
    assert everything - found(CHANGED["an alert that is off"]).keys() == {("GaleraNodeDown", "warning")}


def test_a_group_without_rules_is_left_out() -> None:
    names = [group["name"] for group in render.groups(CHANGED["a whole group that is off"])]
    assert "galera-observer" not in names
    assert names[0] == "galera-recording"


def test_the_labels_of_the_cluster_are_replaced_everywhere() -> None:
    text = render.dumped({"groups": render.groups(CHANGED["labels and links"])})
    assert "by (namespace, galera_cluster" not in text
    assert "on (namespace, galera_cluster" not in text
    assert "by (cluster, namespace, galera_cluster, pod)" in text


@pytest.mark.parametrize(
    ("values", "kube"),
    [
        ("nothing", "namespace"),
        ("labels and links", "cluster, namespace"),
        ("another label for the cluster, and none for the namespace", "site, namespace"),
        ("one label for the cluster", "namespace"),
    ],
)
def test_what_kube_state_metrics_tells_is_joined_by_the_labels_that_it_has(values: str, kube: str) -> None:
    text = render.dumped({"groups": render.groups(CHANGED[values])})
    assert text.count(f"on ({kube}, pod) kube_pod_status_ready") == 2
    assert f"on ({kube}) kube_namespace_created" in text


def test_links_are_made_of_their_bases() -> None:
    rules = found(CHANGED["labels and links"])
    node = rules["GaleraNodeDown", "warning"]["annotations"]
    assert node["runbook_url"] == "https://wiki.example.com/runbooks/GaleraNodeDown.md"
    assert node["dashboard_url"] == (
        "https://grafana.example.com/d/galera-node?var-namespace={{ $labels.namespace }}"
        "&var-galera_cluster={{ $labels.galera_cluster }}&var-pod={{ $labels.pod }}"
    )
    cluster = rules["GaleraClusterDegraded", "warning"]["annotations"]
    assert cluster["dashboard_url"] == (
        "https://grafana.example.com/d/galera-cluster?var-namespace={{ $labels.namespace }}"
        "&var-galera_cluster={{ $labels.galera_cluster }}"
    )
    assert "dashboard_url" not in found({})["GaleraNodeDown", "warning"]["annotations"]


def test_labels_of_ones_own_are_on_each_alert_and_do_not_replace_the_severity() -> None:
    rules = found(CHANGED["labels and links"])
    assert {rule["labels"]["team"] for rule in rules.values()} == {"dba"}
    assert {severity for _, severity in rules} == {"critical", "warning", "info"}


def test_the_script_writes_what_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(CHANGED["an alert that is off"]))
    script = [sys.executable, ALERTS / "render.py", "--values", tmp_path / "values.yaml"]
    rules = subprocess.run(
        [*script, "--format", "prometheusrule", "--name", "mine"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    written = yaml.safe_load(rules.stdout)
    assert (written["kind"], written["metadata"]["name"]) == ("PrometheusRule", "mine")
    assert "GaleraNodeDown" not in {rule.get("alert") for group in written["spec"]["groups"] for rule in group["rules"]}
    subprocess.run([*script, "--output", tmp_path / "rules.yaml"], check=True, timeout=60)
    assert yaml.safe_load((tmp_path / "rules.yaml").read_text())["groups"] == written["spec"]["groups"]


def test_the_script_says_in_one_line_what_is_wrong_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(WRONG["a number for a duration"][0]))
    script = [sys.executable, ALERTS / "render.py", "--values", tmp_path / "values.yaml"]
    done = subprocess.run(
        [*script, "--output", tmp_path / "rules.yaml"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == f"render.py: {WRONG['a number for a duration'][1]}\n"
    assert not (tmp_path / "rules.yaml").exists()
