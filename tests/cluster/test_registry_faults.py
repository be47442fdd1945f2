"""What is seen when etcd fails, or others write where our keys are."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lab import Page, Sidecar, Trio, wait_until
from lab.namespaces import Host

PREFIX = "/galera/v1/default/lab/"


@pytest.fixture
def sidecar(cluster: Trio) -> Sidecar:
    return cluster.sidecars[0]


def test_without_etcd_the_metrics_of_the_database_go_on_and_it_recovers_by_itself(
    cluster: Trio, sidecar: Sidecar
) -> None:
    cluster.etcd.stop()
    page = sidecar.until(lambda page: page.value("galera_registry_up") == 0, 20, "sees that etcd is gone")
    assert page.value("galera_up") == 1
    assert page.value("wsrep_cluster_size") == 3
    ages = [page.value("galera_etcd_key_age_seconds", node="galera-1") or 0]
    failures = sum(value for _, value in page.series("galera_heartbeat_failures_total"))
    page = sidecar.until(
        lambda page: sum(value for _, value in page.series("galera_heartbeat_failures_total")) > failures,
        20,
        "counts the heartbeats that fail",
    )
    began = time.monotonic()
    page = sidecar.metrics()
    assert time.monotonic() - began < 4, "the page does not wait for etcd"
    ages.append(page.value("galera_etcd_key_age_seconds", node="galera-1") or 0)
    assert ages[1] > ages[0] > 0, "the age rises while nothing is heard"
    cluster.etcd.start()
    page = sidecar.until(
        lambda page: page.value("galera_registry_up") == 1 and page.value("galera_registry_nodes") == 3,
        30,
        "recovers by itself",
    )
    assert page.value("galera_registry_self_registered") == 1


def test_the_leader_of_etcd_killed_costs_no_key(cluster: Trio, sidecar: Sidecar) -> None:
    before = sidecar.metrics()
    killed = cluster.etcd.leader()
    killed.kill()
    assert cluster.etcd.leader() is not killed
    end = time.monotonic() + 13  # the TTL of 10 s and a heartbeat
    while time.monotonic() < end:
        page = sidecar.metrics()
        for node in cluster.galera.nodes:
            assert page.value("galera_etcd_key_present", node=node.name) == 1
        time.sleep(0.5)
    for node in cluster.galera.nodes:
        labels = {"node": node.name}
        name = "galera_registry_key_expirations_total"
        assert page.value(name, **labels) == before.value(name, **labels)
    assert page.value("galera_registry_up") == 1


def _wrote(writes: float, page: Page) -> bool:
    return page.value("galera_registry_up") == 1 and (page.value("galera_heartbeat_writes_total") or 0) >= writes


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_each_sidecar_gets_by_with_two_of_three_members(cluster: Trio, fault: str) -> None:
    """Each sidecar sticks to one endpoint: with every member lost in turn, each one has to change."""
    for member in cluster.etcd.members:
        getattr(member, fault)()
        with pytest.raises(subprocess.SubprocessError):  # it exits, or is still waiting
            cluster.etcd.ctl("endpoint", "health", endpoints=(member.endpoint,), timeout=4)
        writes = [page.value("galera_heartbeat_writes_total") or 0 for page in cluster.pages()]
        for sidecar, before in zip(cluster.sidecars, writes, strict=True):
            sidecar.until(partial(_wrote, before + 2), 25, f"goes on without {member.name}")
        member.thaw()
        cluster.etcd.start()


def test_a_key_deleted_by_hand_is_written_again_and_counted(cluster: Trio, sidecar: Sidecar) -> None:
    name = cluster.galera.nodes[1].name
    before = sidecar.metrics().value("galera_registry_key_expirations_total", node=name) or 0
    assert cluster.etcd.ctl("del", f"{PREFIX}live/{name}").strip() == "1"
    page = sidecar.until(
        lambda page: (page.value("galera_registry_key_expirations_total", node=name) or 0) > before, 10, "counts it"
    )
    page = sidecar.until(lambda page: page.value("galera_etcd_key_present", node=name) == 1, 10, "sees it again")
    assert page.value("galera_registry_nodes") == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("live/galera-9", "not json"),
        ("live/galera-9", '{"a": [1, 2, {"b": null}]}'),
        ("live/galera-9", '{"schema": 99, "node": "galera-9"}'),
        ("live/galera-9", "\u0000\u00ff" * 100),
        ("live/../../escape", "{}"),
        ("what/is/this", "x" * (1 << 20)),
        ('live/<script>"\n', "{}"),
    ],
    ids=["text", "json", "newer-schema", "binary", "path", "large", "markup"],
)
def test_a_foreign_value_is_counted_and_breaks_nothing(cluster: Trio, sidecar: Sidecar, key: str, value: str) -> None:
    before = sidecar.metrics().value("galera_registry_foreign_keys") or 0
    cluster.etcd.ctl("put", f"{PREFIX}{key}", stdin=value)
    try:
        page = sidecar.until(lambda page: (page.value("galera_registry_foreign_keys") or 0) > before, 10, "counts it")
        assert page.value("galera_registry_up") == 1
        for node in cluster.galera.nodes:
            assert page.value("galera_etcd_key_present", node=node.name) == 1
        assert "<script>" not in sidecar.get("/")
    finally:
        cluster.etcd.ctl("del", f"{PREFIX}{key}")
    sidecar.until(lambda page: page.value("galera_registry_foreign_keys") == before, 10, "has forgotten it")


def test_wiped_keys_are_all_back_within_a_heartbeat(cluster: Trio) -> None:
    assert int(cluster.etcd.ctl("del", "--prefix", PREFIX)) >= 3
    wait_until(lambda: len(cluster.etcd.keys(f"{PREFIX}live/")) == 3, 5, "three live keys are back")
    for other in cluster.sidecars:
        page = other.until(lambda page: page.value("galera_registry_nodes") == 3, 5, "sees three nodes again")
        assert page.value("galera_registry_self_registered") == 1


def test_a_second_claimant_of_a_name_does_not_take_the_key(cluster: Trio, lab_folder: Path) -> None:
    node = cluster.galera.nodes[1]
    impostor = Sidecar(
        node,
        lab_folder,
        etcd=cluster.etcd.endpoints,
        flags={"node-name": "galera-0", "owner": "impostor"},
    )
    try:
        impostor.start()
        page = impostor.until(
            lambda page: (page.value("galera_heartbeat_failures_total", reason="duplicate") or 0) > 0, 15, "is refused"
        )
        assert page.value("galera_registry_self_registered") == 0
        assert '"owner":"impostor"' not in cluster.etcd.ctl("get", f"{PREFIX}live/galera-0")
    finally:
        impostor.close()


def test_a_pod_that_comes_back_with_another_address_takes_its_name_and_is_found_there(cluster: Trio) -> None:
    pod, witness = cluster.pods[2], cluster.sidecars[0]
    config, flags, port = pod.node.config, dict(pod.sidecar.flags), pod.node.port
    moved = f"127.0.0.2:{port}"
    assert moved not in _incoming(cluster)
    pod.power_loss()
    pod.node.config = replace(config, host=Host("127.0.0.2"))
    pod.sidecar.flags |= {"address": moved, "owner": "the-next-pod"}
    try:
        pod.start()
        pod.sidecar.until(lambda page: page.value("galera_registry_self_registered") == 1, 30, "has the name")
        record = json.loads(cluster.etcd.ctl("get", "--print-value-only", f"{PREFIX}live/{pod.name}"))
        assert (record["owner"], record["address"]) == ("the-next-pod", moved)
        witness.until(
            lambda page: (
                page.value("wsrep_cluster_size") == 3 and page.value("galera_registry_node_in_view", node=pod.name) == 1
            ),
            60,
            "has it in its view",
        )
        wait_until(lambda: moved in _incoming(cluster), 10, "Galera has the new address")
    finally:
        pod.power_loss()
        pod.node.config = config
        pod.sidecar.flags.clear()
        pod.sidecar.flags.update(flags)


def _incoming(cluster: Trio) -> str:
    return cluster.galera.nodes[0].status()["wsrep_incoming_addresses"]
