"""``galeractl status`` on a real cluster with real sidecars."""

from __future__ import annotations

import re
from typing import Any

from ctl import galeractl

from lab import Trio, wait_until


def registry(cluster: Trio) -> tuple[str, ...]:
    return (f"--etcd.endpoints={','.join(cluster.etcd.endpoints)}", f"--cluster-name={cluster.galera.name}")


def local(cluster: Trio) -> tuple[str, ...]:
    sidecar = cluster.sidecars[1]
    return (f"--mariadb.address={sidecar.node.address}", f"--mariadb.password-file={sidecar.password_file}")


def test_real_sidecars_show_a_healthy_cluster(cluster: Trio) -> None:
    def healthy() -> Any:
        found = galeractl("status", "--output=json", *registry(cluster)).json
        return found if found["level"] == "healthy" else None

    # What nodes write of each other is up to a heartbeat old: after a change they count differently for 3 s.
    document = wait_until(healthy, 15, "a healthy cluster")
    names = [node.name for node in cluster.galera.nodes]
    assert [node["node"] for node in document["nodes"]] == names
    assert [node["address"] for node in document["nodes"]] == [node.address for node in cluster.galera.nodes]
    for node in document["nodes"]:
        assert (node["state"], node["status"], node["in_view"], node["ready"]) == ("synced", "Primary", True, True)
        assert 0 <= node["key_age_seconds"] < 10
        assert node["seqno"] > 0


def test_the_environment_of_a_sidecar_gives_the_same_without_any_option(cluster: Trio) -> None:
    done = galeractl(
        "status",
        env={
            "GALERA_EXPORTER_ETCD_ENDPOINTS": ",".join(cluster.etcd.endpoints),
            "GALERA_EXPORTER_CLUSTER_NAME": cluster.galera.name,
            "GALERA_EXPORTER_WEB_LISTEN_ADDRESS": ":10104",
        },
    )
    assert done.code == 0
    assert "Healthy: 3 of 3" in done.out


def test_a_killed_node_is_out_of_the_view_and_then_gone(cluster: Trio) -> None:
    key = f"/galera/v1/default/{cluster.galera.name}/nodes/galera-2"
    wait_until(lambda: key in cluster.etcd.ctl("get", "--keys-only", key), 20, "galera-2 is remembered")
    cluster.galera.nodes[2].kill()

    def gone() -> bool:
        done = galeractl("status", *registry(cluster))
        return done.code == 1 and bool(
            re.search(r"^galera-2 +gone \(synced\) .* gone +no +no ", done.out, re.MULTILINE)
        )

    wait_until(gone, 40, "galera-2 is shown as gone", interval=0.5)


def test_without_etcd_the_local_node_is_asked_and_that_is_said(cluster: Trio) -> None:
    cluster.etcd.stop()
    done = galeractl("status", *registry(cluster), *local(cluster))
    assert done.code == 1
    assert "only the local node was asked" in done.out
    assert re.search(r"^galera-1 +synced +Primary +\d+ +status +unknown +yes +yes +3 ", done.out, re.MULTILINE)
    assert "Degraded: the registry is unreachable" in done.out
    document = galeractl("status", "--output=json", *registry(cluster), *local(cluster)).json
    assert (document["source"], document["registry"]["up"], document["database"]["up"]) == ("local", False, True)
    (node,) = document["nodes"]
    assert (node["present"], node["key_age_seconds"], node["ready"]) == (None, None, True)


def test_without_a_registry_the_local_node_alone_can_be_healthy(cluster: Trio) -> None:
    done = galeractl("status", *local(cluster), "--expected-size=3")
    assert done.code == 0
    assert "no registry is configured" in done.out


def test_a_frozen_local_node_without_etcd_costs_a_bounded_time(cluster: Trio) -> None:
    cluster.galera.nodes[1].freeze()
    done = galeractl("status", *local(cluster), "--mariadb.timeout=1")
    assert done.code == 2
    assert done.seconds < 15
    assert "The local MariaDB: timeout" in done.out
