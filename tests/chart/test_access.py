"""Who reaches what: network policies, the observer's role, the Services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chart.release import CASES, FULLNAME, Release, case, selects

PROMETHEUS = ({"app.kubernetes.io/name": "prometheus"}, "monitoring")
CLIENT = ({"galera-client": "true"}, "galera")
STRANGER = ({"app": "shop"}, "galera")


def peer(release: Release, component: str) -> tuple[Mapping[str, str], str]:
    """Labels and namespace of a pod of ours."""
    return next(pod for pod in release.pods if pod.component == component).labels, "galera"


def may(release: Release, source: tuple[Mapping[str, str], str], component: str, port: int, protocol: str) -> bool:
    """Whether the policies let a connection in, as Kubernetes reads them."""
    target = release.pod(component).labels
    policies = [
        each["spec"]
        for each in release.all("NetworkPolicy")
        if selects(each["spec"]["podSelector"]["matchLabels"], target)
    ]
    return not policies or any(
        {"port": port, "protocol": protocol} in rule["ports"]
        and ("from" not in rule or any(_is_from(each, source) for each in rule["from"]))
        for policy in policies
        for rule in policy["ingress"]
    )


def _is_from(allowed: Mapping[str, Any], source: tuple[Mapping[str, str], str]) -> bool:
    labels, namespace = source
    space = allowed.get("namespaceSelector")
    if space is None:
        inside = namespace == "galera"
    else:
        inside = selects(space["matchLabels"], {"kubernetes.io/metadata.name": namespace})
    return inside and selects(allowed.get("podSelector", {}).get("matchLabels", {}), labels)


GROUP = [(4567, "TCP"), (4567, "UDP"), (4568, "TCP"), (4444, "TCP")]
NEEDED = [
    *(("galera", "galera", port, protocol) for port, protocol in GROUP),
    ("galera", "galera", 10104, "TCP"),
    ("galera", "etcd", 2379, "TCP"),
    ("observer", "etcd", 2379, "TCP"),
    ("test", "etcd", 2379, "TCP"),
    ("test", "galera", 3306, "TCP"),
    ("etcd", "etcd", 2378, "TCP"),
    ("etcd", "etcd", 2379, "TCP"),
    ("etcd", "etcd", 2380, "TCP"),
]


@pytest.mark.parametrize(("source", "target", "port", "protocol"), NEEDED)
def test_the_parts_reach_one_another(source: str, target: str, port: int, protocol: str) -> None:
    release = case("network-policy")
    assert may(release, peer(release, source), target, port, protocol)


def test_clients_reach_the_database_and_nothing_else() -> None:
    release = case("network-policy")
    reached = {
        (target, port)
        for target in ("galera", "etcd", "observer")
        for port in release.pod(target).ports.values()
        if may(release, CLIENT, target, port, "TCP")
    }
    assert reached == {("galera", 3306)}


def test_prometheus_reaches_the_metrics_and_nothing_else() -> None:
    release = case("network-policy")
    reached = {
        (target, port)
        for target in ("galera", "etcd", "observer")
        for port in release.pod(target).ports.values()
        if may(release, PROMETHEUS, target, port, "TCP")
    }
    assert reached == {("galera", 10104), ("etcd", 2381), ("observer", 10105)}


def test_the_observer_reaches_etcd_and_nothing_else() -> None:
    release = case("network-policy")
    reached = {
        (target, port)
        for target in ("galera", "etcd")
        for port in release.pod(target).ports.values()
        if may(release, peer(release, "observer"), target, port, "TCP")
    }
    assert reached == {("etcd", 2379)}


def test_nobody_else_reaches_anything() -> None:
    release = case("network-policy")
    for target in ("galera", "etcd", "observer"):
        for port in release.pod(target).ports.values():
            for protocol in ("TCP", "UDP"):
                assert not may(release, STRANGER, target, port, protocol), (target, port)


def test_without_policies_everybody_reaches_everything() -> None:
    release = case("default")
    assert not release.all("NetworkPolicy")


def test_the_observers_role_is_as_small_as_it_can_be() -> None:
    (role,) = case("default").all("Role")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {
            "apiGroups": [""],
            "resources": ["pods"],
            "verbs": ["patch"],
            "resourceNames": [f"{FULLNAME}-{ordinal}" for ordinal in range(3)],
        },
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"], "resourceNames": [FULLNAME]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]


@pytest.mark.parametrize("name", CASES)
def test_only_the_observer_has_rights_and_none_outside_of_its_namespace(name: str) -> None:
    release = case(name)
    assert not release.all("ClusterRole")
    assert not release.all("ClusterRoleBinding")
    subjects = [subject["name"] for each in release.all("RoleBinding") for subject in each["subjects"]]
    assert subjects == ([] if name == "no-observer" else [f"{FULLNAME}-observer"])


def service(name: str, suffix: str) -> Mapping[str, Any]:
    """The spec of one Service of a case."""
    spec: Mapping[str, Any] = case(name).get("Service", FULLNAME + suffix)["spec"]
    return spec


def test_the_write_service_points_at_the_pod_with_the_observers_label() -> None:
    assert service("default", "-primary")["selector"]["galera.role"] == "primary"


def test_without_an_observer_the_write_service_points_at_ordinal_0() -> None:
    selector = service("no-observer", "-primary")["selector"]
    assert selector["statefulset.kubernetes.io/pod-name"] == f"{FULLNAME}-0"
    assert "galera.role" not in selector


def test_a_client_of_the_read_service_stays_with_one_node() -> None:
    assert service("default", "")["sessionAffinity"] == "ClientIP"
    assert service("everything-else", "")["sessionAffinity"] == "None"


def test_a_service_takes_more_of_its_spec() -> None:
    assert service("everything-else", "")["externalTrafficPolicy"] == "Local"


def test_ports_on_the_machines_are_those_of_the_values() -> None:
    for suffix, port in (("", 30306), ("-primary", 30307)):
        found = service("nodeport", suffix)
        assert found["type"] == "NodePort"
        assert [each["nodePort"] for each in found["ports"]] == [port]


@pytest.mark.parametrize("suffix", ["-nodes", "-etcd-nodes"])
def test_names_of_pods_resolve_before_they_are_ready(suffix: str) -> None:
    found = service("default", suffix)
    assert found["clusterIP"] == "None"
    assert found["publishNotReadyAddresses"] is True
