"""The install, and what a user does next."""

from __future__ import annotations

import json

import pytest

from e2e.clients import nodes
from e2e.release import Release
from e2e.report import Measure, save

pytestmark = pytest.mark.core

_TRIES = """
import json, os, pymysql
def login(user):
    try:
        pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user=user).close()
    except pymysql.OperationalError as error:
        return error.args[0]
def move():
    try:
        os.rename("/run/mysqld/mysqld.sock", "/run/mysqld/other.sock")
    except OSError as error:
        return error.strerror
users = "root", "mysql", "nobody", "10104", "exporter"
print(json.dumps({
    "user": os.getuid(), "logins": {user: login(user) for user in users},
    "data": os.path.exists("/var/lib/mysql"), "socket": move(),
}))
"""


def test_an_install_with_default_values_in_a_restricted_namespace_is_three_synced_nodes(
    installed: tuple[Release, float], measured: Measure
) -> None:
    release, took = installed
    measured("helm install to three Synced nodes, three members of etcd and the observer, all ready", took, goal=90)
    save("kubectl-get-pods.txt", release.kubectl("get", "pods", "-o", "wide"))
    save("kubectl-get-services.txt", release.kubectl("get", "services,endpointslices"))
    save("kubectl-get-events.txt", release.kubectl("get", "events", "--sort-by=.lastTimestamp"))
    for pod in release.pods():
        assert release.sql(pod.name, "SHOW STATUS LIKE 'wsrep_cluster_size'") == [["wsrep_cluster_size", "3"]]
    assert not [pod.name for pod in release.all_pods() if any(pod.restarts.values())], "a container was restarted"
    labelled = [pod.name for pod in release.pods() if pod.labels.get("galera.role") == "primary"]
    assert [release.write_pod()] == labelled
    assert release.endpoints(release.fullname) == [release.pod_name(ordinal) for ordinal in range(3)]


def test_helm_test_passes(db: Release) -> None:
    said = db.helm("test", db.name, "--logs")
    save("helm-test.txt", f"$ helm test db --logs\n{said}")
    assert "Phase:          Failed" not in said
    assert said.count("Healthy:") == 3


def test_galeractl_in_a_sidecar_tells_that_all_is_well(db: Release) -> None:
    for words in (["status"], ["explain"], ["etcd-health"]):
        said = db.galeractl(*words)
        save(
            f"galeractl-{words[0]}.txt",
            f"$ kubectl exec {db.pod_name(0)} -c exporter -- galeractl {' '.join(words)}\n{said}",
        )
        assert "Healthy" in said or "Primary component of epoch" in said


def test_the_sidecar_neither_logs_in_as_an_administrator_nor_sees_the_data(db: Release) -> None:
    for pod in db.pods():
        assert db.sql(pod.name, "SELECT CURRENT_USER()") == [["mysql@localhost"]], "the database's own user does, there"
        said = json.loads(db.kubectl("exec", pod.name, "-c", "exporter", "--", "python3", "-c", _TRIES))
        assert set(said.pop("logins").values()) <= {1045, 1698}, "access denied"
        assert said == {"user": 10104, "data": False, "socket": "Read-only file system"}


def test_korean_text_and_table_names_are_the_same_on_every_node_and_in_any_case(db: Release) -> None:
    first, second, third = nodes(db)
    first.sql("CREATE DATABASE IF NOT EXISTS seoul")
    try:
        first.sql("CREATE TABLE seoul.`고객_Orders` (id INT PRIMARY KEY, `이름` VARCHAR(50) NOT NULL)")
        second.sql("INSERT INTO seoul.`고객_orders` VALUES (1, '김철수'), (2, '뷁 😀')")
        third.sql("SET SESSION wsrep_sync_wait = 1")
        for node in nodes(db):
            rows = node.sql("SELECT `이름` AS name FROM seoul.`고객_ORDERS` ORDER BY id")
            assert [row["name"] for row in rows] == ["김철수", "뷁 😀"], node.name
            assert node.sql("SELECT @@character_set_server AS cs")[0]["cs"] == "utf8mb4"
    finally:
        first.sql("DROP DATABASE seoul")
