"""Scraping as docs/alerts.md asks for it, and one source of alerts, inhibitions and dashboards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import helm
from chart.release import CHART, FULLNAME, NAMESPACE, Release, case, render, selects

PORTS = {"galera": 10104, "etcd": 2381, "observer": 10105}
LARGEST_ANNOTATION = 256 * 1024
PODS = {"metrics": {"podMonitor": {"enabled": True}}}
SERVICES = {"metrics": {"serviceMonitor": {"enabled": True}}}


def endpoints(release: Release) -> dict[str, Mapping[str, Any]]:
    """The one endpoint of each monitor, by component."""
    found = {}
    for kind, key in (("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")):
        for each in release.all(kind):
            (found[each["metadata"]["labels"]["app.kubernetes.io/component"]],) = each["spec"][key]
    return found


@pytest.mark.parametrize("values", [PODS, SERVICES], ids=["PodMonitor", "ServiceMonitor"])
def test_every_target_has_the_labels_that_the_rules_count_on(values: dict[str, Any]) -> None:
    found = endpoints(render(values))
    assert found.keys() == PORTS.keys()
    for component, endpoint in found.items():
        labels = {each["targetLabel"]: each["replacement"] for each in endpoint["relabelings"]}
        assert labels == {"galera_cluster": FULLNAME, "component": component}
        assert endpoint.get("honorLabels", False) is (component == "observer")
        assert endpoint["interval"] == "15s"


def test_a_pod_monitor_scrapes_the_port_of_its_pods() -> None:
    release = render(PODS)
    for component, endpoint in endpoints(release).items():
        assert release.pod(component).ports[endpoint["port"]] == PORTS[component]


def test_a_service_monitor_finds_one_service_with_the_port_which_has_pods_that_are_not_ready_too() -> None:
    release = render(SERVICES)
    for monitor in release.all("ServiceMonitor"):
        component = monitor["metadata"]["labels"]["app.kubernetes.io/component"]
        (endpoint,) = monitor["spec"]["endpoints"]
        services = [
            service
            for service in release.all("Service")
            if selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
            and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        ]
        (service,) = services
        (port,) = (port for port in service["spec"]["ports"] if port["name"] == endpoint["port"])
        assert port["port"] == PORTS[component]
        # A node that waits must be seen; the observer is ready or has nothing to tell.
        assert service["spec"].get("publishNotReadyAddresses", False) is (component != "observer")


def test_what_does_not_exist_is_not_scraped() -> None:
    values = {**PODS, "observer": {"enabled": False}, "etcd": {"enabled": False}}
    values["etcd"] = {"enabled": False, "external": {"endpoints": ["http://etcd.example.com:2379"]}}
    assert endpoints(render(values)).keys() == {"galera"}


def test_with_tls_the_pages_are_scraped_by_a_name_of_the_certificate_and_etcds_metrics_in_the_clear() -> None:
    found = endpoints(case("tls-cert-manager"))
    for component in ("galera", "observer"):
        assert found[component]["scheme"] == "https"
        assert found[component]["tlsConfig"] == {
            "ca": {"secret": {"name": "db-galera-tls", "key": "ca.crt"}},
            "serverName": FULLNAME,
        }
    assert "scheme" not in found["etcd"]


def test_what_is_said_of_endpoints_goes_to_our_pages_and_not_to_etcd() -> None:
    release = case("service-monitor")
    found = endpoints(release)
    assert {component for component, endpoint in found.items() if "basicAuth" in endpoint} == {"galera", "observer"}
    assert {each["metadata"]["namespace"] for each in release.all("ServiceMonitor")} == {"monitoring"}
    assert all(
        each["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]} for each in release.all("ServiceMonitor")
    )


def test_the_monitors_have_the_labels_by_which_an_operator_selects_them() -> None:
    for kind in ("PodMonitor", "PrometheusRule"):
        for each in case("monitoring").all(kind):
            assert each["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_the_chart_has_the_same_inhibitions() -> None:
    source = helm.ROOT / "alerts" / "alertmanager" / "inhibition.yaml"
    assert (CHART / "files" / "alertmanager" / "inhibition.yaml").read_text() == source.read_text(), "run `make chart`"
    (config,) = case("monitoring").all("AlertmanagerConfig")
    assert config["spec"] == yaml.safe_load(source.read_text())


def dashboards(folder: Path) -> dict[str, str]:
    """Text of each dashboard."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json"))}


def test_the_chart_has_the_same_dashboards() -> None:
    assert dashboards(CHART / "files" / "dashboards") == dashboards(helm.ROOT / "dashboards"), "run `make chart`"


def test_every_dashboard_is_a_config_map_that_grafanas_sidecar_finds() -> None:
    maps = [
        each
        for each in case("monitoring").all("ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    assert all(each["metadata"]["annotations"] == {"grafana_folder": "Databases"} for each in maps)
    assert all(len(json.dumps(each)) < LARGEST_ANNOTATION for each in maps), "kubectl apply keeps a copy in one"
    found = {name: text.strip() for each in maps for name, text in each["data"].items()}
    source = dashboards(helm.ROOT / "dashboards")
    shipped, there = '"alerts/runbooks"', '"https://wiki.example.com/galera"'
    assert all(shipped in text for text in source.values())
    assert found == {name: text.strip().replace(shipped, there) for name, text in source.items()}
