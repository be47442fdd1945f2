"""What a page of a healthy node has."""

from __future__ import annotations

import re
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from galera_exporter.metrics.catalog import CATALOG, OBSERVER
from galera_exporter.metrics.metric import Kind
from lab import Trio
from lab.template import EXPORTER_PASSWORD
from lab.web import fetch

# Rows of the catalog that a healthy node with default flags does not have.
ABSENT = {
    "galera_exporter_web_config_last_reload_successful": "no web config file is given",
    "wsrep_raw": "behind --collect.raw-variables",
    **{
        f"wsrep_local_{queue}_queue_{form}": "behind --collect.queue-stats"
        for queue in ("recv", "send")
        for form in ("avg", "min", "max")
    },
    "galera_config_pc_bootstrap": "a trigger, which Galera 4.23 does not list among its options",
    "galera_bootstrap_waiting_for": "only while a node waits for others",
    "galera_sst_start_timestamp_seconds": "only during an SST",
    "galera_sst_received_bytes": "only during an SST",
    **{metric.name: "on the observer's page" for metric in OBSERVER},
}

# promtool reserves "_count" for histograms; wsrep_* keeps the names of MariaDB's variables.
LINT_KNOWN = {
    f'{name} non-histogram and non-summary metrics should not have "_count" suffix'
    for name in (
        "wsrep_applier_thread_count",
        "wsrep_desync_count",
        "wsrep_rollbacker_thread_count",
        "wsrep_thread_count",
    )
}


def test_every_node_shows_a_primary_component_of_three_and_three_fresh_keys(cluster: Trio) -> None:
    for page in cluster.pages():
        assert page.value("galera_up") == 1
        assert page.value("wsrep_cluster_size") == 3
        assert page.value("wsrep_cluster_status", status="Primary") == 1
        assert page.value("wsrep_local_state") == 4
        assert page.value("galera_registry_nodes") == 3
        ages = {labels["node"]: age for labels, age in page.series("galera_etcd_key_age_seconds")}
        assert set(ages) == {"galera-0", "galera-1", "galera-2"}
        assert all(0 <= age < 10 for age in ages.values())


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_each_metric_of_the_catalog_is_on_a_real_page_with_its_type(cluster: Trio, name: str) -> None:
    page = cluster.sidecars[0].metrics()
    metric = CATALOG[name]
    if name == "wsrep_evs_repl_latency_seconds":  # it has samples only where the group had messages in the last minute
        cluster.galera.nodes[0].sql("CREATE OR REPLACE DATABASE latency")
        page = cluster.sidecars[0].until(lambda page: name in page.families, 10, "measures the group's latency")
    family = page.families.get(name.removesuffix("_total") if metric.kind is Kind.COUNTER else name)
    if name in ABSENT:
        assert family is None, f"it is there: {ABSENT[name]}"
        return
    assert family is not None
    assert family.type == ("gauge" if metric.kind is Kind.INFO else str(metric.kind))
    for sample in family.samples:
        assert set(sample.labels) - {"le"} == set(metric.labels)
    for value in metric.enum:
        assert any(sample.labels[metric.labels[-1]] == value for sample in family.samples)


def test_no_metric_is_on_the_page_that_the_catalog_does_not_know(cluster: Trio) -> None:
    known = {metric.name.removesuffix("_total") for metric in CATALOG.values()} | set(CATALOG)
    others = {name for name in cluster.sidecars[0].metrics().families if name not in known}
    assert all(name.startswith(("process_", "python_")) for name in others)


def test_promtool_finds_nothing_but_the_names_that_mariadb_gave(cluster: Trio) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=cluster.sidecars[0].get(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert set(filter(None, (checked.stdout + checked.stderr).splitlines())) == LINT_KNOWN


def test_a_node_has_at_most_350_series(cluster: Trio) -> None:
    assert all(len(page.samples) <= 350 for page in cluster.pages())


def test_openmetrics_has_the_same_series_and_its_own_end_mark(cluster: Trio) -> None:
    sidecar = cluster.sidecars[0]
    text = fetch(f"{sidecar.url}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert text.endswith("# EOF\n")
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # the library has no types here
    types = {family.name: family.type for family in families}
    assert types["wsrep_flow_control_paused_seconds"] == "counter"
    assert types["galera_node"] == "info"
    assert {sample.name for family in families for sample in family.samples} == {
        name for name, _ in sidecar.metrics().samples
    }


def test_the_status_page_says_in_words_that_all_is_well(cluster: Trio) -> None:
    for sidecar in cluster.sidecars:
        page = sidecar.get("/")
        assert "3 of 3 nodes are Synced in one Primary component" in page
        assert all(node.name in page for node in cluster.galera.nodes)


def test_the_password_is_on_no_page_in_no_log_on_no_command_line_and_not_in_etcd(cluster: Trio) -> None:
    sidecar = cluster.sidecars[0]
    cluster.galera.nodes[0].sql("SET PASSWORD FOR exporter@localhost = PASSWORD('another')")
    try:
        assert sidecar.process is not None
        sidecar.process.stop()
        sidecar.start()
        sidecar.until(lambda page: page.value("galera_up_reason", reason="auth") == 1, 20, "is refused")
        places = {
            "metrics": sidecar.get(),
            "status page": sidecar.get("/"),
            "log": sidecar.log.read_text(),
            "argv": "\0".join(sidecar.argv),
            "etcd": cluster.etcd.ctl("get", "--prefix", ""),
        }
        assert [place for place, text in places.items() if EXPORTER_PASSWORD in text] == []
        assert re.search(r"\b1045\b|auth", places["log"])
    finally:
        cluster.galera.nodes[0].sql(f"SET PASSWORD FOR exporter@localhost = PASSWORD('{EXPORTER_PASSWORD}')")
