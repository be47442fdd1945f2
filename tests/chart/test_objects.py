"""Each values file of ``ci/`` gives objects that Kubernetes takes, and that fit one another."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from alerts import helm
from chart.release import CASES, CHART, FULLNAME, NAMESPACE, Container, Pod, Release, case, render, run, selects

EXTERNAL = {
    "tls": {("Secret", "db-galera-cert")},
    "tls-etcd-auth": {("Secret", "db-galera-cert")},
    "tls-cert-manager": {("Secret", "db-galera-tls")},
    "external-etcd": {("Secret", "etcd-client"), ("Secret", "etcd-client-tls")},
    "existing-secrets": {("Secret", "db-passwords"), ("Secret", "etcd-passwords")},
    "service-monitor": {("Secret", "galera-web"), ("Secret", "galera-scrape")},
    "everything-else": {("Secret", "registry"), ("Secret", "more-sql"), ("ConfigMap", "more-config")},
}
"""What a case needs that the chart does not make. Its file says so, or cert-manager makes it."""

each_case = pytest.mark.parametrize("name", CASES)


@each_case
def test_helm_finds_nothing_to_complain_about(name: str) -> None:
    file = CHART / "ci" / f"{name}-values.yaml"
    done = subprocess.run(
        [helm.tool("helm"), "lint", "--strict", "--values", file, CHART],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


@each_case
def test_no_template_wrote_what_it_did_not_find(name: str) -> None:
    scripts = set(case(name).config("galera-start.sh").splitlines())
    for line in case(name).text.splitlines():
        if line.strip() not in {each.strip() for each in scripts}:
            assert not re.search(r"<no value>|%![a-zA-Z(]|map\[|<nil>|[0-9]e\+[0-9]", line), line


@each_case
def test_every_object_says_whose_it_is(name: str) -> None:
    monitors = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    for each in case(name).objects:
        metadata = each["metadata"]
        if metadata["name"] == "db-extra":
            continue  # extraManifests are as the user writes them
        assert (
            metadata["labels"].items()
            >= {
                "app.kubernetes.io/name": "galera",
                "app.kubernetes.io/instance": "db",
                "app.kubernetes.io/managed-by": "Helm",
            }.items()
        ), metadata["name"]
        assert metadata["namespace"] == NAMESPACE or each["kind"] in monitors
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", metadata["name"])


@each_case
def test_no_two_objects_have_one_name(name: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in case(name).objects]
    assert len(names) == len(set(names))


def containers(name: str) -> Iterator[Container]:
    for pod in case(name).pods:
        yield from pod.containers


@each_case
def test_every_pod_fits_the_restricted_pod_security_standard(name: str) -> None:
    allowed = {"emptyDir", "configMap", "secret", "projected"}
    for pod in case(name).pods:
        context = pod.spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
        for volume in pod.spec.get("volumes", ()):
            assert (volume.keys() - {"name"}) <= allowed, volume
    for container in containers(name):
        context = container.spec["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not any("hostPort" in port for port in container.spec.get("ports", ()))


@each_case
def test_every_container_asks_for_what_it_needs_and_has_a_limit_of_memory(name: str) -> None:
    for container in containers(name):
        assert container.spec["resources"]["requests"].keys() == {"cpu", "memory"}, container.name
        assert container.spec["resources"]["limits"].keys() == {"memory"}, container.name


@each_case
def test_only_the_observer_gets_a_token(name: str) -> None:
    for pod in case(name).pods:
        assert pod.spec["automountServiceAccountToken"] is (pod.component == "observer")
        assert pod.spec["enableServiceLinks"] is False


def test_the_observer_leaves_a_machine_that_is_lost_within_seconds() -> None:
    found = case("default").pod("observer").spec["tolerations"]
    waits = {each["key"]: each["tolerationSeconds"] for each in found if each["effect"] == "NoExecute"}
    assert waits.keys() == {"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"}
    assert max(waits.values()) <= 10


@each_case
def test_every_selector_finds_the_pods_of_its_component_and_no_others(name: str) -> None:
    release = case(name)
    for kind in ("StatefulSet", "Deployment", "PodDisruptionBudget", "Service", "PodMonitor", "NetworkPolicy"):
        for each in release.all(kind):
            component = each["metadata"]["labels"]["app.kubernetes.io/component"]
            for selector in _selectors(each):
                found = {pod.component for pod in release.pods if selects(selector, _labels_at_run_time(pod))}
                assert found == {component}, each["metadata"]["name"]


def _selectors(found: Any) -> Iterator[dict[str, str]]:
    spec = found["spec"]
    if found["kind"] == "Service":
        yield spec["selector"]
    elif found["kind"] == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"]
    else:
        yield spec["selector"]["matchLabels"]


def _labels_at_run_time(pod: Pod) -> dict[str, str]:
    """What the observer and Kubernetes add to the first pod of a StatefulSet."""
    added = {"statefulset.kubernetes.io/pod-name": f"{pod.owner}-0"} if pod.kind == "StatefulSet" else {}
    return {**pod.labels, **added, **({"galera.role": "primary"} if pod.component == "galera" else {})}


@each_case
def test_every_port_of_a_service_and_of_a_probe_is_one_of_the_pods(name: str) -> None:
    release = case(name)
    for service in release.all("Service"):
        component = service["metadata"]["labels"]["app.kubernetes.io/component"]
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in release.pod(component).ports
    for pod in release.pods:
        for container in pod.containers:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                get = container.spec.get(probe, {}).get("httpGet")
                if get is not None:
                    # A name is looked up in the probe's own container, a number in the pod.
                    known = container.ports.keys() | set(pod.ports.values())
                    assert get["port"] in known, (container.name, probe)


@each_case
def test_every_mount_has_its_volume_and_every_volume_is_mounted(name: str) -> None:
    for pod in case(name).pods:
        volumes = [*pod.claims, *(each["name"] for each in pod.spec.get("volumes", ()))]
        assert len(volumes) == len(set(volumes))
        mounted = {mount["name"] for each in pod.containers for mount in each.spec.get("volumeMounts", ())}
        assert mounted == set(volumes), pod.owner
        for container in pod.containers:
            paths = [mount["mountPath"] for mount in container.spec.get("volumeMounts", ())]
            assert len(paths) == len(set(paths))
            variables = [each["name"] for each in container.spec.get("env", ())]
            assert len(variables) == len(set(variables)), container.name


@each_case
def test_every_reference_leads_to_an_object_of_the_release_or_to_one_that_the_case_names(name: str) -> None:
    release = case(name)
    external = set(EXTERNAL.get(name, ()))
    used = set()
    for kind, target, keys in references(release):
        if release.has(kind, target):
            found = release.get(kind, target)
            missing = set(keys) - (found.get("data") or {}).keys()
            assert not missing, f"{kind} {target} has no {missing}"
        else:
            assert (kind, target) in external, f"{kind} {target}"
            used.add((kind, target))
    assert used == external


def references(release: Release) -> Iterator[tuple[str, str, list[str]]]:
    """Yield kind, name and keys of what pods and monitors name."""
    for pod in release.pods:
        yield from _of_pod(pod)
    for binding in release.all("RoleBinding"):
        yield "Role", binding["roleRef"]["name"], []
        for subject in binding["subjects"]:
            yield "ServiceAccount", subject["name"], []
    endpoints = [each for monitor in release.all("PodMonitor") for each in monitor["spec"]["podMetricsEndpoints"]]
    endpoints += [each for monitor in release.all("ServiceMonitor") for each in monitor["spec"]["endpoints"]]
    for endpoint in endpoints:
        ca = endpoint.get("tlsConfig", {}).get("ca", {}).get("secret")
        for secret in filter(None, (ca, *endpoint.get("basicAuth", {}).values())):
            yield "Secret", secret["name"], [secret["key"]]
    for each in release.all("StatefulSet"):
        yield "Service", each["spec"]["serviceName"], []


def _of_pod(pod: Pod) -> Iterator[tuple[str, str, list[str]]]:
    yield "ServiceAccount", pod.spec["serviceAccountName"], []
    for each in pod.spec.get("imagePullSecrets", ()):
        yield "Secret", each["name"], []
    for volume in pod.spec.get("volumes", ()):
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            yield from _volume(source)
    for container in pod.containers:
        for each in container.spec.get("env", ()):
            reference = each.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield "Secret", reference["name"], [reference["key"]]


def _volume(source: Any) -> Iterator[tuple[str, str, list[str]]]:
    if "secret" in source:
        secret = source["secret"]
        yield "Secret", secret.get("secretName", secret.get("name")), [item["key"] for item in secret.get("items", ())]
    if "configMap" in source:
        yield "ConfigMap", source["configMap"]["name"], [item["key"] for item in source["configMap"].get("items", ())]


def test_a_pod_is_not_restarted_for_a_new_version_of_the_chart() -> None:
    for name in CASES:
        for pod in case(name).pods:
            if pod.kind != "Pod":
                assert not {"helm.sh/chart", "app.kubernetes.io/version"} & pod.labels.keys()


def test_a_changed_configuration_restarts_the_database_and_nothing_else() -> None:
    before = case("default")
    after = render({"mariadb": {"config": "[mariadbd]\nmax_connections = 7\n"}})
    changed = {pod.owner for pod, other in zip(before.pods, after.pods, strict=True) if pod != other}
    assert changed == {FULLNAME}


def test_in_diagnostic_mode_a_container_sleeps_gets_no_clients_and_only_deleted_pods_do() -> None:
    release = case("diagnostic")
    container = release.pod("galera").container("mariadb").spec
    assert "readinessProbe" in container  # it is not ready, so no Service sends anybody there
    assert "livenessProbe" not in container
    assert release.get("StatefulSet", FULLNAME)["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_every_password_is_long_and_no_two_are_the_same() -> None:
    secrets = [each["data"] for each in case("etcd-auth").all("Secret")]
    passwords = [value for data in secrets for value in data.values()]
    assert len(passwords) == 4
    assert len(set(passwords)) == 4
    assert all(len(value) >= 40 for value in passwords)  # 32 characters in base64


def test_secrets_outlive_the_release() -> None:
    for each in case("etcd-auth").all("Secret"):
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_no_hook_but_the_tests_can_hold_up_an_upgrade() -> None:
    for name in CASES:
        for each in case(name).objects:
            hook = each["metadata"].get("annotations", {}).get("helm.sh/hook")
            assert hook in (None, "test")


def test_kubernetes_without_native_sidecars_is_refused() -> None:
    done = run("--kube-version", "1.28.15")
    assert done.returncode != 0
    assert "kubeVersion: >=1.29.0-0" in done.stderr


def test_a_long_name_leaves_room_for_what_kubernetes_appends() -> None:
    release = render({"fullnameOverride": "a" * 47})
    for each in release.all("StatefulSet"):
        assert len(each["metadata"]["name"]) <= 52  # a label has the hash of the revision behind it
    for each in release.all("Service"):
        assert len(each["metadata"]["name"]) <= 63
