"""Real faults on a real cluster, from the mildest to the worst: who is told of what, and of nothing else."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing, suppress
from pathlib import Path

import pymysql
import pytest

from alerts_live.inbox import Alert
from alerts_live.report import rows
from alerts_live.stand import Stand
from bootstrap_real.proxy import CALM, UNAVAILABLE, Faults
from lab import GaleraNode, wait_until
from lab.checks import Transfer, component

PREFIX = "/galera/v1/default/lab/"
NO_WRITES = Faults({}, {UNAVAILABLE: 1.0})
NOTHING = Faults({UNAVAILABLE: 1.0}, {UNAVAILABLE: 1.0})


def of(name: str, pod: str, more: str = "") -> Alert:
    """Return the alert of one pod."""
    return Alert(name, f"pod {pod}{more}")


DEGRADED = (Alert("GaleraClusterDegraded"), "warning")
NO_MARGIN = Alert("GaleraClusterNoFailureMargin")
NO_PRIMARY = Alert("GaleraClusterNoPrimary")
SPLIT_BRAIN = Alert("GaleraSplitBrain")
NEEDS_BOOTSTRAP = Alert("GaleraClusterNeedsBootstrap")
CATCHING_UP = [DEGRADED[0]]
"""A node that is back, and counts again, does not serve before it has caught up. Where five minutes are between two
messages, and not a second as here, this is told only of a state transfer that takes its time."""


def test_a_node_that_brakes_the_others_is_named_with_the_pause(stand: Stand) -> None:
    writer, slow, _ = stand.trio.galera.nodes
    writer.sql("CREATE DATABASE braked")
    writer.sql("CREATE TABLE braked.t (id INT AUTO_INCREMENT PRIMARY KEY, x TEXT)")
    ended = threading.Event()
    threads = [threading.Thread(target=_write, args=(writer, ended), daemon=True) for _ in range(3)]
    fault = stand.fault("flow control: one node applies nothing")
    with closing(slow.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES braked.t READ")
        for thread in threads:
            thread.start()
        try:
            paused = stand.trio.sidecars[0]
            paused.until(lambda page: page.value("wsrep_flow_control_active") == 1, 20, "is paused")
            fault.tells(
                paged=[Alert("GaleraFlowControlPaused")],
                ticketed=[of("GaleraRecvQueueHigh", slow.name)],
                muted=[(Alert("GaleraFlowControlPaused"), "warning")],
                within=60,
            )
        finally:
            ended.set()
            with suppress(pymysql.MySQLError):
                cursor.execute("UNLOCK TABLES")
    for thread in threads:
        thread.join(10)
    stand.trio.wait_healthy()
    stand.forget("wsrep_flow_control_paused_seconds_total")  # the rate is over five minutes
    fault.is_over(passing=[Alert("GaleraFlowControlPaused")])


def _write(node: GaleraNode, ended: threading.Event) -> None:
    with suppress(OSError, pymysql.MySQLError), closing(node.connect()) as connection, connection.cursor() as cursor:
        while not ended.is_set():
            cursor.execute("INSERT INTO braked.t (x) VALUES (REPEAT('x', 500))")


def test_a_frozen_sidecar_is_told_apart_from_a_dead_node(stand: Stand) -> None:
    pod = stand.trio.pods[1]
    assert pod.sidecar.process is not None
    fault = stand.fault("a sidecar is frozen (SIGSTOP)")
    pod.sidecar.process.freeze()
    with pytest.raises(OSError, match="timed out"):
        pod.sidecar.get(timeout=1)
    assert pod.node.synced, "its database serves"
    fault.tells(ticketed=[of("GaleraExporterDown", pod.name)])
    pod.sidecar.process.thaw()
    fault.is_over()


def test_a_node_that_cannot_write_to_etcd_is_not_registered(stand: Stand) -> None:
    fault = stand.fault("a node's key in etcd is deleted, and its sidecar cannot write")
    stand.gateway.faults = NO_WRITES
    assert stand.trio.etcd.ctl("del", f"{PREFIX}live/galera-1").strip() == "1"
    fault.tells(ticketed=[of("GaleraRegistryNodeMissing", "galera-1")])
    stand.gateway.faults = CALM
    fault.is_over()


def test_a_sidecar_that_is_cut_off_from_etcd_has_a_stale_key(stand: Stand) -> None:
    fault = stand.fault("one sidecar is cut off from etcd")
    stand.gateway.faults = NOTHING
    stand.trio.sidecars[1].until(lambda page: page.value("galera_registry_up") == 0, 20, "is cut off")
    fault.tells(ticketed=[of("GaleraEtcdKeyStale", "galera-1")])
    stand.gateway.faults = CALM
    fault.is_over()


def test_without_etcd_one_page_stands_for_all_that_follows(stand: Stand) -> None:
    fault = stand.fault("all members of etcd are stopped")
    stand.trio.etcd.stop()
    assert not any(member.alive for member in stand.trio.etcd.members)
    fault.tells(
        paged=[Alert("GaleraEtcdInsufficientMembers")],
        muted=[
            (Alert("GaleraRegistryUnavailable"), "warning"),
            (Alert("GaleraEtcdMembersDown"), "warning"),
        ],
    )
    assert all(node.synced for node in stand.trio.galera.nodes), "the databases serve"
    stand.trio.etcd.start()
    fault.is_over(passing=[Alert("GaleraEtcdMembersDown"), Alert("GaleraRegistryUnavailable")])


def test_a_node_that_is_killed_is_named_and_what_is_left_is_paged(stand: Stand) -> None:
    pod = stand.trio.pods[2]
    fault = stand.fault("one node is killed")
    pod.node.kill()
    assert not pod.node.alive
    fault.tells(paged=[NO_MARGIN], ticketed=[of("GaleraNodeDown", pod.name)], muted=[DEGRADED])
    pod.node.start()
    fault.is_over(passing=CATCHING_UP)


def test_the_loss_of_a_majority_is_one_page(stand: Stand) -> None:
    survivor = stand.trio.pods[0]
    fault = stand.fault("two of three nodes are killed")
    for pod in stand.trio.pods[1:]:
        pod.node.kill()
    fault.tells(paged=[NO_PRIMARY])
    assert survivor.node.status()["wsrep_cluster_status"] == "non-Primary"
    for pod in stand.trio.pods[1:]:
        pod.node.start()
    fault.is_over(passing=CATCHING_UP)


def test_when_all_are_down_it_is_one_page_and_another_when_nobody_may_begin(stand: Stand) -> None:
    fault = stand.fault("all nodes are killed, one with its sidecar")
    first, *others = stand.trio.pods
    first.sidecar.kill()
    for pod in stand.trio.pods:
        pod.node.kill()
    assert not any(pod.node.alive for pod in stand.trio.pods)
    fault.tells(paged=[NO_PRIMARY], ticketed=[of("GaleraExporterDown", first.name)])
    fault.goes_on("of these, two come back and wait for the third")
    for pod in others:
        pod.node.start()
    fault.tells(paged=[NEEDS_BOOTSTRAP])
    assert {pod.waiting for pod in others} == {"missing"}, "the one that is away may have more"
    first.start()
    fault.is_over(passing=CATCHING_UP)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def differ(first: GaleraNode, victim: GaleraNode) -> None:
    """Have Galera find that the data of ``victim`` differ."""
    first.sql("CREATE OR REPLACE DATABASE differing")
    first.sql("CREATE TABLE differing.t (id INT PRIMARY KEY, n INT)")
    first.sql("INSERT INTO differing.t VALUES (1, 1)")
    with closing(victim.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute("SELECT n FROM differing.t")
        cursor.execute("SET SESSION wsrep_on = OFF")
        cursor.execute("DELETE FROM differing.t")
    first.sql("UPDATE differing.t SET n = 2 WHERE id = 1")


def test_a_node_whose_data_differ_is_paged(stand: Stand) -> None:
    first, _, victim = stand.trio.pods
    victim.mark()
    # The sidecar has the wrapper stop such a node in less than a scrape: here the wrapper is held, and the node stays.
    assert victim.node.process is not None
    (wrapper,) = children(victim.node.process.pid)
    fault = stand.fault("a node's data differ, and nobody stops it")
    os.kill(wrapper, signal.SIGSTOP)
    differ(first.node, victim.node)
    wait_until(lambda: "inconsistent" in victim.log.lower(), 30, "Galera finds it inconsistent", victim.logs)
    fault.tells(
        paged=[of("GaleraNodeInconsistent", victim.name), NO_MARGIN],
        muted=[(of("GaleraNodeNotPrimary", victim.name), "warning"), DEGRADED],
    )
    os.kill(wrapper, signal.SIGCONT)
    fault.is_over(passing=CATCHING_UP)
    assert victim.transfer is Transfer.SST


def test_a_node_whose_data_differ_is_paged_though_its_sidecar_stops_it_at_once(stand: Stand) -> None:
    first, _, victim = stand.trio.pods
    victim.mark()
    page = of("GaleraNodeInconsistent", victim.name)
    fault = stand.fault("a node's data differ, and its sidecar stops it")
    differ(first.node, victim.node)
    wait_until(lambda: page in {each.alert for each in stand.inbox.heard(fault.began)}, 30, "the page", stand.logs())
    fault.paged = fault.paged | {page}
    fault.is_over(passing=[*CATCHING_UP, NO_MARGIN])
    assert victim.transfer is Transfer.SST


def test_two_primary_components_are_one_page(stand: Stand) -> None:
    pod = stand.trio.pods[2]
    fault = stand.fault("a second cluster is bootstrapped by hand")
    pod.node.stop()
    state = pod.node.datadir / "grastate.dat"
    state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
    astray = GaleraNode(pod.node.config)
    astray.start(new_cluster=True)
    try:
        astray.wait_synced()
        fault.begins()
        sides = [component(node) for node in (stand.trio.galera.nodes[0], astray)]
        assert all(sides)
        assert len({side.uuid for side in sides if side}) == 1, "one lineage by its name"
        assert not set.intersection(*({*side.members} for side in sides if side))
        fault.tells(paged=[SPLIT_BRAIN], muted=[DEGRADED, (NO_MARGIN, "critical")])
    finally:
        astray.kill()
    pod.node.wipe()
    pod.node.start()
    fault.is_over(passing=[NO_MARGIN, *CATCHING_UP])


def test_the_page_on_alerts_has_a_row_for_each_notification(stand: Stand) -> None:
    measured = {each.row[:2] for each in stand.told}
    assert measured - rows() == set(), "run python -m alerts_live.report"
